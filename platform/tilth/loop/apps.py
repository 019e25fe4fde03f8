"""The loop app: the only one that joins several products; the home page is its first."""

from django.apps import AppConfig


class LoopConfig(AppConfig):
    """Registers the loop app."""

    name = "tilth.loop"
    label = "loop"

    def ready(self) -> None:
        """Put the home page and the Admin section into the navigation, and the panels onto the home page."""
        from tilth.loop import checkpoint_uses, navigation, panels, people  # noqa: F401 (importing them registers)
