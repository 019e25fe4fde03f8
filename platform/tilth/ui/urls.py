"""Addresses of the shell's own requests."""

from django.urls import path

from tilth.ui import views

app_name = "ui"
urlpatterns = [
    path("theme", views.theme, name="theme"),
    path("preview", views.preview, name="preview"),
]
