"""Addresses of a labeler's own work."""

from django.urls import path

from labeling.views import save, work, workspace

urlpatterns = [
    path("", work.start, name="start"),
    path("work/", work.index, name="work"),
    path("offer/<int:pk>/", work.offer, name="offer"),
    path("offer/<int:pk>/decline/", work.decline, name="decline"),
    path("claim/<int:pk>/", work.claim, name="claim"),
    path("ahead/<int:pk>/", save.prefetch, name="prefetch"),
    path("work/<int:pk>/", workspace.assignment, name="assignment"),
    path("work/<int:pk>/draft/", save.draft, name="draft"),
    path("work/<int:pk>/presence/", save.presence, name="presence"),
    path("work/<int:pk>/submit/", save.submit, name="submit"),
    path("work/<int:pk>/extend/", save.extend, name="extend"),
    path("work/<int:pk>/restore/<int:point>/", save.restore, name="restore"),
    path("work/<int:pk>/history/", workspace.history, name="history"),
    path("work/<int:pk>/skip/", workspace.skip, name="skip"),
    path("work/<int:pk>/undo/<uuid:annotation>/", workspace.undo, name="undo"),
    path("diff/", save.diff, name="diff"),
    path("preview/", save.preview, name="preview"),
]
