"""The labeling app: campaigns in which experts write, edit, compare and rate, under versioned guidelines."""

from importlib import import_module

from django.apps import AppConfig

MODELS = (
    "guidelines",
    "campaigns",
    "rosters",
    "moves",
    "tasks",
    "annotations",
    "quality",
    "time",
    "publications",
)


class LabelingConfig(AppConfig):
    """Registers labeling's pages, panels, references and job kinds with the platform."""

    name = "labeling"
    label = "labeling"

    def import_models(self) -> None:
        """Models are a package, one concern a file."""
        super().import_models()
        for name in MODELS:
            import_module(f"labeling.models.{name}")

    def ready(self) -> None:
        """Show up in pages and in references; refuse kinds of tasks whose keys collide."""
        from django.core.checks import register

        from labeling import checks, panels, references
        from tilth.ui import navigation

        register(checks.task_kinds, "tilth")
        navigation.register(
            "Labeling", "My work", "labeling:work", "labeling.work", order=10, icon="labeling"
        )
        navigation.register(
            "Labeling", "Questions", "labeling:threads", "labeling.work", order=12, icon="alert"
        )
        navigation.register(
            "Labeling", "Time and pay", "labeling:my_time", "labeling.work", order=14, icon="recipe"
        )
        navigation.register(
            "Labeling", "Review", "labeling:review", "labeling.review", order=20, icon="check"
        )
        navigation.register("Labeling", "Campaigns", "labeling:campaigns", "campaigns.view", order=30)
        navigation.register("Labeling", "Guidelines", "labeling:guidelines", "guidelines.view", order=40)
        navigation.register("Labeling", "Exams", "labeling:exams", "campaigns.view", order=50, icon="skill")
        references.register_all()
        panels.register_all()
