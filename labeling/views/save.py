"""What the workspace's scripts send: drafts, heartbeats, submissions."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse

from labeling import display
from labeling.actions import claims, drafts, submissions
from labeling.actions.drafts import Save
from labeling.actions.submissions import Handed
from labeling.models.annotations import UNDO
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Assignment, DraftRevision
from labeling.views.json import json_view, number, text
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.statements import Select, given
from tilth.text.diff import word_diff
from tilth.ui import markdown

MOST_COMPARED = 500_000
"""Characters of two texts that are compared while somebody writes; what changed is measured at submission anyway."""


def _mine(request: HttpRequest, pk: int, *, whole: bool = False) -> Assignment:
    """The person's own assignment, ``whole`` with campaign and task; others' do not exist for them."""
    found = (_WHOLE if whole else _LIGHT).first(pk=pk, labeler=me(request).pk)
    if found is None:
        raise Http404
    return found


_LIGHT_FIELDS = [f.name for f in Assignment._meta.concrete_fields if f.name != "draft"] + ["campaign__kind"]


def _of_labeler(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    return rows.filter(pk=given("pk", Assignment), labeler=given("labeler", Assignment))


_WHOLE = Select(lambda: _of_labeler(Assignment.objects.select_related("campaign", "task")))
_LIGHT = Select(lambda: _of_labeler(Assignment.objects.select_related("campaign").only(*_LIGHT_FIELDS)))
_CAMPAIGN = Select(lambda: Campaign.objects.filter(pk=given("pk", Campaign)))


def _save(body: dict[str, Any], assignment: Assignment) -> Save:
    revision = number(body, "revision")
    if revision < 0 or revision != int(revision):
        raise InvalidInput("revision must be a whole number from 0.", field="revision")
    inputs = body.get("inputs")
    return Save(
        token=text(body, "token"),
        revision=int(revision),
        payload=display.off_page(assignment, body.get("payload")),  # the action checks it
        tab=text(body, "tab"),
        inputs=inputs if isinstance(inputs, dict) else None,
        active=number(body, "active"),
        idle=number(body, "idle"),
    )


@requires("labeling.work")
@json_view
def draft(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """Save a draft; answers its new revision and when it was saved."""
    assignment = _mine(request, pk)
    saved = drafts.save_draft(Actor.of(request), assignment, _save(body, assignment))
    assert saved.draft_at is not None
    return {"revision": saved.draft_revision, "saved_at": saved.draft_at.isoformat()}


@requires("labeling.work")
@json_view
def restore(request: HttpRequest, body: dict[str, Any], pk: int, point: int) -> dict[str, Any]:
    """Go back to an earlier text."""
    assignment = _mine(request, pk)
    earlier = get_object_or_404(DraftRevision, pk=point, assignment=assignment)
    revision = int(number(body, "revision"))
    saved = drafts.restore(
        Actor.of(request), assignment, earlier, token=text(body, "token"), revision=revision
    )
    return {"revision": saved.draft_revision, "payload": display.on_page(saved, saved.draft)}


@requires("labeling.work")
@json_view
def presence(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """A heartbeat; answers the hold of a task that was held ahead and begins now."""
    assignment = _mine(request, pk)
    drafts.presence(Actor.of(request), assignment, active=number(body, "active"), idle=number(body, "idle"))
    if not assignment.prefetched:
        return {}
    assignment.refresh_from_db(fields=["held_at", "hold_until"])
    return _hold(assignment)


def _hold(held: Assignment) -> dict[str, Any]:
    return {"held_at": held.held_at.isoformat(), "hold_until": held.hold_until.isoformat()}


@requires("labeling.work")
@json_view
def submit(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """Hand in; answers where to go next."""
    assignment = _mine(request, pk, whole=True)
    handed = Handed(_save(body, assignment), key=text(body, "key"), noticed=body.get("noticed") is True)
    annotation = submissions.submit(Actor.of(request), assignment, handed)
    done = str(annotation.pk)
    following = "" if body.get("next") is False else next_address(request, assignment, done)
    undo = reverse("labeling:undo", args=[pk, done])
    return {"annotation": done, "next": following, "undo": undo, "undo_seconds": UNDO.total_seconds()}


def next_address(request: HttpRequest, assignment: Assignment, done: str) -> str:
    """The next task of the campaign, under the address that was fetched ahead; else the list of work."""
    try:
        following = claims.claim(Actor.of(request), assignment.campaign)
    except (Conflict, PermissionDenied):
        return f"{reverse('labeling:work')}?done={done}"
    return _address(following)


def _address(held: Assignment) -> str:
    address = reverse("labeling:assignment", args=[held.pk])
    return f"{address}?ahead" if held.prefetched else address


@requires("labeling.work")
@json_view
def prefetch(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """Hold the next task of a campaign for a moment; no address where there is none."""
    campaign = _CAMPAIGN.first(pk=pk)
    if campaign is None:
        raise Http404
    try:
        held = claims.prefetch(Actor.of(request), campaign)
    except (Conflict, PermissionDenied):
        return {"url": ""}
    return {"url": _address(held), "id": held.pk, "token": held.hold_token, "revision": held.draft_revision}


@requires("labeling.work")
@json_view
def extend(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """Hold the task for longer."""
    held = claims.extend(Actor.of(request), _mine(request, pk, whole=True))
    return _hold(held)


def _preview(request: HttpRequest, body: dict[str, Any]) -> dict[str, Any]:
    return {"html": str(markdown.render(text(body, "text")))}


@requires("account.own")
def preview(request: HttpRequest) -> HttpResponseBase:
    """Markdown as it will look; nothing is stored."""
    return json_view(_preview)(request)


def _diff(request: HttpRequest, body: dict[str, Any]) -> dict[str, Any]:
    old, new = text(body, "old"), text(body, "new")
    if len(old) + len(new) > MOST_COMPARED:
        raise InvalidInput(
            f"Original and answer are longer than {MOST_COMPARED:,} characters together: too long to be compared "
            "while you write. Nothing is missing from your text, and how much you changed is measured when you submit.",
            code="too_long",
        )
    return {"html": render_to_string("labeling/_pieces.html", {"pieces": word_diff(old, new)})}


@requires("labeling.work")
def diff(request: HttpRequest) -> HttpResponseBase:
    """What changed between two texts, marked word by word; nothing is stored."""
    return json_view(_diff)(request)
