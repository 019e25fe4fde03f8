"""The training app: runs and checkpoints over the pure programs in ``training.llm``."""

from importlib import import_module

from django.apps import AppConfig

MODELS = ("runs", "checkpoints", "alerts", "retention", "ablations")


class TrainingConfig(AppConfig):
    """Registers the app, its place in the navigation and its references."""

    name = "training"
    label = "training"

    def import_models(self) -> None:
        """Models are a package, one concern a file."""
        super().import_models()
        for name in MODELS:
            import_module(f"training.models.{name}")

    def ready(self) -> None:
        """Show up in pages and in references."""
        from tilth.ui import navigation
        from training import panels, references

        navigation.register("Models", "Runs", "training:runs", "models.view", order=10)
        navigation.register("Models", "Ablations", "training:ablations", "models.view", order=20)
        navigation.register("Models", "Tokenizer explorer", "training:explore", "models.view", order=40)
        navigation.register("Models", "Alerts", "training:alerts", "models.view", order=20, icon="alert")
        references.register_all()
        panels.register_all()
