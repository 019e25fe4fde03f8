"""The curation app: recipes and runs over the pure pipeline in ``curation.pipeline``."""

from django.apps import AppConfig


class CurationConfig(AppConfig):
    """Registers the curation app."""

    name = "curation"
    label = "curation"
