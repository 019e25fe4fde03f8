"""``manage.py export NAME@VERSION --format parquet|jsonl|hf|… --out DIR``: an export straight into a folder."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tilth.accounts.actors import Actor
from tilth.datasets.export.formats import FORMATS
from tilth.datasets.export.options import Options
from tilth.datasets.export.run import export_to_folder, make_source
from tilth.datasets.export.target import Folder
from tilth.datasets.exports import record_folder
from tilth.datasets.manifests import about, load_manifest
from tilth.datasets.models import DatasetVersion
from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.storage import Storage
from tilth.text.reference import parse_reference

PROGRESS_ROWS = 100_000


class Command(BaseCommand):
    """Writes a published version into a folder of this machine."""

    help = "Export a dataset version: manage.py export fineweb-mini@1 --format parquet --out DIR"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command line."""
        parser.add_argument("version", metavar="NAME@VERSION")
        parser.add_argument("--format", default="parquet", choices=sorted(FORMATS))
        parser.add_argument("--out", required=True, type=Path, metavar="DIR")
        parser.add_argument("--columns", default="", help="comma-separated; all when not given")
        parser.add_argument(
            "--validation", type=float, default=0.0, help="share of rows for a validation split"
        )
        parser.add_argument("--seed", type=int, default=0, help="which rows go to the validation split")
        parser.add_argument("--gzip", action="store_true", help="compress JSON lines")
        parser.add_argument("--force", action="store_true", help="write into a folder that is not empty")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, then print what was written; a fault goes to stderr with exit status 1."""
        try:
            written = self._export(options)
        except TilthError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"Cannot write to {options['out']}: {error.strerror or error}.") from None
        if options["json"]:
            self.stdout.write(json.dumps(written))
            return
        for file in written["files"]:
            self.stdout.write(f"{file['bytes']:>14,}  {file['path']}")
        self.stdout.write(
            f"{written['version']}: {written['rows']:,} rows as {written['format']} in {options['out']}"
        )

    def _export(self, options: dict[str, Any]) -> dict[str, Any]:
        version = find(options["version"])
        manifest = load_manifest(version)
        columns = tuple(name.strip() for name in options["columns"].split(",") if name.strip())
        chosen = Options(columns, options["gzip"], options["validation"], options["seed"])
        source, form = make_source(
            Storage(settings.STORAGE), manifest, options["format"], chosen, about(version)
        )
        folder = Folder.prepare(options["out"], options["force"])
        files = export_to_folder(source, form, folder, self._progress(manifest.rows))
        record_folder(Actor.system("command line"), version, form.name)
        return {
            "version": version.reference,
            "format": form.name,
            "rows": manifest.rows,
            "files": [{"path": str(path), "bytes": path.stat().st_size} for path in files],
        }

    def _progress(self, total: int) -> Any:
        done = 0

        def tick(rows: int) -> None:
            nonlocal done
            if (done + rows) // PROGRESS_ROWS > done // PROGRESS_ROWS:
                self.stderr.write(f"{done + rows:,} of {total:,} rows")
            done += rows

        return tick


def find(text: str) -> DatasetVersion:
    """The published version that a reference names; errors say which versions there are."""
    reference = parse_reference(text)
    if reference.prefix != "dataset" or reference.version is None:
        raise InvalidInput(f"{text!r} is not a dataset version; one looks like fineweb-mini@1.")
    version = DatasetVersion.objects.by_reference(reference.key, reference.version).first()
    if version is not None and version.state == DatasetVersion.State.PUBLISHED:
        return version
    there = DatasetVersion.objects.published().filter(dataset__name=reference.key).order_by("number")
    known = ", ".join(other.reference for other in there.select_related("dataset"))
    state = f"is {version.state}" if version else "does not exist"
    raise NotFound(
        f"{text} {state}. Published versions of {reference.key}: {known or 'none'}.", code="unknown_version"
    )
