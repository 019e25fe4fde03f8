"""Publishing a campaign as a dataset version: reserved here, made by a job, published when it has ended."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from labeling.models.annotations import UNDO
from labeling.models.campaigns import Campaign
from labeling.models.publications import Publication
from labeling.models.tasks import Task
from labeling.publish.rules import rules_for
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets import actions as datasets
from tilth.datasets.licences import check_licence
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion
from tilth.errors import Conflict, InvalidInput
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

LABELING = Actor.system("labeling")


@transaction.atomic
def start(
    actor: Actor,
    campaign: Campaign,
    *,
    dataset: str,
    dataset_kind: str,
    rule: str,
    licence: str = "",
    pilot: bool = False,
    gold: bool = False,
) -> Publication:
    """Queue the publication as the next version of a dataset; another version of one that is there goes on it."""
    require(actor, "campaigns.publish")
    kinds = ("annotations", *campaign.task_kind.publishes)
    if dataset_kind not in kinds:
        raise InvalidInput(
            f"{campaign} can become {', '.join(kinds)}.", code="bad_kind", field="dataset_kind"
        )
    if rule not in rules_for(dataset_kind):
        known = ", ".join(rules_for(dataset_kind))
        raise InvalidInput(f"Rules for {dataset_kind} are {known}.", code="bad_rule", field="rule")
    expected = campaign.annotations.settled().count()
    if not expected:
        raise Conflict(f"Nothing has been submitted in {campaign} yet.", code="nothing_yet")
    target = datasets.claim_dataset(
        LABELING,
        dataset,
        dataset_kind,
        append=True,
        title=f"{campaign.title}: {dataset_kind}",
        licence=check_licence(licence) if licence else "",
    )
    version = datasets.reserve_version(LABELING, target)
    options = {"pilot": pilot, "gold": gold}
    job = jobs.submit(
        LABELING,
        "labeling_publish",
        _params(campaign, version, dataset_kind, rule, options, expected),
        title=f"Publish {version.reference} out of {campaign.name}",
    )
    datasets.assign_job(LABELING, version, job)
    made = Publication.objects.create(
        campaign=campaign,
        dataset_kind=dataset_kind,
        rule=rule,
        options=options,
        version=version,
        job=job,
        created_by=actor.user,
    )
    audit.record(actor, "campaign.publish", campaign.reference, version=version.reference, rule=rule)
    return made


def _params(
    campaign: Campaign,
    version: DatasetVersion,
    dataset_kind: str,
    rule: str,
    options: dict[str, Any],
    expected: int,
) -> dict[str, Any]:
    roles = [Task.Role.NORMAL, *(name for name, wanted in options.items() if wanted)]
    sources = (
        campaign.tasks.filter(role__in=roles)
        .exclude(source="")
        .order_by()
        .values_list("source", flat=True)
        .distinct()
    )
    guidelines = (
        campaign.annotations.filter(role__in=roles)
        .exclude(guideline=None)
        .order_by()
        .values_list("guideline__guideline__name", "guideline__number")
    )
    parents = [campaign.reference, *sources, *(f"guideline:{n}@{v}" for n, v in guidelines.distinct())]
    return {
        "campaign": campaign.pk,
        "kind": campaign.kind,
        "dataset": version.dataset.name,
        "number": version.number,
        "dataset_kind": dataset_kind,
        "rule": rule,
        "options": options,
        "until": (timezone.now() - UNDO).isoformat(),
        "expected": expected,
        "parents": parents,
        "producer": campaign.reference,
    }


def environment(job: Job) -> dict[str, str]:
    """The program reads the database itself, so it is told where it lies; nothing of this reaches the log."""
    return {"DATABASE_URL": database_url()}


def database_url() -> str:
    """The address of the database that this process is connected to."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(known['NAME']))}"
    parts = connection.get_connection_params()
    host = parts.get("host") or ""
    query = f"?host={host}" if host.startswith("/") else ""
    login = _login(parts.get("user"), parts.get("password"))
    address = "" if query else f"{host}{':' + str(parts['port']) if parts.get('port') else ''}"
    return f"postgresql://{login}{address}/{parts['dbname']}{query}"


def _login(user: str | None, password: str | None) -> str:
    """``user:password@`` with what a URL reserves spelled out; empty where there is no user."""
    if not user:
        return ""
    return f"{quote(user, safe='')}{':' + quote(password, safe='') if password else ''}@"


def finish(job: Job, result: dict[str, Any]) -> None:
    """The shards are there: publish them. Doing it twice changes nothing."""
    made = Publication.objects.select_related("version__dataset").get(job=job)
    assert made.version is not None
    version = made.version
    if version.state == DatasetVersion.State.FAILED:
        version = datasets.reopen_version(LABELING, version)
    manifest = Manifest.from_json(Storage(settings.STORAGE).read_bytes(result["manifest_key"]))
    datasets.publish_version(LABELING, version, manifest)


def give_up(job: Job) -> None:
    """The job ended without a version."""
    made = Publication.objects.select_related("version__dataset").filter(job=job).first()
    if made is not None and made.version is not None:
        reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
        datasets.fail_version(LABELING, made.version, reason)
