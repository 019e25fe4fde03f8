"""The datasets app."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """Registers the datasets app: its pages, its references."""

    name = "tilth.datasets"
    label = "datasets"

    def ready(self) -> None:
        """Put the pages into the navigation and teach the registry what ``name@3`` points at."""
        from tilth.datasets import references
        from tilth.ui import navigation

        references.register_all()
        navigation.register(
            section="Data", label="Datasets", url_name="datasets:list", permission="data.view", order=10
        )
