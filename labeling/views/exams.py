"""Exams: made by leads, sat by labelers."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import exams, sittings
from labeling.models.campaigns import Campaign
from labeling.models.quality import Exam, ExamAttempt
from labeling.protocol import letters
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
    like = forms.ModelChoiceField(
        Campaign.objects.none(),
        required=False,
        label="For a campaign",
        help_text="Kind, answer schema and guideline as there.",
    )
    kind = forms.ChoiceField(required=False, help_text="Where it is for no campaign in particular.")
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
        closed = {kind.name: kind.title for kind in all_kinds().values() if kind.closed}
        self.fields["kind"].choices = [("", "—"), *closed.items()]  # type: ignore[attr-defined]
        self.fields["like"].queryset = Campaign.objects.filter(kind__in=closed)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """What the action takes: kind, schema and guideline in place of the campaign."""
        values = super().clean() or self.cleaned_data
        campaign = values.pop("like", None)
        if campaign is not None:
            given = {"kind": campaign.kind, "schema": campaign.schema, "guideline": campaign.guideline}
            values.update(given)
        elif not values.get("kind"):
            self.add_error("kind", "Choose a campaign or a kind.")
        return values


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
    return _page(request, pk)


@requires("campaigns.view")
@require_POST
def answers(request: HttpRequest, pk: int) -> HttpResponse:
    """The same with the known answers; that somebody has looked at them is kept."""
    exams.reveal(Actor.of(request), get_object_or_404(Exam, pk=pk))
    return _page(request, pk, revealed=True)


def _page(request: HttpRequest, pk: int, *, revealed: bool = False) -> HttpResponse:
    found = get_object_or_404(Exam.objects.select_related("skill", "guideline__guideline"), pk=pk)
    may_manage = can(me(request), "campaigns.manage")
    page = page_of(request, found.sittings.exclude(finished_at=None).select_related("user", "exam"))
    context = {
        "exam": found,
        "kind": kind_of(found.kind),
        "page": page,
        "sittings": _named(page, named=can(me(request), "labelers.view"), may_grant=may_manage),
        "sat": found.sittings.exists(),
        "campaigns": Campaign.objects.filter(kind=found.kind, tasks__role="gold").distinct(),
        "may_manage": may_manage,
        "revealed": revealed,
        "questions": [(n, exams.view_of(found, n), item) for n, item in enumerate(found.items)],
    }
    return render(request, "labeling/exam.html", context)


def _named(page: Page, *, named: bool, may_grant: bool) -> list[tuple[str, ExamAttempt, bool]]:
    """Attempts by name, the newest one of each person with whether they can be given another."""
    rows, people = [], set()
    for sitting in page:
        user, newest = sitting.user, sitting.user_id not in people
        people.add(sitting.user_id)
        name = str(user) if named else f"labeler {user.pseudonym[:8]}"
        rows.append((name, sitting, may_grant and newest and sittings.may_grant(sitting.exam, user)))
    return rows


@requires("campaigns.manage")
@require_POST
def grant(request: HttpRequest, pk: int) -> HttpResponse:
    """One more attempt for whoever sat this one."""
    found = get_object_or_404(ExamAttempt.objects.select_related("exam", "user"), pk=pk)
    try:
        count = sittings.grant(Actor.of(request), found.exam, found.user)
        messages.success(request, f"One more attempt is given: {count} in all.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:exam", found.exam_id)


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
            sittings.begin(Actor.of(request), found)
            return redirect("labeling:exam_question", pk, 0)
        except TilthError as error:
            messages.error(request, error.message)
    mine = list(found.sittings.filter(user=me(request)).order_by("number"))
    context = {
        "exam": found,
        "mine": mine,
        "kind": kind_of(found.kind),
        "why_not": sittings.why_not(me(request), found),
        "under_way": any(attempt.finished_at is None for attempt in mine),
        "left": max(0, sittings.allowed(found, me(request)) - len(mine)),
    }
    return render(request, "labeling/exam_sit.html", context)


@requires("labeling.work")
@require_GET
def question(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One question of the attempt that is under way."""
    found = get_object_or_404(Exam.objects.select_related("guideline__guideline"), pk=pk)
    attempt = found.sittings.filter(user=me(request), finished_at=None).first()
    if attempt is None or number >= len(found.items) or sittings.why_not(me(request), found):
        return redirect("labeling:exam_sit", pk)
    kind, task = kind_of(found.kind), exams.view_of(found, number, attempt)
    kept = attempt.answers.get(str(number))
    missing = set(sittings.unanswered(attempt))
    context = {
        "exam": found,
        "kind": kind,
        "task": task,
        "schema": found.schema,
        "view": kind.view(task, found.schema),
        "page_keys": [(shortcut.key, shortcut.label) for shortcut in kind.shortcuts(found.schema)],
        "guideline_clauses": found.guideline.clauses if found.guideline else [],
        "number": number,
        "questions": [(n, n not in missing) for n in range(len(found.items))],
        "answered": len(found.items) - len(missing),
        "lacks": sittings.problems(attempt, number) if kept else [],
        "payload_json": json.dumps(letters.to_page(kind, kept or kind.blank(task, found.schema), task.order)),
        "last": number == len(found.items) - 1,
    }
    return render(request, "labeling/exam_question.html", context)


@requires("labeling.work")
@json_view
def answer(request: HttpRequest, body: dict[str, Any], pk: int, number: int) -> dict[str, Any]:
    """Keep one answer."""
    attempt = _under_way(request, pk)
    payload = body.get("payload")
    if number < len(attempt.exam.items):
        order = exams.view_of(attempt.exam, number, attempt).order
        payload = letters.from_page(kind_of(attempt.exam.kind), payload, order)
    sittings.answer(Actor.of(request), attempt, number, payload)  # type: ignore[arg-type]  # the action checks it
    return {}


def _under_way(request: HttpRequest, pk: int) -> ExamAttempt:
    mine = ExamAttempt.objects.select_related("exam__skill")
    return get_object_or_404(mine, exam=pk, user=me(request), finished_at=None)


@requires("labeling.work")
@require_POST
def finish(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand in; where something is missing, the first of it is shown."""
    attempt = _under_way(request, pk)
    try:
        done = sittings.hand_in(Actor.of(request), attempt)
    except TilthError as error:
        messages.error(request, error.message)
        if error.code == "unanswered":
            return redirect("labeling:exam_question", pk, sittings.unanswered(attempt)[0])
        return redirect("labeling:exam_sit", pk)
    told = f"You have reached {done.score:.0%}."
    if done.passed:
        messages.success(request, f"{told} Passed: you have the skill {done.exam.skill} now.")
    else:
        messages.warning(request, f"{told} {done.exam.pass_mark:.0%} is needed.")
    return redirect("labeling:exam_sit", pk)
