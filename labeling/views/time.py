"""Time and pay: a labeler's own, and a campaign's for its leads."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import budget, labelers, pay
from labeling.actions import time
from labeling.actions.guards import require_lead
from labeling.models.campaigns import Campaign, Member
from labeling.models.time import Decision, Statement, TimeEntry
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError
from tilth.text.cells import Table


class DeclareForm(forms.Form):
    """Off-screen work."""

    campaign = forms.ModelChoiceField(Campaign.objects.none())
    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    minutes = forms.IntegerField(min_value=1, max_value=720)
    note = forms.CharField(label="What you did", max_length=500)


class PeriodForm(forms.Form):
    """From one day to another."""

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))


@requires("labeling.work")
@require_http_methods(["GET", "POST"])
def mine(request: HttpRequest) -> HttpResponse:
    """One's own hours and earnings of this month, off-screen work, and statements."""
    memberships = Member.objects.filter(user=me(request)).exclude(state=Member.State.INVITED)
    campaigns = Campaign.objects.filter(pk__in=memberships.values("campaign"))
    form = DeclareForm(request.POST or None, initial={"day": timezone.now().date()})
    form.fields["campaign"].queryset = campaigns  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        try:
            time.declare(Actor.of(request), form.cleaned_data.pop("campaign"), **form.cleaned_data)
            messages.success(request, "Declared; a lead looks at it.")
            return redirect("labeling:my_time")
        except TilthError as error:
            put_error(form, error)
    first, last = pay.month(timezone.now().date())
    worked = {c.pk: work for c, work in pay.by_campaign(me(request), first, last)}
    context = {
        "form": form,
        "month": first,
        "earned": [(c, worked.get(c.pk) or pay.nothing(pay.Terms.of(c))) for c in campaigns],
        "entries": TimeEntry.objects.filter(labeler=me(request)).select_related("campaign")[:50],
        "statements": Statement.objects.filter(labeler=me(request))
        .exclude(state=Statement.State.DRAFT)
        .select_related("campaign")[:50],
    }
    return render(request, "labeling/my_time.html", context)


def _led(request: HttpRequest, pk: int) -> Campaign:
    campaign = get_object_or_404(Campaign, pk=pk)
    require_lead(Actor.of(request), campaign)
    return campaign


@requires("labelers.view")
@require_GET
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """What the campaign costs, what waits for approval, and statements."""
    found = _led(request, pk)
    first, last = pay.month(timezone.now().date())
    context: dict[str, Any] = {
        "campaign": found,
        "tab": "time",
        "spent": pay.spent(found),
        "pending": found.time_entries.filter(state=Decision.PENDING).select_related("labeler"),
        "statements": found.statements.select_related("labeler")[:500],
        "form": PeriodForm(initial={"first": first, "last": min(last, timezone.now().date())}),
        "hours": sum(line.counts["active_seconds"] for line in labelers.labelers(found)) / 3600,
    }
    if found.budget:
        held = budget.held(found)
        left = found.budget - context["spent"] - held
        context |= {"held": held, "left": left, "share": float(1 - left / found.budget)}
    return render(request, "labeling/campaign_time.html", context)


@requires("labelers.view")
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve declared work, or not."""
    entry = get_object_or_404(TimeEntry.objects.select_related("campaign"), pk=pk)
    try:
        time.decide(Actor.of(request), entry, approved=request.POST.get("approved") == "1")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_time", entry.campaign_id)


@requires("labelers.view")
@require_POST
def statements(request: HttpRequest, pk: int) -> HttpResponse:
    """Make, or approve, the statements of a period."""
    found, form = _led(request, pk), PeriodForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A period needs two days.")
        return redirect("labeling:campaign_time", pk)
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    try:
        if request.POST.get("approve"):
            count = time.approve(Actor.of(request), found, first, last)
            messages.success(request, f"{count} statements are approved.")
        else:
            made = time.draft_statements(Actor.of(request), found, first, last)
            messages.success(request, f"{len(made)} statements are drafted; look at them, then approve them.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_time", pk)


@requires("labelers.view")
@require_POST
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """Approved statements as a table for whoever pays."""
    found = _led(request, pk)
    response = HttpResponse(content_type="text/csv")
    response["Content-Disposition"] = f'attachment; filename="statements-{found.name}-{date.today()}.csv"'
    table = Table(response)
    table.write(
        [
            "pseudonym",
            "name",
            "email",
            "from",
            "to",
            "paid_per",
            "rate",
            "tasks",
            "active_minutes",
            "offscreen_minutes",
            "amount",
            "currency",
            "corrections",
            "total",
        ]
    )
    for row in time.export(Actor.of(request), found):
        for line in row.lines:
            who = (row.labeler.pseudonym, row.labeler.name, row.labeler.email)
            numbers = (
                line["basis"],
                line["rate"],
                line["tasks"],
                line["active_minutes"],
                line["offscreen_minutes"],
                line["amount"],
                row.currency,
                row.corrected,
                row.total,
            )
            table.write([*who, row.first_day, row.last_day, *numbers])
    return response
