"""Review: the queue, one submission with its passages, adjudication, and annotations to read."""

import json
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from labeling import display, feedback
from labeling.actions import attachments, flags, reviews, threads
from labeling.actions.reviews import Verdict
from labeling.models.annotations import Annotation, Flag, Review
from labeling.models.campaigns import Campaign, Visibility
from labeling.models.tasks import Task
from labeling.people import leads_it, sees_names, who
from labeling.protocol.rubric import CRITERIA, POINTS
from labeling.views.json import json_view, number, text
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import page_of
from tilth.errors import Conflict, TilthError
from tilth.text.diff import word_diff


def shown(
    annotation: Annotation, payload: dict[str, Any] | None = None, seen: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the templates of a finished payload read; ``seen``: a display other than the labeler's own."""
    campaign, kind = annotation.campaign, annotation.campaign.task_kind
    task = display.view_of(annotation.task, annotation.display if seen is None else seen)
    answer = payload if payload is not None else annotation.payload
    return {
        "annotation": annotation,
        "campaign": campaign,
        "kind": kind,
        "task": task,
        "schema": campaign.schema,
        "view": kind.view(task, campaign.schema),
        "facts": kind.facts(answer, task, campaign.schema),
        "payload": answer,
        "page_task": annotation.task_id,
        "guideline_clauses": annotation.guideline.clauses if annotation.guideline else [],
    }


def _edited(annotation: Annotation) -> dict[str, Any] | None:
    """The answer as a reviewer edited or decided it, where one did; it stands for what was submitted."""
    edited = reviews.edited(annotation)
    return shown(annotation, edited) if edited is not None else None


def _found(pk: Any) -> Annotation:
    related = Annotation.objects.select_related(
        "campaign", "task", "labeler", "guideline__guideline", "assignment"
    )
    return get_object_or_404(related, pk=pk)


@requires("labeling.review")
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """What waits, oldest first."""
    rows = reviews.waiting(me(request)).select_related("campaign", "task")
    chosen = request.GET.get("campaign", "")
    if chosen.isdecimal():
        rows = rows.filter(campaign=int(chosen[:18]))
    campaigns = Campaign.objects.filter(pk__in=reviews.waiting(me(request)).order_by().values("campaign"))
    context = {"page": page_of(request, rows), "campaigns": campaigns, "chosen": chosen}
    return render(request, "labeling/review_queue.html", context)


@requires("labeling.review")
@require_POST
def next_review(request: HttpRequest) -> HttpResponse:
    """Take the oldest and open it."""
    chosen = request.POST.get("campaign", "")
    try:
        found = reviews.claim(Actor.of(request), campaign=int(chosen[:18]) if chosen.isdecimal() else None)
    except Conflict as error:
        messages.info(request, error.message)
        return redirect("labeling:review")
    return redirect("labeling:review_annotation", found.pk)


@requires("labeling.review")
@require_GET
def review(request: HttpRequest, pk: Any) -> HttpResponse:
    """One submission: the task, the answer, passages to comment on, and the decision."""
    annotation = _found(pk)
    problem = ""
    try:
        annotation = reviews.claim(Actor.of(request), annotation=annotation)
    except TilthError as error:
        problem = error.message
    campaign = annotation.campaign
    named = sees_names(me(request), campaign) and not campaign.blind_review
    earlier = (
        annotation.assignment.annotations.filter(attempt__lt=annotation.attempt).order_by("-attempt").first()
    )
    context = shown(annotation) | {
        "problem": problem,
        "labeler": str(annotation.labeler) if named else "",
        "rubric": [] if campaign.task_kind.closed else _rubric(),
        "flags": annotation.flags.open(),
        "earlier": _earlier_reviews(annotation),
        "changes": _changes(earlier, annotation) if earlier else [],
        "attachments": attachments.shown(me(request), annotation.assignment),
        "editable": json.dumps(_editor_data(annotation, me(request))),
        "urls": {
            name: reverse(f"labeling:review_{name}", args=[annotation.pk]) for name in ("decide", "keep")
        },
    }
    return render(request, "labeling/review.html", context)


def _earlier_reviews(annotation: Annotation) -> QuerySet[Review]:
    """What was asked for at earlier attempts; what others decided on this one only once they disagree.

    Reviewers of one attempt judge it without each other's word, else their agreement would say nothing.
    """
    found = Review.objects.filter(annotation__assignment=annotation.assignment_id)
    return found if annotation.contested else found.exclude(annotation=annotation)


def _rubric() -> list[dict[str, Any]]:
    return [
        {"name": name, "title": title, "points": list(zip(POINTS, words, strict=True))}
        for name, (title, words) in CRITERIA.items()
    ]


def _editor_data(annotation: Annotation, reviewer: Any) -> dict[str, Any]:
    """What the page's script needs; an unfinished review is kept by its submission and its reviewer."""
    kept_as = f"review:{annotation.pk}:{reviewer.pk}"
    payload = display.on_page(annotation, annotation.payload)
    return {"payload": payload, "urls": _editor_urls(), "keptAs": kept_as}


def _editor_urls() -> dict[str, str]:
    return {name: reverse(f"labeling:{name}") for name in ("preview", "diff")}


def _changes(earlier: Annotation, now: Annotation) -> list[Any]:
    """What the labeler changed since the last attempt, text by text."""
    before = {t.path: t.text for t in earlier.campaign.task_kind.texts(earlier.payload)}
    after = {t.path: t.text for t in now.campaign.task_kind.texts(now.payload)}
    paths = [path for path in dict.fromkeys([*before, *after]) if before.get(path) != after.get(path)]
    return [(path, word_diff(before.get(path, ""), after.get(path, ""))) for path in paths]


@requires("labeling.review")
@json_view
def decide(request: HttpRequest, body: dict[str, Any], pk: Any) -> dict[str, Any]:
    """A decision; answers where the next submission is."""
    comments = body.get("comments")
    found = _found(pk)
    scores, payload = body.get("scores"), display.off_page(found, body.get("payload"))
    verdict = Verdict(
        decision=text(body, "decision"),
        comments=[c for c in comments if isinstance(c, dict)] if isinstance(comments, list) else [],
        scores=scores if isinstance(scores, dict) else {},
        note=text(body, "note"),
        payload=payload if isinstance(payload, dict) else None,
        seconds=number(body, "seconds"),
    )
    reviews.decide(Actor.of(request), found, verdict)
    try:
        following = reviews.claim(Actor.of(request), campaign=found.campaign_id)
    except Conflict:
        return {"next": reverse("labeling:review")}
    return {"next": reverse("labeling:review_annotation", args=[following.pk])}


@requires("labeling.review")
@json_view
def keep(request: HttpRequest, body: dict[str, Any], pk: Any) -> dict[str, Any]:
    """Whoever still writes keeps the submission for longer."""
    found = reviews.claim(Actor.of(request), annotation=_found(pk))
    return {"until": found.reviewing_until.isoformat() if found.reviewing_until else None}


@requires("labeling.review")
@require_POST
def release(request: HttpRequest, pk: Any) -> HttpResponse:
    """Leave it to somebody else."""
    reviews.release(Actor.of(request), _found(pk))
    return redirect("labeling:review")


@requires("labeling.review")
@require_GET
def disagreements(request: HttpRequest, pk: int) -> HttpResponse:
    """Finished tasks whose annotations lie farthest apart."""
    campaign = get_object_or_404(Campaign, pk=pk)
    rows = campaign.tasks.filter(disagreement__gt=0).order_by("-disagreement", "position")
    context = {"campaign": campaign, "tab": "quality", "page": page_of(request, rows)}
    return render(request, "labeling/disagreements.html", context)


@requires("labeling.review")
@require_GET
def adjudicate(request: HttpRequest, pk: int) -> HttpResponse:
    """All answers to one task side by side; one becomes the result, or the final answer is written from it.

    Everybody's answers are read in one order of the screen, so that A is the same answer throughout.
    """
    task = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    context: dict[str, Any] = {"item": task, "campaign": task.campaign}
    rows = reviews.adjudicable(task)
    if reviews.works_on(me(request), task):
        return render(request, "labeling/adjudicate.html", context | {"own": True})
    if rows:
        first = _read_as(task)
        context |= shown(rows[0], seen=first.display) | {"answers": _answers(request, task, rows)}
        payloads = {
            str(row["annotation"].pk): display.on_page(first, row["payload"]) for _, row in context["answers"]
        }
        kept_as = f"adjudication:{task.pk}:{me(request).pk}"
        decided = reviews.decision(rows)
        context["editable"] = json.dumps(
            {
                "payloads": payloads,
                "urls": _editor_urls(),
                "keptAs": kept_as,
                "seen": reviews.decision_mark(decided),
            }
        )
        if decided is not None:
            context["decided"] = reviews.decision_words(me(request), task, rows, decided)
        context["may_decide"] = decided is None or reviews.may_decide_again(me(request), decided)
    return render(request, "labeling/adjudicate.html", context)


def _answers(request: HttpRequest, task: Task, rows: list[Annotation]) -> list[tuple[str, dict[str, Any]]]:
    """Each answer as it stands (as a reviewer edited it, where one did), under a name that the viewer may know."""
    name, seen = who(me(request), task.campaign), _read_as(task).display
    found: list[tuple[str, dict[str, Any]]] = []
    for at, row in enumerate(rows, 1):
        stands = reviews.edited(row)
        answer = shown(row, stands, seen) | {
            "edited": stands is not None,
            "attachments": attachments.shown(me(request), row.assignment),
        }
        found.append((f"Answer {at}" if task.campaign.blind_review else name(row.labeler), answer))
    return found


def _read_as(task: Task) -> Annotation:
    """The annotation in whose order all of a task's are read; no decision changes which one it is."""
    return task.annotations.select_related("campaign").order_by("submitted_at", "id")[0]


@requires("labeling.review")
@json_view
def adjudicate_decide(request: HttpRequest, body: dict[str, Any], pk: int) -> dict[str, Any]:
    """The decision between the answers; answers where to go on."""
    task = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    winner = next((row for row in reviews.adjudicable(task) if str(row.pk) == text(body, "winner")), None)
    if winner is None:
        raise Conflict("Choose one of the answers.", code="no_winner")
    payload = display.off_page(_read_as(task), body.get("payload"))
    reviews.adjudicate(
        Actor.of(request),
        task,
        winner=winner,
        note=text(body, "note"),
        payload=payload if isinstance(payload, dict) else None,
        seen=text(body, "seen"),
    )
    messages.success(request, f"Decided. Task {task.position} has its result.")
    return {"next": reverse("labeling:disagreements", args=[task.campaign_id])}


@requires("campaigns.view")
@require_GET
def annotation(request: HttpRequest, pk: Any) -> HttpResponse:
    """Everything about one annotation."""
    found = _found(pk)
    name = who(me(request), found.campaign)
    context = shown(found) | {
        "tab": "quality",
        "labeler": name(found.labeler),
        "reviews": [(name(r.reviewer), r) for r in found.reviews.select_related("reviewer")],
        "edited": _edited(found),
        "attempts": found.assignment.annotations.order_by("attempt"),
        "flags": found.flags.all(),
        "threads": found.threads.all(),
        "leads": leads_it(me(request), found.campaign),
        "attachments": attachments.shown(me(request), found.assignment),
    }
    return render(request, "labeling/annotation.html", context)


@requires("labeling.work")
@require_GET
def my_annotation(request: HttpRequest, pk: Any) -> HttpResponse:
    """One's own submission with what reviewers said about it."""
    found = get_object_or_404(
        Annotation.objects.select_related("campaign", "task", "guideline__guideline", "assignment"),
        pk=pk,
        labeler=me(request),
    )
    context = shown(found) | {
        "reviews": [*feedback.told(found), *feedback.why_another(found)],
        "edited": _edited(found) if feedback.told(found) else None,
        "appealed": threads.appeal_of(found),
        "may_appeal": threads.may_appeal(found),
        "attachments": attachments.shown(me(request), found.assignment),
    }
    return render(request, "labeling/my_annotation.html", context)


@requires("labeling.work")
@require_GET
def others(request: HttpRequest, pk: int) -> HttpResponse:
    """What others answered to a task, where and when the campaign shows it."""
    task = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    campaign = task.campaign
    mine = task.annotations.filter(labeler=me(request), current=True).exists()
    has_it = task.assignments.filter(labeler=me(request)).exists()
    always = campaign.visibility == Visibility.ALWAYS and has_it
    after = campaign.visibility == Visibility.AFTER and mine
    if not (always or after):
        raise Http404
    rows = Annotation.objects.settled().filter(task=task).exclude(labeler=me(request))
    rows = rows.select_related("campaign", "task")
    if task.role == Task.Role.GOLD:  # everybody answers it: no more of them than of any other task
        rows = rows[: task.overlap - 1]
    answers = [(f"Answer {n}", shown(row)) for n, row in enumerate(rows, 1)]
    return render(request, "labeling/others.html", {"item": task, "campaign": campaign, "answers": answers})


@requires("campaigns.manage")
@require_POST
def reverse_decision(request: HttpRequest, pk: Any) -> HttpResponse:
    """Accept after all."""
    found = _found(pk)
    try:
        reviews.reverse(Actor.of(request), found, request.POST.get("note", ""))
        messages.success(request, "Accepted after all.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:annotation", pk)


@requires("campaigns.view")
@require_GET
def flag_list(request: HttpRequest, pk: int) -> HttpResponse:
    """What safeguards noticed in a campaign."""
    campaign = get_object_or_404(Campaign, pk=pk)
    chosen = {name: request.GET.get(name, "") for name in ("state", "kind")}
    rows = campaign.flags.standing().select_related("annotation__labeler", "decided_by")
    rows = rows.filter(state=chosen["state"] or Flag.State.OPEN)
    if chosen["kind"]:
        rows = rows.filter(kind=chosen["kind"])
    name = who(me(request), campaign)
    page = page_of(request, rows)
    context = {
        "campaign": campaign,
        "tab": "quality",
        "page": page,
        "rows": [
            (flag, name(flag.annotation.labeler), name(flag.decided_by) if flag.decided_by else "")
            for flag in page
        ],
        "chosen": chosen,
        "kinds": campaign.flags.order_by().values_list("kind", flat=True).distinct(),
        "states": Flag.State.choices,
        "decides": can(me(request), "labeling.review"),
    }
    return render(request, "labeling/flags.html", context)


@requires("labeling.review")
@require_POST
def flag_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing wrong, or confirmed."""
    flag = get_object_or_404(Flag.objects.select_related("annotation"), pk=pk)
    try:
        flags.decide(Actor.of(request), flag, request.POST.get("state", ""), request.POST.get("note", ""))
        messages.success(request, "Noted.")
    except TilthError as error:
        messages.error(request, error.message)
    back = "labeling:flags" if can(me(request), "campaigns.view") else "labeling:review"
    return redirect(back, flag.campaign_id) if back == "labeling:flags" else redirect(back)
