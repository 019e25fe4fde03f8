"""Addresses of quality, time and publishing."""

from django.urls import path

from labeling.views import publish, quality, time

urlpatterns = [
    path("campaigns/members/<int:pk>/known-answers/", quality.known_answers, name="known_answers"),
    path("campaigns/<int:pk>/quality/", quality.index, name="campaign_quality"),
    path("campaigns/<int:pk>/labelers/", quality.people, name="campaign_labelers"),
    path("campaigns/<int:pk>/pilot/", quality.pilot, name="campaign_pilot"),
    path("campaigns/<int:pk>/publish/", publish.publish, name="campaign_publish"),
    path("campaigns/<int:pk>/time/", time.campaign, name="campaign_time"),
    path("campaigns/<int:pk>/statements/", time.statements, name="statements"),
    path("campaigns/<int:pk>/statements/export/", time.export, name="statements_export"),
    path("time/", time.mine, name="my_time"),
    path("time/<int:pk>/decide/", time.decide, name="time_decide"),
]
