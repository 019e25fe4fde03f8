"""Writing, publishing and reading guidelines; moving a campaign to a newer version of its own."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from labeling.actions import moves
from labeling.actions.guards import require_lead, require_unclosed
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import Guideline, GuidelineRead, GuidelineVersion
from labeling.models.moves import GuidelineMove
from labeling.models.tasks import Assignment
from labeling.protocol.guideline import compare, parse
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.text.reference import check_name
from tilth.text.storable import storable

AT_ONCE = 200
"""Annotations that are looked at, and given back, while the lead waits."""


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


def touched(campaign: Campaign, version: GuidelineVersion) -> set[str]:
    """Ids of the clauses that the version changed or no longer has, against the one that is pinned."""
    if campaign.guideline is None:
        return set()
    return set(compare(campaign.guideline.clauses, version.clauses).touched)


def affected(campaign: Campaign, version: GuidelineVersion, newest: int) -> tuple[list[Any], bool]:
    """Ids of standing annotations that cite such a clause, among so many newest ones that cite any; whether
    there are older ones."""
    clauses = touched(campaign, version)
    rows = moves.citing(campaign).order_by("-submitted_at").values_list("pk", "clauses")
    found = list(rows[: newest + 1]) if clauses else []
    return [pk for pk, cited in found[:newest] if clauses & set(cited)], len(found) > newest


def pin(
    actor: Actor,
    campaign: Campaign,
    version: GuidelineVersion,
    *,
    mark_stale: bool = False,
    requeue: bool = False,
) -> moves.Moved | GuidelineMove:
    """Let a campaign go on under another version.

    Held tasks and new ones are labelled by it. ``mark_stale`` marks annotations that cite changed clauses;
    ``requeue`` also gives them back to their labelers, whose slots they keep: no task comes to one person
    twice and none gets more people than its overlap. They stay paid, and nobody's record says "returned".
    Known answers, what was adjudicated, and work of people who have left are only marked. Where many
    annotations cite clauses, a job looks through them and does so.
    """
    require_lead(actor, campaign)
    ids, more = affected(campaign, version, AT_ONCE) if mark_stale or requeue else ([], False)
    clauses = sorted(touched(campaign, version)) if more else []
    with transaction.atomic():
        require_unclosed(campaign, "label by another version")
        Campaign.objects.filter(pk=campaign.pk).update(guideline=version)
        open_work = Assignment.objects.open().filter(campaign=campaign)
        open_work.update(guideline=version)
        audit.record(actor, "campaign.guideline", campaign.reference, guideline=version.reference)
        job = moves.start(actor, campaign, version, clauses=clauses, requeue=requeue) if more else None
    campaign.refresh_from_db()
    return job or moves.mark(campaign, version, ids, requeue=requeue)
