"""Conversations about work: the list, one of them, and the ways in."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import threads
from labeling.models.annotations import Annotation, Thread
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment, Task
from labeling.people import leads_it, who
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import page_of
from tilth.errors import TilthError


@requires("labeling.work")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Conversations that this person may read, those that wait first."""
    rows = threads.visible(me(request))
    chosen = {name: request.GET.get(name, "") for name in ("topic", "campaign", "open")}
    if chosen["topic"] in Thread.Topic.values:
        rows = rows.filter(topic=chosen["topic"])
    if chosen["campaign"].isdecimal():
        rows = rows.filter(campaign=int(chosen["campaign"][:18]))
    if chosen["open"] in {"1", "0"}:
        rows = rows.filter(open=chosen["open"] == "1")
    context = {
        "page": page_of(request, rows.order_by("-open", "-updated_at")),
        "chosen": chosen,
        "topics": Thread.Topic.choices,
        "filtered": any(chosen.values()),
        "reviews": can(me(request), "labeling.review"),
    }
    return render(request, "labeling/threads.html", context)


@requires("labeling.work")
@require_GET
def thread(request: HttpRequest, pk: int) -> HttpResponse:
    """One conversation."""
    found = threads.find(me(request), pk)
    name = _named(request, found)
    said = [
        {
            "author": name(message.author),
            "text": message.text,
            "at": message.at,
            "mine": message.author == me(request),
        }
        for message in found.messages.select_related("author")
    ]
    clause = found.guideline.clause(found.clause) if found.guideline and found.clause else None
    context = {
        "thread": found,
        "said": said,
        "clause": clause,
        "reviews": can(me(request), "labeling.review"),
        "own": found.opened_by_id == me(request).pk,
        "appellant": _paused(me(request), found),
        "may_reopen": found.topic != Thread.Topic.APPEAL or leads_it(me(request), found.campaign),
    }
    return render(request, "labeling/thread.html", context)


def _paused(viewer: User, found: Thread) -> Member | None:
    """The member whose pause this appeal is about, for those who lead the campaign."""
    if found.topic != Thread.Topic.APPEAL or found.annotation_id or not leads_it(viewer, found.campaign):
        return None
    return found.campaign.members.select_related("user").filter(user=found.opened_by).first()


def _named(request: HttpRequest, thread: Thread) -> Callable[[User], str]:
    """Names of who wrote: whoever answers for the campaign is told from other labelers, also under a pseudonym."""
    name = who(me(request), thread.campaign)

    def named(author: User) -> str:
        answers = author.pk != thread.opened_by_id and can(author, "labeling.review")
        return (
            name(author).replace("labeler ", f"{author.get_role_display().lower()} ")
            if answers
            else name(author)
        )

    return named


def _done(request: HttpRequest, pk: int, act: Any, told: str) -> HttpResponse:
    found = threads.find(me(request), pk)
    try:
        act(Actor.of(request), found)
        messages.success(request, told)
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:thread", pk)


@requires("labeling.work")
@require_POST
def reply(request: HttpRequest, pk: int) -> HttpResponse:
    """Write in it."""
    text = request.POST.get("text", "")
    return _done(request, pk, lambda actor, found: threads.reply(actor, found, text), "Sent.")


@requires("labeling.work")
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    """End it."""
    outcome = request.POST.get("outcome", "")
    return _done(request, pk, lambda actor, found: threads.close(actor, found, outcome), "Closed.")


@requires("labeling.work")
@require_POST
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with it."""
    return _done(request, pk, threads.reopen, "Open again.")


@requires("labeling.work")
@require_POST
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """A question about a task that is held."""
    held = get_object_or_404(
        Assignment.objects.select_related("campaign", "task"), pk=pk, labeler=me(request)
    )
    fields = {name: request.POST.get(name, "") for name in ("topic", "text", "clause")}
    try:
        made = threads.ask(Actor.of(request), held, **fields)
        messages.success(
            request, f"Sent. You find the answer under Questions ({made.get_topic_display().lower()})."
        )
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:assignment", pk)


@requires("labeling.work")
@require_POST
def appeal(request: HttpRequest, pk: Any) -> HttpResponse:
    """Have a decision on one's own work looked at again."""
    mine = get_object_or_404(
        Annotation.objects.select_related("assignment", "campaign"), pk=pk, labeler=me(request)
    )
    try:
        made = threads.appeal(Actor.of(request), mine, request.POST.get("text", ""))
        return redirect("labeling:thread", made.pk)
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:my_annotation", pk)


@requires("labeling.work")
@require_POST
def appeal_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a pause looked at again."""
    member = get_object_or_404(Member.objects.select_related("campaign"), campaign=pk, user=me(request))
    try:
        made = threads.appeal_pause(Actor.of(request), member, request.POST.get("text", ""))
        return redirect("labeling:thread", made.pk)
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:work")


@requires("labeling.work")
@require_POST
def discuss(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a discussion in a campaign, about one of its tasks or in general."""
    campaign = get_object_or_404(Campaign, pk=pk)
    number = request.POST.get("task", "")
    task = get_object_or_404(Task, campaign=campaign, pk=int(number[:18])) if number.isdecimal() else None
    try:
        made = threads.discuss(Actor.of(request), campaign, text=request.POST.get("text", ""), task=task)
        return redirect("labeling:thread", made.pk)
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:threads")
