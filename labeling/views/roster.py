"""The roster of a campaign: who takes part, who is invited, and who holds what."""

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import cohorts, desk
from labeling.actions import handover, roster, rosterfiles
from labeling.actions.guards import require_lead
from labeling.forms.campaigns import PersonForm, ProfileForm, RosterFileForm
from labeling.models.campaigns import Campaign, Member, Profile, RosterInvite
from labeling.models.rosters import RosterImport
from labeling.models.tasks import IN_SLOT, OPEN_STATES, Assignment, Task
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import page_of, put_error
from tilth.errors import InvalidInput, TilthError
from tilth.text.cells import Table

SHOWN = 200
"""Addresses that have been invited and are listed."""


def _led(request: HttpRequest, pk: int) -> Campaign:
    campaign = get_object_or_404(Campaign, pk=pk)
    require_lead(Actor.of(request), campaign)
    return campaign


@requires("labelers.view")
@require_GET
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody in the campaign."""
    return _page(request, _led(request, pk))


def _page(request: HttpRequest, campaign: Campaign, report: Any = None, **forms: Any) -> HttpResponse:
    page = page_of(request, campaign.members.select_related("user").order_by("state", "user__name", "pk"))
    counts = _counts(campaign, [member.user_id for member in page])
    invites = campaign.roster_invites
    context = {
        "campaign": campaign,
        "tab": "roster",
        "page": page,
        "rows": [(member, counts[member.user_id]) for member in page],
        "invites": invites.all()[:SHOWN],
        "more_invites": max(0, invites.count() - SHOWN),
        "tables": RosterImport.objects.filter(campaign=campaign)[:5],
        "active": _active(campaign),
        "person": PersonForm(),
        "file": RosterFileForm(),
        "known": cohorts.known_to(me(request), [campaign]),
        "report": report,
        **forms,
    }
    return render(request, "labeling/roster.html", context)


def _counts(campaign: Campaign, people: list[int]) -> dict[int, dict[str, int]]:
    """Of those shown: how many tasks they hold, have handed in, and are reserved for them."""
    found = {person: {"held": 0, "submitted": 0, "reserved": 0} for person in people}
    work = Assignment.objects.filter(campaign=campaign, labeler__in=people).order_by()
    for person, state, count in work.values_list("labeler", "state").annotate(n=Count("pk")):
        if state in OPEN_STATES:
            found[person]["held"] += count
        elif state in IN_SLOT:
            found[person]["submitted"] += count
    waiting = Task.objects.claimable().filter(campaign=campaign, reserved_for__in=people).order_by()
    for person, count in waiting.values_list("reserved_for").annotate(n=Count("pk")):
        found[person]["reserved"] = count
    return found


def _active(campaign: Campaign) -> Any:
    return User.objects.filter(memberships__campaign=campaign, memberships__state=Member.State.ACTIVE)


@requires("labelers.view")
@require_POST
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Invite somebody who has an account."""
    campaign = _led(request, pk)
    form = PersonForm(request.POST)
    if form.is_valid():
        minutes = form.cleaned_data["weekly_minutes"] or 0
        try:
            roster.invite(Actor.of(request), campaign, form.cleaned_data["user"], weekly_minutes=minutes)
            messages.success(request, f"{form.cleaned_data['user']} is invited.")
            return redirect("labeling:campaign_roster", pk)
        except TilthError as error:
            put_error(form, error)
    return _page(request, campaign, person=form)


@requires("labelers.view")
@require_POST
def invite_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Invite everybody of a table, and say what came of each line."""
    campaign = _led(request, pk)
    form = RosterFileForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            upload = request.FILES.get("file")
            name = upload.name if upload is not None and upload.name else "table.csv"
            report = rosterfiles.invite_file(Actor.of(request), campaign, form.cleaned_data["file"], name)
            if isinstance(report, RosterImport):
                return redirect("labeling:roster_import", report.pk)
            return _page(request, campaign, report)
        except TilthError as error:
            put_error(form, error)
    return _page(request, campaign, file=form)


@requires("labelers.view")
@require_GET
def table(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the invitations of a table are, and what is wrong with which line; the page follows it."""
    row = _table(request, pk)
    context = {
        "campaign": row.campaign,
        "tab": "roster",
        "row": row,
        "faults": row.faults[:SHOWN],
        "more_faults": max(0, len(row.faults) - SHOWN),
        "share": row.done / row.rows if row.rows else 0,
    }
    part = request.htmx  # type: ignore[attr-defined]
    return render(request, "labeling/_roster_import.html" if part else "labeling/roster_import.html", context)


