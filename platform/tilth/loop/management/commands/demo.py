"""``manage.py demo``: the sample through the whole product: curate, publish, export (and, later, the rest)."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.datasets.models import Dataset, DatasetVersion

NAME = "demo"
NEWEST = "cc:latest:0"
"""The first WARC file of the newest crawl."""

PAGES = 500


class Command(BaseCommand):
    """Run the demonstration; every run adds a version to the dataset ``demo``."""

    help = "Curate the first pages of a real WARC file, publish them and export them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the pages come from."""
        parser.add_argument(
            "--warc", action="append", help="a WARC file; default: the first of the newest crawl"
        )
        parser.add_argument(
            "--pages", type=int, default=PAGES, help=f"read this many pages (default {PAGES})"
        )
        parser.add_argument("--recipe", default="fineweb")

    def handle(self, *args: Any, warc: list[str] | None, pages: int, recipe: str, **options: Any) -> None:
        """Each stage says what it does and where to look at what it made."""
        call_command("migrate", verbosity=0, interactive=False)
        sources = warc or [NEWEST]
        self.stdout.write(f"1. Curate {pages} pages of {', '.join(sources)} with the recipe {recipe}")
        known = Dataset.objects.filter(name=NAME).exists()
        try:
            call_command(
                "curate",
                *sources,
                name=NAME,
                recipe=recipe,
                limit=pages,
                new_version=known,
                stdout=self.stdout,
            )
        except CommandError as error:
            hint = "" if warc else "\nWithout internet name a file: make demo WARC=path"
            raise CommandError(f"{error}{hint}") from error
        version = DatasetVersion.objects.filter(dataset__name=NAME).published().order_by("-number")[0]
        self.stdout.write(f"2. Published as {version.reference}: {version.rows} documents")
        out = settings.VAR / "demo" / f"{NAME}-{version.number}"
        call_command("export", version.reference, "--format=hf", f"--out={out}", stdout=self.stdout)
        self.stdout.write(f"3. Exported to {shown(out)}")
        self.stdout.write(f"Look at it: make up, then {settings.SITE_URL}/datasets/{NAME}/{version.number}/")


def shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
