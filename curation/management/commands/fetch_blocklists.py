"""``manage.py fetch_blocklists``: the URL blocklists that the recipe ``fineweb`` names, from the University of Toulouse.

The lists (UT1, https://dsi.ut-capitole.fr/blacklists/, CC BY-SA 4.0) are the ones that RefinedWeb and FineWeb
used. They are not part of Tilth: this command fetches them where there is internet.
"""

import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

UT1 = "https://dsi.ut-capitole.fr/blacklists/download/blacklists.tar.gz"
FILES = frozenset({"domains", "urls"})


class Command(BaseCommand):
    """Fetch and unpack the lists, one folder per category."""

    help = "Fetch the UT1 URL blocklists into a folder; set TILTH_BLOCKLISTS to it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where from, where to."""
        parser.add_argument("--url", default=UT1)
        parser.add_argument(
            "--out", type=Path, default=Path(settings.BLOCKLISTS or settings.VAR / "blocklists")
        )

    def handle(self, *args: Any, url: str, out: Path, **options: Any) -> None:
        """Download, unpack only the list files, report the categories."""
        if not url.startswith(("https://", "http://", "file://")):
            raise CommandError(f"{url} is not a web address")
        with tempfile.TemporaryFile() as archive:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - checked above, and typed at the shell
                    while block := answer.read(1 << 20):
                        archive.write(block)
            except OSError as error:
                raise CommandError(
                    f"Could not fetch {url}: {error}. Without the lists the recipe runs, and its "
                    "blocklist categories show as not run."
                ) from error
            archive.seek(0)
            categories = unpack(archive, out)
        if not categories:
            raise CommandError(
                f"{url} holds no blocklists (expected folders with files named domains or urls)"
            )
        self.stdout.write(f"{len(categories)} categories in {out}: {', '.join(categories)}")
        self.stdout.write(f"Set TILTH_BLOCKLISTS={out}")


def unpack(archive: Any, out: Path) -> list[str]:
    """Unpack ``…/<category>/{domains,urls}`` below ``out``; returns the categories, sorted."""
    found = set()
    with tarfile.open(fileobj=archive, mode="r:*") as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or len(parts) < 2 or parts[-1] not in FILES or ".." in parts:
                continue
            category, source = parts[-2], tar.extractfile(member)
            if source is None:
                continue
            folder = out / category
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / parts[-1]).open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
            found.add(category)
    return sorted(found)
