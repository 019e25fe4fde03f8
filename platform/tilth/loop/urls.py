"""Addresses of the first page and of the health checks."""

from django.urls import path

from tilth.loop import health, views

app_name = "loop"
urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
