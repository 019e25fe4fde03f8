"""Objects for the route walk: which arguments a URL needs, and the rows behind them.

Each app adds a function per group of URLs that take arguments; the walk fails for a URL without one.
Pages are named as in ``{% url %}``; API routes by their path, such as ``/api/v1/jobs/<int:pk>``.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from curation.models import CurationRun
from tests.curation.runs import draft, finished
from tests.tilth.published import document, publish
from tilth.accounts import tokens
from tilth.accounts.actions import api_tokens
from tilth.accounts.actors import Actor
from tilth.accounts.models import Invitation, Skill, User
from tilth.datasets.import_.run import report_key
from tilth.datasets.models import DatasetVersion, Export
from tilth.jobs.models import Attempt, DeviceLease, Job
from tilth.storage import Storage

Sample = Callable[[dict[str, User]], dict[str, Any]]
SAMPLES: dict[str, Sample] = {}

MAY_ANSWER: dict[str, set[int]] = {"loop:readyz": {503}}
"""Statuses that a route may give besides the ordinary ones: nothing runs behind the walk, so it is not ready."""


def sample(*names: str) -> Callable[[Sample], Sample]:
    """Register a function that makes rows and returns the keyword arguments of these URLs."""

    def keep(function: Sample) -> Sample:
        SAMPLES.update(dict.fromkeys(names, function))
        return function

    return keep


@sample(
    "accounts:person",
    "accounts:role",
    "accounts:person_skills",
    "accounts:deactivate",
    "accounts:reactivate",
    "accounts:anonymise",
)
def a_person(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": people["reviewer"].pk}


@sample("accounts:skill", "accounts:skill_archive")
def a_skill(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": Skill.objects.create(name="Dutch").pk}


@sample("accounts:resend", "accounts:revoke")
def an_invitation(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _invitation("walk").pk}


@sample("accounts:accept")
def an_invitation_link(people: dict[str, User]) -> dict[str, Any]:
    _invitation("walk")
    return {"token": "walk"}


def _invitation(token: str) -> Invitation:
    return Invitation.objects.create(
        email="new@example.org",
        role="labeler",
        token_hash=tokens.digest(token),
        expires_at=timezone.now() + timedelta(days=1),
    )


@sample("accounts:token_revoke")
def a_token(people: dict[str, User]) -> dict[str, Any]:
    actor = Actor(user=people["labeler"])
    return {"pk": api_tokens.create_token(actor, name="t", scopes=["account.own"], days=1)[0].pk}


@sample("account_reset_password_from_key")
def a_reset_link(people: dict[str, User]) -> dict[str, Any]:
    return {"uidb36": "1", "key": "set-password"}


def _job() -> Job:
    return Job.objects.create(kind="walked", title="A job to look at")


@sample("jobs:detail", "jobs:panel", "jobs:progress", "jobs:metrics", "jobs:log", "jobs:log_download")
def a_job(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _job().pk}


@sample("jobs:attempt_log")
def an_attempt(people: dict[str, User]) -> dict[str, Any]:
    attempt = Attempt.objects.create(job=_job(), number=1, worker_name="w", host="h")
    return {"pk": attempt.job_id, "attempt": 1}


@sample("jobs:steer")
def a_job_to_cancel(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _job().pk, "verb": "cancel"}


@sample("jobs:free_lease")
def a_lease(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": DeviceLease.objects.create(device="gpu-0", host="h", job=_job()).pk}


@sample(
    *(
        f"/api/v1/jobs/<job_id>{end}"
        for end in ("", "/log", "/cancel", "/pause", "/resume", "/retry", "/control")
    )
)
def a_job_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"job_id": _job().pk}


def _version() -> DatasetVersion:
    return publish(Storage(settings.STORAGE), "walked", "documents", [document(n) for n in range(3)])


@sample(
    "datasets:detail",
    "datasets:edit",
    "datasets:archive",
    "/api/v1/datasets/<name>",
    "/api/v1/datasets/<name>/versions",
)
def a_dataset(people: dict[str, User]) -> dict[str, Any]:
    return {"name": _version().dataset.name}


@sample(
    "datasets:version",
    "datasets:statistics",
    "datasets:card",
    "datasets:lineage",
    "datasets:manifest",
    "datasets:rows",
    "datasets:exports",
    "datasets:exports-table",
    "datasets:export",
    *(
        f"/api/v1/datasets/<name>/versions/<int:number>{end}"
        for end in ("", "/manifest", "/rows", "/exports")
    ),
)
def a_version(people: dict[str, User]) -> dict[str, Any]:
    return {"name": "walked", "number": _version().number}


@sample("datasets:row-at")
def a_row_by_position(people: dict[str, User]) -> dict[str, Any]:
    return {**a_version(people), "at": 0}


@sample("datasets:row")
def a_row(people: dict[str, User]) -> dict[str, Any]:
    return {**a_version(people), "row_id": document(0)["id"]}


@sample("datasets:file")
def a_file(people: dict[str, User]) -> dict[str, Any]:
    return {**a_version(people), "path": "1/shard-00000.parquet"}


@sample(
    "datasets:download",
    "datasets:delete-export",
    "/api/v1/exports/<int:pk>",
    "/api/v1/exports/<int:pk>/download",
)
def an_export(people: dict[str, User]) -> dict[str, Any]:
    Storage(settings.STORAGE).write_bytes("exports/1/walked.jsonl", b"{}")
    fields = {"state": Export.State.READY, "key": "exports/1/walked.jsonl", "bytes": 2}
    return {"pk": Export.objects.create(version=_version(), format="jsonl", **fields).pk}


@sample("curation:run", "curation:live", "curation:start", "curation:discard", "curation:drops")
def a_draft_run(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": draft("walked-run").pk}


def _finished() -> CurationRun:
    return finished(Storage(settings.STORAGE), "walked-finished")


@sample(
    "curation:throttle", "curation:retry", "curation:append", "curation:crawled", "curation:crawled_frame"
)
def a_finished_run(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _finished().pk}


@sample("curation:move")
def a_run_to_cancel(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _finished().pk, "verb": "cancel"}


@sample("curation:drop")
def a_dropped_document(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _finished().pk, "document": "d" * 32}


@sample(*(f"curation:{name}" for name in ("recipe", "recipe_edit", "recipe_text", "recipe_archive")))
def a_recipe(people: dict[str, User]) -> dict[str, Any]:
    return {"name": draft("walked-recipe").recipe.name}


@sample("curation:recipe_version")
def a_recipe_version(people: dict[str, User]) -> dict[str, Any]:
    return {**a_recipe(people), "number": 1}


@sample(*(f"/api/v1/curation/runs/<run_id>{end}" for end in ("", "/retry", "/append")))
def a_run_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"run_id": _finished().pk}


def _import() -> Job:
    params = {"mapping": {"text": "body"}, "dataset": "walked", "number": 1}
    job = Job.objects.create(kind="import", state="succeeded", attempt=1, params=params, result={})
    Storage(settings.STORAGE).write_bytes(report_key(job.prefix, 1, "csv"), b"row,field,problem\n")
    return job


@sample("datasets:import-report")
def an_import(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _import().pk}


@sample("datasets:import-errors")
def an_import_report(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _import().pk, "kind": "csv"}
