"""The training app: runs and checkpoints over the pure programs in ``training.llm``."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers the app."""

    name = "training"
    label = "training"
