"""Addresses of the jobs app."""

from django.urls import path

from tilth.jobs import views

app_name = "jobs"
urlpatterns = [
    path("jobs/", views.index, name="list"),
    path("jobs/<int:pk>/", views.detail, name="detail"),
    path("jobs/<int:pk>/panel/", views.panel, name="panel"),
    path("jobs/<int:pk>/progress/", views.progress, name="progress"),
    path("jobs/<int:pk>/metrics/", views.metrics, name="metrics"),
    path("jobs/<int:pk>/log/", views.log, name="log"),
    path("jobs/<int:pk>/log.txt", views.download_log, name="log_download"),
    path("jobs/<int:pk>/log-<int:attempt>.txt", views.download_log, name="attempt_log"),
    path("jobs/<int:pk>/do/<slug:verb>/", views.steer, name="steer"),
    path("workers/", views.workers, name="workers"),
    path("workers/leases/<int:pk>/free/", views.free_lease, name="free_lease"),
]
