"""``manage.py beat``: the clock that finds lost jobs and places waiting ones."""

from typing import Any

from django.core.management.base import BaseCommand

from tilth.jobs.celery import app


class Command(BaseCommand):
    """Runs Celery's beat with Tilth's scheduler. More than one at a time is needless but harmless."""

    help = "Find lost jobs and place waiting ones, every few seconds, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until a signal ends the process."""
        app.loader.import_default_modules()
        app.Beat(loglevel="INFO", quiet=True).run()
