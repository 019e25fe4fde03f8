"""The loop app."""

from django.apps import AppConfig


class LoopConfig(AppConfig):
    """Registers the loop app."""

    name = "tilth.loop"
    label = "loop"
