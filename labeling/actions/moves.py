"""What becomes of annotations when a campaign goes on under another guideline version: marked, or given back too.

A few are dealt with at once. Many are looked through by a program that reads the database itself; when it has
ended, they are marked part by part.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.actions import slots
from labeling.actions.guards import require_unclosed
from labeling.models.annotations import Annotation, AnnotationState
from labeling.models.campaigns import Campaign, Member
from labeling.models.guidelines import GuidelineVersion
from labeling.models.moves import GuidelineMove
from labeling.models.tasks import Assignment, AssignmentState, Task
from labeling.publish import cited
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

LABELING = Actor.system("labeling")
State = GuidelineMove.State
GIVEN_BACK = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED)
STANDING = (*GIVEN_BACK, AnnotationState.ADJUDICATED)


@dataclass(frozen=True, slots=True)
class Moved:
    """What moving a campaign to another version touched."""

    stale: int
    requeued: int


def citing(campaign: Campaign) -> QuerySet[Annotation]:
    """The campaign's standing annotations that cite any clause."""
    return Annotation.objects.filter(campaign=campaign, current=True, state__in=STANDING).exclude(clauses=[])


@transaction.atomic
def mark(campaign: Campaign, version: GuidelineVersion, ids: list[Any], *, requeue: bool) -> Moved:
    """Mark these annotations as stale and, where asked, give them back; all of them or none."""
    require_unclosed(campaign, "mark its annotations")
    stale = Annotation.objects.filter(pk__in=ids).update(stale=True)
    back = _to_give_back(campaign, ids) if requeue else []
    return Moved(stale, sum(_give_back(annotation, version) for annotation in back))


def _to_give_back(campaign: Campaign, ids: list[Any]) -> list[Annotation]:
    present = campaign.members.exclude(state=Member.State.LEFT).values("user")
    rows = Annotation.objects.filter(pk__in=ids, labeler__in=present).exclude(role=Task.Role.GOLD)
    return list(rows.select_related("assignment").order_by("task_id", "pk"))


def _give_back(annotation: Annotation, version: GuidelineVersion) -> bool:
    """Return one annotation to its labeler; one that changed state meanwhile is left alone."""
    rows = Annotation.objects.filter(pk=annotation.pk, current=True, state__in=GIVEN_BACK)
    if not rows.update(state=AnnotationState.RETURNED):
        return False
    reason = f"The guideline changed: look at {version} and at the clauses you cited."
    Assignment.objects.filter(pk=annotation.assignment_id).update(
        state=AssignmentState.RETURNED, guideline=version, reason=reason
    )
    slots.reopen(annotation.assignment)
    return True


def start(
    actor: Actor, campaign: Campaign, version: GuidelineVersion, *, clauses: list[str], requeue: bool
) -> GuidelineMove:
    """Queue the search for annotations that cite these clauses; call it in the transaction that pins the version."""
    params = {
        "campaign": campaign.pk,
        "guideline": version.pk,
        "clauses": clauses,
        "until": timezone.now().isoformat(),
    }
    job = jobs.submit(LABELING, "guideline_move", params, title=f"{campaign.name}: label by {version}")
    return GuidelineMove.objects.create(
        campaign=campaign, version=version, job=job, requeue=requeue, created_by=actor.user
    )


def finish(job: Job, result: dict[str, Any]) -> None:
    """Mark what the program found. May run again after a crash: it goes on behind the last whole part."""
    row = GuidelineMove.objects.get(job=job)
    fresh = {"read_by": result["attempt"], "parts": result["parts"], "done": 0, "stale": 0}
    GuidelineMove.objects.filter(pk=row.pk).exclude(read_by=result["attempt"]).update(**fresh)
    GuidelineMove.objects.filter(pk=row.pk).update(state=State.MARKING, message="")
    while _mark_part(job, row.pk):
        pass
    GuidelineMove.objects.filter(pk=row.pk).update(state=State.DONE)
    row.refresh_from_db()
    told = {"stale": row.stale, "requeued": row.requeued}
    audit.record(LABELING, "campaign.guideline_moved", row.campaign.reference, **told)


@transaction.atomic
def _mark_part(job: Job, pk: int) -> bool:
    """The next part with its count, all or nothing; whether there was one."""
    row = GuidelineMove.objects.select_for_update(of=("self",)).get(pk=pk)
    if row.done == row.parts:
        return False
    campaign = Campaign.objects.select_related("guideline__guideline").get(pk=row.campaign_id)
    ids = Storage(settings.STORAGE).read_json(cited.part_key(job.prefix, row.done))
    # By what is pinned now: a lead may have gone on to yet another version.
    moved = mark(campaign, campaign.guideline or row.version, ids, requeue=row.requeue)
    GuidelineMove.objects.filter(pk=pk).update(
        done=F("done") + 1, stale=F("stale") + moved.stale, requeued=F("requeued") + moved.requeued
    )
    return True


def give_up(job: Job) -> None:
    """The job ended before all was marked. What was given back stays so."""
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    moving = GuidelineMove.objects.filter(job=job).exclude(state=State.DONE)
    moving.update(state=State.FAILED, message=reason[:500])
