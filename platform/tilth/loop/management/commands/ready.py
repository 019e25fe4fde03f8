"""``manage.py ready``: what ``/readyz`` checks, for containers and scripts; non-zero exit when a part is missing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tilth.loop.health import CHECKS, NotReady


class Command(BaseCommand):
    """Check the database, the broker, the storage and that a worker reports."""

    help = "Check that every part answers: database, broker, storage, worker."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check all parts before complaining, so that all that is missing is named at once."""
        missing = []
        for name, check in CHECKS.items():
            try:
                check()
            except NotReady as error:
                missing.append(f"{name}: {error.message}")
        if missing:
            raise CommandError("\n".join(missing))
        self.stdout.write("ready")
