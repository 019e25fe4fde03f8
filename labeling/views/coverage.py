"""The coverage matrix of a campaign, and the quotas that it is measured by."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling import coverage as coverages
from labeling.actions import campaigns
from labeling.forms.tasks import QuotaForm
from labeling.models.campaigns import Campaign
from labeling.people import leads_it
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import TilthError

ASKED = ("topic", "difficulty", "language", "target")


@requires("campaigns.view")
@require_GET
def coverage(request: HttpRequest, pk: int) -> HttpResponse:
    """What is wanted, there and missing in each cell."""
    campaign = get_object_or_404(Campaign, pk=pk)
    context = {
        "campaign": campaign,
        "tab": "coverage",
        "cells": coverages.matrix(campaign),
        "form": QuotaForm(initial={name: request.GET.get(name, "") for name in ASKED}),
        "leads": leads_it(me(request), campaign),
    }
    return render(request, "labeling/coverage.html", context)


@requires("campaigns.manage")
@require_POST
def quota(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for submissions in a cell."""
    campaign = get_object_or_404(Campaign, pk=pk)
    form = QuotaForm(request.POST)
    if form.is_valid():
        try:
            campaigns.set_quota(Actor.of(request), campaign, **form.cleaned_data)
            messages.success(request, "The quota is saved.")
        except TilthError as error:
            messages.error(request, error.message)
    else:
        wrong = [f"{name}: {' '.join(map(str, why))}" for name, why in form.errors.items()]
        messages.error(request, "; ".join(wrong))
    return redirect("labeling:campaign_coverage", pk)
