"""Exams: made by leads, sat by labelers."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import exams
from labeling.models.campaigns import Campaign
from labeling.models.quality import Exam
from labeling.protocol.registry import all_kinds, kind_of
from labeling.views.json import json_view
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.models import Skill
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import page_of, put_error
from tilth.errors import TilthError
from tilth.text.storable import storable


class ExamForm(forms.Form):
    """A new exam."""

    title = forms.CharField(max_length=200)
    name = forms.CharField(max_length=100, help_text="Lower-case letters, digits and dashes.")
    kind = forms.ChoiceField()
    skill = forms.ModelChoiceField(
        Skill.objects.filter(archived=False), help_text="Granted to whoever passes."
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}))
    pass_mark = forms.FloatField(
        label="Pass mark",
        min_value=0.01,
        max_value=1,
        initial=0.8,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )
    attempts = forms.IntegerField(min_value=1, max_value=20, initial=2)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        closed = [(kind.name, kind.title) for kind in all_kinds().values() if kind.closed]
        self.fields["kind"].choices = closed  # type: ignore[attr-defined]


@requires("campaigns.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All exams."""
    rows = Exam.objects.filter(archived=request.GET.get("archived") == "1").select_related("skill")
    context = {"page": page_of(request, rows), "may_manage": can(me(request), "campaigns.manage")}
    return render(request, "labeling/exams.html", context)


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Make an exam."""
    form = ExamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = exams.create(Actor.of(request), **form.cleaned_data)
            return redirect("labeling:exam", made.pk)
        except TilthError as error:
            put_error(form, error)
    return render(request, "labeling/exam_new.html", {"form": form})


@requires("campaigns.view")
@require_GET
def exam(request: HttpRequest, pk: int) -> HttpResponse:
    """One exam: its questions, and how people did."""
    found = get_object_or_404(Exam.objects.select_related("skill", "guideline__guideline"), pk=pk)
    named = can(me(request), "labelers.view")
    sittings = found.sittings.exclude(finished_at=None).select_related("user")[:200]
    context = {
        "exam": found,
        "kind": kind_of(found.kind),
        "sittings": [(str(s.user) if named else f"labeler {s.user.pseudonym[:8]}", s) for s in sittings],
        "campaigns": Campaign.objects.filter(kind=found.kind, tasks__role="gold").distinct(),
        "may_manage": can(me(request), "campaigns.manage"),
        "questions": [(n, exams.view_of(found, n), item) for n, item in enumerate(found.items)],
    }
    return render(request, "labeling/exam.html", context)


@requires("campaigns.manage")
@require_POST
def items(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the questions: JSONL typed in, or a campaign's known answers."""
    found = get_object_or_404(Exam, pk=pk)
    actor, chosen = Actor.of(request), request.POST.get("campaign", "")
    try:
        if chosen.isdecimal():
            exams.items_from_gold(
                actor, found, get_object_or_404(Campaign, pk=int(chosen[:18]), kind=found.kind)
            )
        else:
            lines = [line for line in request.POST.get("rows", "").splitlines() if line.strip()]
            exams.set_items(actor, found, [storable(json.loads(line)) for line in lines])
        messages.success(request, "The questions are saved.")
    except ValueError as error:
        messages.error(request, f"One JSON object a line, please: {error}")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:exam", pk)


@requires("campaigns.manage")
@require_POST
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Out of the choices, or back."""
    exams.archive(
        Actor.of(request), get_object_or_404(Exam, pk=pk), archived=request.POST.get("archived") != "0"
    )
    return redirect("labeling:exams")


@requires("labeling.work")
@require_http_methods(["GET", "POST"])
def sit(request: HttpRequest, pk: int) -> HttpResponse:
    """Before an exam: what it asks and how often; posted, it begins."""
    found = get_object_or_404(Exam.objects.select_related("skill", "guideline__guideline"), pk=pk)
    if request.method == "POST":
        try:
            exams.begin(Actor.of(request), found)
            return redirect("labeling:exam_question", pk, 0)
        except TilthError as error:
            messages.error(request, error.message)
    mine = found.sittings.filter(user=me(request)).order_by("number")
    return render(
        request, "labeling/exam_sit.html", {"exam": found, "mine": mine, "kind": kind_of(found.kind)}
    )


@requires("labeling.work")
@require_GET
def question(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One question of the attempt that is under way."""
    found = get_object_or_404(Exam.objects.select_related("guideline__guideline"), pk=pk)
    attempt = found.sittings.filter(user=me(request), finished_at=None).first()
    if attempt is None or number >= len(found.items):
        return redirect("labeling:exam_sit", pk)
    kind, task = kind_of(found.kind), exams.view_of(found, number)
    payload = attempt.answers.get(str(number)) or kind.blank(task, found.schema)
    context = {
        "exam": found,
        "kind": kind,
        "task": task,
        "schema": found.schema,
        "view": kind.view(task, found.schema),
        "shortcuts": kind.shortcuts(found.schema),
        "guideline_clauses": found.guideline.clauses if found.guideline else [],
        "number": number,
        "answered": len(attempt.answers),
        "payload_json": json.dumps(payload),
        "last": number == len(found.items) - 1,
    }
    return render(request, "labeling/exam_question.html", context)


@requires("labeling.work")
@json_view
def answer(request: HttpRequest, body: dict[str, Any], pk: int, number: int) -> dict[str, Any]:
    """Keep one answer."""
    found = get_object_or_404(Exam, pk=pk)
    attempt = get_object_or_404(found.sittings, user=me(request), finished_at=None)
    exams.answer(Actor.of(request), attempt, number, body.get("payload"))  # type: ignore[arg-type]
    return {}


@requires("labeling.work")
@require_POST
def finish(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand in."""
    found = get_object_or_404(Exam, pk=pk)
    attempt = get_object_or_404(found.sittings, user=me(request), finished_at=None)
    try:
        done = exams.hand_in(Actor.of(request), attempt)
        told = f"You have reached {done.score:.0%}."
        if done.passed:
            messages.success(request, f"{told} Passed: you have the skill {found.skill} now.")
        else:
            messages.warning(request, f"{told} {found.pass_mark:.0%} is needed.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:exam_sit", pk)
