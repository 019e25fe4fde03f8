"""The workspace of one task: context, work and guideline side by side."""

import json
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.views.decorators.http import require_GET, require_POST

from labeling import desk, display, feedback
from labeling.actions import claims, submissions
from labeling.models.annotations import Annotation, Attachment
from labeling.models.tasks import Assignment, AssignmentState
from labeling.protocol import registry, taskfields
from labeling.protocol.payload import told
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import TilthError

MOST_POINTS, LONGEST_SHOWN = 200, 4_000
"""Earlier texts that are listed, and characters of each of their fields."""


def _mine(request: HttpRequest, pk: int) -> Assignment:
    related = Assignment.objects.select_related(
        "campaign__guideline__guideline", "guideline__guideline", "task"
    )
    return get_object_or_404(related, pk=pk, labeler=me(request))


@requires("labeling.work")
@require_GET
def assignment(request: HttpRequest, pk: int) -> HttpResponse:
    """The three panes. What cannot be written any more is shown as it was handed in.

    A task that is held ahead is fetched ahead, too: under an address that nothing else leads to, so that the
    browser may keep the page for as long as the hold lasts.
    """
    held = _mine(request, pk)
    page = render(request, "labeling/workspace.html", workspace_context(held))
    if held.prefetched and "ahead" in request.GET:
        page["Cache-Control"] = f"private, max-age={claims.PREFETCH.seconds}"
    return page


def workspace_context(held: Assignment) -> dict[str, Any]:
    """Everything that the templates of a workspace read."""
    campaign, kind = held.campaign, held.campaign.task_kind
    task = display.view_of(held.task, held.display)
    payload = held.draft if held.draft is not None else kind.blank(task, campaign.schema)
    newest = held.annotations.order_by("-attempt").first()
    data = _data(held, payload)
    return {
        "assignment": held,
        "campaign": campaign,
        "kind": kind,
        "task": task,
        "schema": campaign.schema,
        "view": kind.view(task, campaign.schema),
        "page_keys": registry.keys(kind, campaign.schema),
        "expired": _expired(held),
        "newest": newest,
        "feedback": feedback.told(newest) if newest is not None else [],
        "pay": desk.pay_words(campaign),
        "edited": held.task.version != held.task_version,
        "guideline_clauses": held.guideline.clauses if held.guideline else [],
        "page_task": held.task_id,
        "attachments": Attachment.objects.filter(Q(assignment=held) | Q(task=held.task_id), removed=False),
        "attach_url": reverse("labeling:attach", args=[held.pk]) if held.is_open else "",
        "data_json": json.dumps(data),
    }


def _expired(held: Assignment) -> bool:
    return held.state == AssignmentState.HELD and not held.draft_revision and held.hold_until < timezone.now()


def _data(held: Assignment, payload: dict[str, Any]) -> dict[str, Any]:
    """What the scripts of the workspace start from."""
    campaign = held.campaign
    own = ("draft", "presence", "submit", "extend")
    urls = {name: reverse(f"labeling:{name}", args=[held.pk]) for name in own}
    urls |= {name: reverse(f"labeling:{name}") for name in ("preview", "diff")}
    urls["prefetch"] = reverse("labeling:prefetch", args=[campaign.pk]) if campaign.is_open else ""
    return {
        "id": held.pk,
        "open": held.is_open,
        "asks": not campaign.task_kind.closed,
        "token": held.hold_token,
        "revision": held.draft_revision,
        "payload": display.on_page(held, payload),
        "inputs": held.inputs,
        "stream": held.display.get("stream", 0),
        "heldAt": held.held_at.isoformat(),
        "holdUntil": held.hold_until.isoformat(),
        "urls": urls,
    }


@requires("labeling.work")
@require_GET
def history(request: HttpRequest, pk: int) -> HttpResponse:
    """Earlier texts of the draft: one for each ten minutes, and what lost a conflict."""
    held = _mine(request, pk)
    points = [
        (point, _read(display.on_page(held, point.payload))) for point in held.history.all()[:MOST_POINTS]
    ]
    return render(request, "labeling/_history.html", {"assignment": held, "points": points})


def _read(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """What was written and answered, each under its name; the beginning of a very long text."""
    found = taskfields.fields(told(payload))
    return [
        (field.label, Truncator(field.text).chars(LONGEST_SHOWN)) for field in found if field.text.strip()
    ]


@requires("labeling.work")
@require_POST
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the task back with a reason, and go on with the next one."""
    held = _mine(request, pk)
    try:
        claims.skip(Actor.of(request), held, request.POST.get("reason", ""))
        following = claims.claim(Actor.of(request), held.campaign)
    except TilthError as error:
        messages.warning(request, error.message)
        skipped = Assignment.objects.get(pk=pk).state == AssignmentState.SKIPPED
        return redirect("labeling:work") if skipped else redirect("labeling:assignment", pk)
    return redirect("labeling:assignment", following.pk)


@requires("labeling.work")
@require_POST
def undo(request: HttpRequest, pk: int, annotation: Any) -> HttpResponse:
    """Take the submission back and open it again."""
    held = _mine(request, pk)
    found = get_object_or_404(Annotation, pk=annotation, assignment=held)
    try:
        submissions.undo(Actor.of(request), found)
    except TilthError as error:
        messages.warning(request, error.message)
        return redirect("labeling:work")
    messages.success(request, "Taken back. It is open again, with everything in it.")
    return redirect("labeling:assignment", pk)