@requires("labelers.view")
@require_GET
def table_report(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """The bad lines, or the links to hand over, as a table."""
    row = _table(request, pk)
    if what not in {"bad-lines", "links"}:
        raise Http404
    response = HttpResponse(content_type="text/csv")
    response["Content-Disposition"] = f'attachment; filename="{what}-{pk}.csv"'
    table = Table(response)
    table.write(["line", "problem"] if what == "bad-lines" else ["email", "link"])
    for cells in row.faults if what == "bad-lines" else rosterfiles.links(row).items():
        table.write(cells)
    return response


def _table(request: HttpRequest, pk: int) -> RosterImport:
    row = get_object_or_404(RosterImport.objects.select_related("campaign", "job"), pk=pk)
    require_lead(Actor.of(request), row.campaign)
    return row


@requires("labelers.view")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    row = get_object_or_404(RosterInvite.objects.select_related("campaign"), pk=pk)
    roster.withdraw_invite(Actor.of(request), row)
    return redirect("labeling:campaign_roster", row.campaign_id)


@requires("labelers.view")
@require_POST
def member(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Pause, resume, take out, or set the capacity of one member."""
    found = get_object_or_404(Member.objects.select_related("campaign", "user"), pk=pk)
    actor = Actor.of(request)
    acts = {
        "pause": lambda: roster.pause(actor, found, request.POST.get("reason", "")),
        "resume": lambda: roster.resume(actor, found),
        "leave": lambda: roster.leave(actor, found),
        "capacity": lambda: roster.set_capacity(actor, found, _minutes(request)),
    }
    if verb not in acts:
        raise Http404
    try:
        acts[verb]()
        messages.success(request, f"{found.user}: saved.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_roster", found.campaign_id)


def _minutes(request: HttpRequest) -> int:
    """The minutes sent, none where the field is empty; a slip must not lift a limit."""
    text = request.POST.get("weekly_minutes", "").strip()
    if text and not (text.isdecimal() and len(text) < 19):
        raise InvalidInput(
            f"{text[:20]!r} is no number of minutes; write 0 for no limit.", field="weekly_minutes"
        )
    return int(text or 0)


@requires("labelers.view")
@require_POST
def reserve(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the next free tasks for somebody, or give what is kept for them back to everybody."""
    campaign = _led(request, pk)
    user = get_object_or_404(User, memberships__campaign=campaign, pk=_number(request.POST.get("labeler")))
    try:
        if request.POST.get("release"):
            count = handover.release(Actor.of(request), campaign, user)
            messages.success(request, f"{count} tasks reserved for {user} are everybody's again.")
            return redirect("labeling:campaign_roster", pk)
        count = handover.reserve(Actor.of(request), campaign, user, count=_number(request.POST.get("count")))
        messages.success(request, f"{count} tasks are reserved for {user}.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_roster", pk)


@requires("labelers.view")
@require_http_methods(["GET", "POST"])
def held(request: HttpRequest, pk: int) -> HttpResponse:
    """Tasks that people hold; chosen ones end, or go to somebody else with their drafts."""
    campaign = _led(request, pk)
    if request.method == "POST":
        return _end_chosen(request, campaign)
    rows = Assignment.objects.open().filter(campaign=campaign).select_related("task", "labeler")
    labeler = User.objects.filter(pk=_number(request.GET.get("labeler"))).first()
    if labeler is not None:
        rows = rows.filter(labeler=labeler)
    context = {
        "campaign": campaign,
        "tab": "roster",
        "page": page_of(request, rows.order_by("held_at")),
        "labeler": labeler,
        "active": _active(campaign),
    }
    return render(request, "labeling/held.html", context)


def _end_chosen(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    chosen = [number for pk in request.POST.getlist("assignment") if (number := _number(pk))]
    rows = list(
        Assignment.objects.filter(campaign=campaign, pk__in=chosen).select_related(
            "task", "labeler", "campaign"
        )
    )
    wanted = request.POST.get("receiver", "")
    receiver = _active(campaign).filter(pk=_number(wanted)).first()
    if not rows or (wanted and receiver is None):
        fault = (
            "Whom you chose takes no tasks here any more; choose again." if rows else "Choose tasks first."
        )
        messages.error(request, f"{fault} Nothing was changed.")
        return redirect("labeling:held", campaign.pk)
    result = handover.end_many(
        Actor.of(request), campaign, rows, reason=request.POST.get("reason", ""), receiver=receiver
    )
    done = f"{result.moved} handed to {receiver}." if receiver else f"{result.ended} ended."
    if result.moved or result.ended:
        messages.success(request, done)
    for text in result.skipped[:20]:
        messages.warning(request, text)
    return redirect("labeling:held", campaign.pk)


@requires("labeling.work")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, pk: int) -> HttpResponse:
    """Read what taking part means, and agree."""
    campaign = get_object_or_404(Campaign, pk=pk)
    if request.method == "POST":
        try:
            consented, read = request.POST.get("consented") == "on", request.POST.get("read", "")
            roster.join(Actor.of(request), campaign, consented=consented, read=read)
            messages.success(request, f"You take part in {campaign}.")
            return redirect("labeling:work")
        except TilthError as error:
            messages.error(request, error.message)
    campaign.refresh_from_db()
    context = {"campaign": campaign, "pay": desk.pay_words(campaign), "read": roster.digest(campaign.consent)}
    return render(request, "labeling/join.html", context)


@requires("labeling.work")
@require_POST
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave a campaign."""
    found = get_object_or_404(
        Member.objects.select_related("campaign", "user"), campaign=pk, user=me(request)
    )
    try:
        roster.leave(Actor.of(request), found)
        messages.success(request, f"You have left {found.campaign}. Drafts are kept for the leads.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:work")


@requires("labeling.work")
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """One's own languages, expertise and region."""
    return _profile(request, me(request))


@requires("labelers.view")
@require_http_methods(["GET", "POST"])
def profile_of(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody's, filled in by a lead."""
    return _profile(request, get_object_or_404(User, pk=pk))


def _profile(request: HttpRequest, person: User) -> HttpResponse:
    kept = Profile.objects.filter(user=person).first()
    initial = {name: getattr(kept, name) for name in ProfileForm.base_fields} if kept else {}
    known = cohorts.known_to(me(request), Campaign.objects.filter(members__user=person))
    form = ProfileForm(request.POST or None, initial=initial, known=known)
    if request.method == "POST" and form.is_valid():
        roster.save_profile(Actor.of(request), person, **form.cleaned_data)
        messages.success(request, "The profile is saved.")
        return redirect(request.path)
    return render(
        request, "labeling/profile.html", {"form": form, "person": person, "own": person == me(request)}
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0
