"""The curation app: recipes and runs over the pure pipeline in ``curation.pipeline``."""

from django.apps import AppConfig


class CurationConfig(AppConfig):
    """Registers the app, its place in the navigation, its references and its panels."""

    name = "curation"
    label = "curation"

    def ready(self) -> None:
        """Show up in pages and in references."""
        from curation import panels, references
        from tilth.ui import navigation

        navigation.register("Data", "Curation", "curation:runs", "curation.view", order=20, icon="funnel")
        navigation.register("Data", "Recipes", "curation:recipes", "curation.view", order=30, icon="recipe")
        references.register_all()
        panels.register_all()
