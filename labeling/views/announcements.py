"""Announcements: made by leads, read by everybody who takes part."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import announcements
from labeling.actions.guards import require_lead
from labeling.models.campaigns import Campaign, Member
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import page_of
from tilth.errors import TilthError


@requires("labelers.view")
@require_POST
def announce(request: HttpRequest, pk: int) -> HttpResponse:
    """A word to everybody."""
    campaign = get_object_or_404(Campaign, pk=pk)
    require_lead(Actor.of(request), campaign)
    try:
        announcements.announce(Actor.of(request), campaign, request.POST.get("text", ""))
        messages.success(request, "Announced: it stands on everybody's work page until they have read it.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_roster", pk)


@requires("labeling.work")
@require_GET
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """All announcements of a campaign that one takes part in, with what is new."""
    member = _mine(request, pk)
    page = page_of(request, member.campaign.announcements.all())
    newest = member.campaign.announcements.first()
    context = {
        "campaign": member.campaign,
        "page": page,
        "rows": [(row, row.pk > member.news_read) for row in page],
        "newest": newest.pk if newest is not None and newest.pk > member.news_read else 0,
    }
    return render(request, "labeling/announcements.html", context)


@requires("labeling.work")
@require_POST
def read(request: HttpRequest, pk: int) -> HttpResponse:
    """I have read them, up to the newest that was shown."""
    member, until = _mine(request, pk), request.POST.get("newest", "")
    if not until.isdecimal() or len(until) > 18:
        raise Http404
    announcements.read(Actor.of(request), member.campaign, int(until))
    return redirect("labeling:work")


def _mine(request: HttpRequest, pk: int) -> Member:
    there = Member.objects.exclude(state=Member.State.LEFT).select_related("campaign")
    return get_object_or_404(there, campaign=pk, user=me(request))
