"""The ui app."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """Registers the ui app."""

    name = "tilth.ui"
    label = "ui"
