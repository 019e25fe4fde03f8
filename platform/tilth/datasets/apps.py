"""The datasets app."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """Registers the datasets app."""

    name = "tilth.datasets"
    label = "datasets"
