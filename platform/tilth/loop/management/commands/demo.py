"""``manage.py demo``: the sample through the whole product: curate, publish, export, rate, publish the ratings, train."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.models.annotations import UNDO
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.errors import TilthError
from tilth.loop import demo_ratings, demo_training

NAME = "demo"
NEWEST = "cc:latest:0"
"""The first WARC file of the newest crawl."""

PAGES = 500
DOCUMENTS = 20
"""So many documents are rated."""


class Command(BaseCommand):
    """Run the demonstration; every run adds a version to the datasets ``demo``, ``demo-ratings``, ``demo-talks``."""

    help = (
        "Curate the first pages of a real WARC file, publish and export them, have them rated, publish that, "
        "and, where the training extra is installed, grow a tiny model on them."
    )

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
        version = self.curate(warc, pages, recipe)
        try:
            ratings = self.rate(version)
            trained = self.train(version)
        except TilthError as error:
            raise CommandError(error.message) from error
        self.stdout.write("Look at them: make up, then")
        for made in (version, ratings):
            self.stdout.write(f"  {settings.SITE_URL}/datasets/{made.dataset.name}/{made.number}/")
        for address in trained:
            self.stdout.write(f"  {address}")

    def curate(self, warc: list[str] | None, pages: int, recipe: str) -> DatasetVersion:
        """The next version of ``demo``, published and exported."""
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
        return version

    def rate(self, version: DatasetVersion) -> DatasetVersion:
        """Scripted people rate the first documents, and their ratings are published."""
        people = " and ".join(demo_ratings.PEOPLE)
        self.stdout.write(f"4. A campaign on the first {DOCUMENTS} documents; {people} rate them")
        campaign = demo_ratings.campaign_on(version, DOCUMENTS)
        done = demo_ratings.label(campaign)
        wait = f"{UNDO.total_seconds():.0f} s until none can be taken back"
        self.stdout.write(f"5. {done} ratings in {campaign.reference}; waiting {wait}")
        self.stdout.flush()
        ratings = demo_ratings.publish(campaign)
        self.stdout.write(f"6. Published as {ratings.reference}: {ratings.rows} rows")
        return ratings

    def train(self, version: DatasetVersion) -> list[str]:
        """A tiny model grows on the documents; addresses of what it came to, none where this machine cannot train."""
        if not demo_training.can_train():
            self.stdout.write(f"7. {demo_training.HOW_TO_GO_ON}")
            return []
        self.stdout.write("7. Training, each run after a preflight; on CPU, in a minute or two")

        def say(line: str) -> None:
            self.stdout.write(line)
            self.stdout.flush()

        return demo_training.train(version, say)


def shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
