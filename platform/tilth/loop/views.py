"""The first page: what needs this person's attention, and what to do next."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tilth.accounts.permissions import can, requires
from tilth.ui import home as registry


@requires("home.view")
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Panels that have something to say to this person, or a friendly word where none has."""
    context = {
        "panels": registry.panels(request.user),
        "may_curate": can(request.user, "curation.run"),
        "works_with_data": can(request.user, "data.view"),
    }
    return render(request, "loop/home.html", context)
