"""A labeler's own work: what waits, what can be taken, and an offer looked at before it is claimed."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling import announcements, desk
from labeling.actions import claims, roster
from labeling.cuts import cut
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import Conflict, TilthError

SHOWN = 50
"""Returned tasks and drafts on one page; the next ones follow as these are done."""


@requires("labeling.work")
@require_GET
def start(request: HttpRequest) -> HttpResponse:
    """Whoever types the section's address wants their work."""
    return redirect("labeling:work")


@requires("labeling.work")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Returned work first, then drafts, then the campaigns that have something for this person."""
    roster.claim_invites(me(request))
    context: dict[str, Any] = {
        "news": announcements.news(me(request)),
        "returned": cut(desk.returned(me(request)), SHOWN),
        "drafts": cut(desk.drafts(me(request)), SHOWN),
        "places": desk.places(me(request)),
        "done": desk.just_done(me(request), request.GET.get("done", "")),
    }
    return render(request, "labeling/work.html", context)


@requires("labeling.work")
@require_GET
def offer(request: HttpRequest, pk: int) -> HttpResponse:
    """The next task as an offer: topic, expected time, pay, due date. Looking claims nothing."""
    campaign = get_object_or_404(Campaign, pk=pk)
    try:
        offered = desk.offer(me(request), campaign)
    except Conflict as error:
        messages.info(request, error.message)
        return redirect("labeling:work")
    return render(request, "labeling/offer.html", {"campaign": campaign, "offer": offered})


@requires("labeling.work")
@require_POST
def claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the offered task, or the next one, and open it."""
    campaign = get_object_or_404(Campaign, pk=pk)
    wanted = Task.objects.filter(campaign=campaign, pk=_number(request.POST.get("task"))).first()
    another = request.POST.get("another") == "1"
    try:
        held = claims.claim(Actor.of(request), campaign, another=another, task=wanted)
    except TilthError as error:
        messages.info(request, error.message)
        return redirect("labeling:work")
    return redirect("labeling:assignment", held.pk)


@requires("labeling.work")
@require_POST
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Say no to an offer; the next one is shown."""
    campaign = get_object_or_404(Campaign, pk=pk)
    task = get_object_or_404(Task, campaign=campaign, pk=_number(request.POST.get("task")))
    try:
        desk.check_offered(me(request), campaign, task)
        claims.decline(Actor.of(request), task)
    except TilthError as error:
        messages.info(request, error.message)
    return redirect("labeling:offer", pk)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0
