"""Addresses of conversations about work."""

from django.urls import path

from labeling.views import threads

urlpatterns = [
    path("questions/", threads.index, name="threads"),
    path("questions/<int:pk>/", threads.thread, name="thread"),
    path("questions/<int:pk>/reply/", threads.reply, name="thread_reply"),
    path("questions/<int:pk>/close/", threads.close, name="thread_close"),
    path("questions/<int:pk>/reopen/", threads.reopen, name="thread_reopen"),
    path("work/<int:pk>/ask/", threads.ask, name="ask"),
    path("work/annotations/<uuid:pk>/appeal/", threads.appeal, name="appeal"),
    path("campaigns/<int:pk>/appeal/", threads.appeal_pause, name="appeal_pause"),
    path("campaigns/<int:pk>/discuss/", threads.discuss, name="discuss"),
]
