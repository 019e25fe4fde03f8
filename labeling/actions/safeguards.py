"""Safeguards around a submission: what the labeler is shown before, and what is noted for a person to read.

They never reject anything. Personal data and what teaches a model badly are shown before submitting; pasted
and copied text is noted afterwards. Gold below the floor pauses new claims, never work that is held.
"""

import logging
from typing import Any

import redis
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling import gold
from labeling.models.annotations import Annotation, Flag
from labeling.models.campaigns import Campaign, Member
from labeling.protocol import inputs, lint, personal, telltale
from labeling.protocol.finding import Finding
from labeling.protocol.kind import Text
from labeling.protocol.similarity import Index, contained, jaccard, long_enough
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.broker import redis_settings

ACTOR = Actor.system("safeguards")
logger = logging.getLogger(__name__)

MOST_PASTED = 0.5
"""Share of foreign text from which a writing is noted."""

MOST_REMEMBERED = 2_000
"""Earlier annotations that an empty index is filled with; it must not take longer than a submission may."""

MOST_ALIKE = 0.6
"""Share of an answer's five-word runs that may stand in an answer that the task shows."""


class Noticed(TilthError):
    """Something to look at before submitting; submitting again with ``noticed`` goes ahead."""

    code = "noticed"
    status = 422

    def __init__(self, findings: list[dict[str, Any]]) -> None:
        super().__init__("Please look at this before you submit. You can submit all the same.")
        self.findings = findings


def before_submit(campaign: Campaign, payload: dict[str, Any], *, noticed: bool) -> list[Finding]:
    """What to look at first; raises :class:`Noticed` unless the labeler has ``noticed`` it already."""
    found = [f for text in campaign.task_kind.texts(payload) for f in personal.find(text.text, text.path)]
    if not campaign.task_kind.closed:
        found += lint.lint(payload.get("messages") or [])
    if found and not noticed:
        raise Noticed([finding.to_json() for finding in found])
    return found


def record(annotation: Annotation, found: list[Finding]) -> None:
    """Note what the labeler submitted all the same; copies are looked for once the submission stands."""
    _note(annotation, found)
    texts = [
        t for t in annotation.campaign.task_kind.texts(annotation.payload) if t.trains and long_enough(t.text)
    ]
    if texts:
        transaction.on_commit(lambda: _afterwards(annotation, texts))


def _note(annotation: Annotation, found: list[Finding]) -> None:
    Flag.objects.bulk_create(
        Flag(
            annotation=annotation,
            campaign_id=annotation.campaign_id,
            kind=finding.kind,
            message=finding.message[:500],
            detail=finding.to_json(),
        )
        for finding in found
    )


def _afterwards(annotation: Annotation, texts: list[Text]) -> None:
    """Pasted, copied and chatbot-like text; a broker that is away costs the comparison, not the submission."""
    found = [*pasted(annotation), *copied(annotation, texts), *chatbot_like(annotation, texts)]
    try:
        found += repeated(annotation, texts)
    except redis.RedisError as error:
        logger.warning("near-copies of %s were not looked for: %s", annotation.reference, error)
    _note(annotation, found)


def pasted(annotation: Annotation) -> list[Finding]:
    """More than half of the text came from outside the page."""
    share = inputs.foreign_share(annotation.inputs)
    if share <= MOST_PASTED:
        return []
    message = f"{share:.0%} of the characters were pasted or dropped from outside the page."
    return [Finding("pasted", "pasted", message, detail=dict(annotation.inputs))]


def copied(annotation: Annotation, texts: list[Text]) -> list[Finding]:
    """A free writing that repeats an answer of the task; an edit starts from one, so it is left out."""
    if annotation.campaign.kind == "edit":
        return []
    found = []
    for candidate in annotation.task.candidates.all():
        answer = "\n".join(m.get("content") or "" for m in candidate.messages)
        for text in texts:
            share = contained(text.text, answer)
            if share > MOST_ALIKE:
                message = f"{share:.0%} of it stands in answer {candidate.position + 1} of the task."
                found.append(Finding("copied", "candidate", message, text.path, detail={"share": share}))
    return found


def chatbot_like(annotation: Annotation, texts: list[Text]) -> list[Finding]:
    """Far more of the words that chat models overuse than the campaign usually shows."""
    campaign = annotation.campaign
    mine = sum((telltale.rate(text.text) for text in texts), telltale.Rate(0, 0))
    base = telltale.Rate(campaign.telltale_hits, campaign.telltale_words)
    Campaign.objects.filter(pk=campaign.pk).update(
        telltale_hits=F("telltale_hits") + mine.hits, telltale_words=F("telltale_words") + mine.words
    )
    if not telltale.is_high(mine, base):
        return []
    words = ", ".join(list(telltale.found(" ".join(t.text for t in texts)))[:8])
    usual = f"{base.per_thousand:.1f}" if base.words else "not known yet"
    message = f"{mine.per_thousand:.1f} tell-tale words per 1,000 (usual here: {usual}): {words}."
    return [Finding("telltale", "telltale", message, detail={"hits": mine.hits, "words": mine.words})]


def repeated(annotation: Annotation, texts: list[Text]) -> list[Finding]:
    """Near-copies of what was handed in before in this campaign, by whomever."""
    index = Index(str(annotation.campaign_id), redis_settings())
    if index.is_empty:
        _remember(index, annotation)
    found = []
    for text in texts:
        for key in index.near(text.text):
            found += _same_as(annotation, text, key.partition("/")[0])
        index.add(f"{annotation.pk}/{text.path}", text.text)
    return found


def _remember(index: Index, annotation: Annotation) -> None:
    """Fill an empty index with what was handed in before: the broker keeps nothing over a restart."""
    kind = annotation.campaign.task_kind
    earlier = Annotation.objects.filter(campaign=annotation.campaign_id, current=True).exclude(
        pk=annotation.pk
    )
    for pk, payload in earlier.order_by("-submitted_at").values_list("pk", "payload")[:MOST_REMEMBERED]:
        for text in kind.texts(payload):
            if text.trains and long_enough(text.text):
                index.add(f"{pk}/{text.path}", text.text)


def _same_as(annotation: Annotation, text: Text, key: str) -> list[Finding]:
    other = Annotation.objects.filter(pk=key).exclude(assignment=annotation.assignment_id).first()
    if other is None:
        return []
    share = max(
        (jaccard(text.text, t.text) for t in annotation.campaign.task_kind.texts(other.payload)), default=0.0
    )
    if share < MOST_ALIKE:
        return []
    whose = "the same labeler's" if other.labeler_id == annotation.labeler_id else "another labeler's"
    message = f"{share:.0%} alike with {whose} earlier annotation."
    return [Finding("repeated", "repeated", message, text.path, detail={"annotation": key, "share": share})]


@transaction.atomic
def check_gold(member: Member) -> str:
    """Pause new claims of a labeler whose answers lie below the floor, and say why; held tasks stay theirs."""
    found = gold.below_floor(member)
    if found is None:
        return ""
    met, agreed = found
    reason = (
        f"Now and then a task has a known answer. Of your last {met} of them {agreed:.0%} agreed with "
        f"it; {member.campaign.gold_floor:.0%} is asked for. You can appeal: a lead then looks at all of them."
    )
    paused = Member.objects.filter(pk=member.pk, state=Member.State.ACTIVE).update(
        state=Member.State.PAUSED, reason=reason, paused_at=timezone.now()
    )
    if paused:
        campaign = member.campaign.reference
        audit.record(ACTOR, "member.pause", member.user.reference, campaign=campaign, share=agreed)
    return reason
