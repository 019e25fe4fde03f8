"""The jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Registers the jobs app."""

    name = "tilth.jobs"
    label = "jobs"
