"""Writing, publishing and reading guidelines; moving a campaign to a newer version of its own."""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from labeling.actions import slots
from labeling.actions.guards import require_lead, require_unclosed
from labeling.models.annotations import Annotation, AnnotationState
from labeling.models.campaigns import Campaign, Member
from labeling.models.guidelines import Guideline, GuidelineRead, GuidelineVersion
from labeling.models.tasks import Assignment, AssignmentState, Task
from labeling.protocol.guideline import compare, parse
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.text.reference import check_name
from tilth.text.storable import storable

CHUNK = 500
GIVEN_BACK = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED)


@transaction.atomic
def create(actor: Actor, *, name: str, title: str, source: str = "") -> Guideline:
    """A guideline that has no version yet; ``source`` becomes its draft."""
    require(actor, "guidelines.edit")
    check_name(name)
    if not title.strip():
        raise InvalidInput("Give it a title.", code="no_title", field="title")
    try:
        with transaction.atomic():
            guideline = Guideline.objects.create(
                name=name,
                title=title.strip()[:200],
                draft=storable(source),
                draft_by=actor.user,
                created_by=actor.user,
            )
    except IntegrityError:
        raise Conflict(
            f"A guideline called {name} is there already.", code="name_taken", field="name"
        ) from None
    audit.record(actor, "guideline.create", f"guideline:{name}")
    return guideline


@transaction.atomic
def save_draft(actor: Actor, guideline: Guideline, source: str, *, revision: int) -> Guideline:
    """Keep what is being written. Based on an older revision it is refused, so that nobody is overwritten."""
    require(actor, "guidelines.edit")
    source = storable(source)
    current = Guideline.objects.filter(pk=guideline.pk, draft_revision=revision)
    if not current.update(draft=source, draft_revision=F("draft_revision") + 1, draft_by=actor.user):
        guideline.refresh_from_db()
        if guideline.draft == source:
            return guideline
        raise Conflict(
            f"{guideline.draft_by or 'Somebody'} changed this draft meanwhile. Your text is still in the form: "
            "compare both, then save again.",
            code="draft_moved",
            field="source",
        )
    guideline.refresh_from_db()
    return guideline


@transaction.atomic
def publish(actor: Actor, guideline: Guideline, *, revision: int, note: str = "") -> GuidelineVersion:
    """Make the draft the next version, for good. What the parser cannot read is refused, line by line."""
    require(actor, "guidelines.edit")
    locked = Guideline.objects.select_for_update(of=("self",)).get(pk=guideline.pk)
    if locked.draft_revision != revision:
        raise Conflict(
            "The draft was changed meanwhile; look at it again before it is published.", "draft_moved"
        )
    parsed = parse(locked.draft)
    if parsed.faults:
        first = parsed.faults[0]
        raise InvalidInput(f"Line {first.line}: {first.message}", code="bad_guideline", field="source")
    last = locked.versions.first()
    if last is not None and last.source == locked.draft:
        raise Conflict(f"Nothing has changed since {last}.", code="no_change", field="source")
    if last is not None and not note.strip():
        raise InvalidInput(
            "Say in a sentence what changed; labelers read this.", code="no_note", field="note"
        )
    number = locked.last_number + 1
    version = GuidelineVersion.objects.create(
        guideline=locked,
        number=number,
        source=locked.draft,
        clauses=parsed.clauses,
        note=note.strip()[:500],
        published_by=actor.user,
    )
    title = parsed.title[:200] or locked.title
    Guideline.objects.filter(pk=locked.pk).update(last_number=number, title=title)
    audit.record(actor, "guideline.publish", version.reference)
    return version


@transaction.atomic
def archive(actor: Actor, guideline: Guideline, *, archived: bool = True) -> None:
    """Take a guideline out of the choices, or put it back; its versions stay."""
    require(actor, "guidelines.edit")
    if not Guideline.objects.filter(pk=guideline.pk, archived=not archived).update(archived=archived):
        raise Conflict(f"{guideline} is {'archived' if archived else 'in use'} already.")
    audit.record(
        actor, "guideline.archive" if archived else "guideline.restore", f"guideline:{guideline.name}"
    )


def acknowledge(actor: Actor, version: GuidelineVersion) -> None:
    """The reader has read the version; doing it twice is no error."""
    require(actor, "guidelines.view")
    _, made = GuidelineRead.objects.get_or_create(user=actor.user, version=version)
    if made:
        audit.record(actor, "guideline.read", version.reference)


@dataclass(frozen=True, slots=True)
class Moved:
    """What moving a campaign to another version touched."""

    stale: int
    requeued: int


def affected(campaign: Campaign, version: GuidelineVersion) -> list[Any]:
    """Ids of the campaign's standing annotations that cite a clause which the version changed or no longer has."""
    if campaign.guideline is None:
        return []
    touched = compare(campaign.guideline.clauses, version.clauses).touched
    if not touched:
        return []
    standing = (*GIVEN_BACK, AnnotationState.ADJUDICATED)
    rows = Annotation.objects.filter(campaign=campaign, current=True, state__in=standing).exclude(clauses=[])
    return [pk for pk, cited in rows.values_list("pk", "clauses").iterator() if touched & set(cited)]


def pin(
    actor: Actor,
    campaign: Campaign,
    version: GuidelineVersion,
    *,
    mark_stale: bool = False,
    requeue: bool = False,
) -> Moved:
    """Let a campaign go on under another version.

    Held tasks and new ones are labelled by it. ``mark_stale`` marks annotations that cite changed clauses;
    ``requeue`` also gives them back to their labelers, whose slots they keep: no task comes to one person
    twice and none gets more people than its overlap. They stay paid, and nobody's record says "returned".
    Known answers, what was adjudicated, and work of people who have left are only marked.
    """
    require_lead(actor, campaign)
    ids = affected(campaign, version) if mark_stale or requeue else []
    with transaction.atomic():
        require_unclosed(campaign, "label by another version")
        Campaign.objects.filter(pk=campaign.pk).update(guideline=version)
        open_work = Assignment.objects.open().filter(campaign=campaign)
        open_work.update(guideline=version)
        audit.record(actor, "campaign.guideline", campaign.reference, guideline=version.reference)
    campaign.refresh_from_db()
    requeued = 0
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        with transaction.atomic():
            Annotation.objects.filter(pk__in=part).update(stale=True)
        if requeue:
            requeued += sum(_give_back(annotation, version) for annotation in _to_give_back(campaign, part))
    return Moved(len(ids), requeued)


def _to_give_back(campaign: Campaign, ids: list[Any]) -> list[Annotation]:
    present = campaign.members.exclude(state=Member.State.LEFT).values("user")
    rows = Annotation.objects.filter(pk__in=ids, labeler__in=present).exclude(role=Task.Role.GOLD)
    return list(rows.select_related("assignment"))


@transaction.atomic
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
