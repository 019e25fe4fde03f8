"""Addresses of guidelines."""

from django.urls import path

from labeling.views import guidelines

urlpatterns = [
    path("guidelines/", guidelines.index, name="guidelines"),
    path("guidelines/new/", guidelines.new, name="guideline_new"),
    path("guidelines/preview/", guidelines.preview, name="guideline_preview"),
    path("guidelines/<str:name>/", guidelines.guideline, name="guideline"),
    path("guidelines/<str:name>/edit/", guidelines.edit, name="guideline_edit"),
    path("guidelines/<str:name>/publish/", guidelines.publish, name="guideline_publish"),
    path("guidelines/<str:name>/archive/", guidelines.archive, name="guideline_archive"),
    path("guidelines/<str:name>/<int:number>/", guidelines.version, name="guideline_version"),
    path("guidelines/<str:name>/<int:number>/pane/", guidelines.pane, name="guideline_pane"),
    path("guidelines/<str:name>/<int:number>/read/", guidelines.acknowledge, name="guideline_read"),
    path("guidelines/<str:name>/<int:old>/to/<int:new>/", guidelines.difference, name="guideline_diff"),
]
