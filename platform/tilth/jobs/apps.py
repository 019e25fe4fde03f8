"""The jobs app: heavy work as supervised programs, and the workers that run them."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    """Starts the Celery app and discovers each app's ``jobs.py``, which registers its job kinds."""

    name = "tilth.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Make the Celery app the current one; learn the job kinds; show up in pages."""
        from tilth.jobs import celery, navigation, references  # noqa: F401

        autodiscover_modules("jobs")
