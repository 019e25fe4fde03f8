"""Starting and finishing imports: the database's side of ``tilth.datasets.import_``."""

import json
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets import actions
from tilth.datasets.import_.convert import Converter
from tilth.datasets.import_.run import ImportPlan, report_key
from tilth.datasets.licences import check_licence
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion
from tilth.datasets.schemas import schema
from tilth.datasets.uploads import find_upload
from tilth.errors import InvalidInput
from tilth.guards import paths
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

SHOWN_FAULTS = 100


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What somebody asks to import, as the form and the command fill it in.

    ``source`` is ``{"upload": sha256}`` or ``{"path": …, "part": …}``; ``append`` allows a new version of
    a dataset that is there already.
    """

    source: dict[str, Any]
    name: str
    kind: str
    licence: str
    mapping: dict[str, str] = field(default_factory=dict)
    title: str = ""
    append: bool = False
    max_bad_share: float = 0.05
    tokenizer: str = ""
    vocabulary: int = 0


def web_source(upload: str = "", path: str = "", part: str = "") -> dict[str, Any]:
    """The source that a form or the API names: an upload, or a path under the allowed folders."""
    if upload:
        return {"upload": upload, "name": find_upload(upload).name}
    if not path:
        raise InvalidInput("choose a file to upload or a path on the server", field="upload")
    return {"path": str(paths.inside(settings.SOURCE_ROOTS, path)), "part": part}


@transaction.atomic
def start_import(actor: Actor, request: ImportRequest) -> Job:
    """Queue an import as the next version of its dataset."""
    require(actor, "data.import")
    _check(request)
    dataset = actions.claim_dataset(
        actor,
        request.name,
        request.kind,
        append=request.append,
        title=request.title,
        licence=check_licence(request.licence),
    )
    version = actions.reserve_version(actor, dataset)
    plan = ImportPlan(
        source=request.source,
        dataset=dataset.name,
        number=version.number,
        kind=request.kind,
        mapping=request.mapping,
        max_bad_share=request.max_bad_share,
        tokenizer=request.tokenizer,
        vocabulary=request.vocabulary,
    )
    label = request.source.get("name") or Path(request.source["path"]).name
    job = jobs.submit(actor, "import", asdict(plan), title=f"Import {label} as {version.reference}")
    actions.assign_job(actor, version, job)
    audit.record(actor, "import.start", version.reference, job=job.reference, source=label)
    return job


def _check(request: ImportRequest) -> None:
    schema(request.kind)
    if not 0 <= request.max_bad_share <= 1:
        raise InvalidInput("the share of bad rows must lie between 0 and 1", field="max_bad_share")
    if request.kind == "tokens" and not request.tokenizer:
        raise InvalidInput("tokens need the name of their tokenizer", field="tokenizer")
    if request.mapping:
        Converter(request.kind, request.mapping, "")


def finish_import(job: Job, result: dict[str, Any]) -> None:
    """The job made its shards: publish them. Doing it twice changes nothing."""
    manifest = Manifest.from_json(Storage(settings.STORAGE).read_bytes(result["manifest_key"]))
    actions.publish_version(Actor.system("import"), _version(job), manifest)


def give_up_import(job: Job) -> None:
    """The job ended without a version: its number stays used and its shards go."""
    version = _version(job)
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    actions.fail_version(Actor.system("import"), version, reason)
    Storage(settings.STORAGE).delete(version.folder)


def read_report(job: Job) -> list[dict[str, Any]] | None:
    """The first faults of an import's newest attempt; ``None`` while there is no report."""
    storage = Storage(settings.STORAGE)
    key = report_key(job.prefix, job.attempt, "jsonl")
    if not storage.exists(key):
        return None
    with storage.open(key) as handle:
        return [json.loads(line) for line in islice(handle, SHOWN_FAULTS)]


def _version(job: Job) -> DatasetVersion:
    found = DatasetVersion.objects.select_related("dataset")
    return found.get(dataset__name=job.params["dataset"], number=job.params["number"])
