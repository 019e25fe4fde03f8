"""Admin → People: the list, one person, and what an admin may do to them."""

from collections.abc import Callable

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from tilth.accounts.actions import people
from tilth.accounts.actors import Actor
from tilth.accounts.forms import PeopleFilter, RoleForm, SkillsForm
from tilth.accounts.models import AuditEntry, Invitation, User
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import page_of


@requires("people.manage")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Everybody, narrowed by words, role and state; open invitations above."""
    form = PeopleFilter(request.GET)
    context = {
        "form": form,
        "page": page_of(request, _narrow(form)),
        "invitations": Invitation.objects.open().select_related("invited_by"),
        "narrowed": any(request.GET.get(name) for name in form.fields),
    }
    return render(request, "accounts/people.html", context)


def _narrow(form: PeopleFilter) -> QuerySet[User]:
    wanted = form.cleaned_data if form.is_valid() else {}
    found = User.objects.matching(wanted.get("q") or "").prefetch_related("skills")
    if wanted.get("role"):
        found = found.filter(role=wanted["role"])
    if wanted.get("state") != "all":
        found = found.filter(is_active=wanted.get("state") != "inactive")
    return found


@requires("people.manage")
@require_GET
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: role, skills, tokens, what they did last."""
    found = get_object_or_404(User, pk=pk)
    context = {
        "person": found,
        "role_form": RoleForm(initial={"role": found.role}),
        "skills_form": SkillsForm(initial={"skills": found.skills.all()}),
        "tokens": found.api_tokens.filter(revoked_at=None),
        "entries": AuditEntry.objects.filter(user=found)[:20],
    }
    return render(request, "accounts/person.html", context)


@requires("people.manage")
@require_POST
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a person another role."""
    found = get_object_or_404(User, pk=pk)
    people.change_role(Actor.of(request), found, request.POST.get("role", ""))
    messages.success(request, f"{found} is now {found.get_role_display()}.")
    return redirect("accounts:person", pk=pk)


@requires("people.manage")
@require_POST
def set_skills(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what a person can do."""
    found = get_object_or_404(User, pk=pk)
    form = SkillsForm(request.POST)
    if form.is_valid():
        people.set_skills(Actor.of(request), found, form.cleaned_data["skills"])
        messages.success(request, "Skills saved.")
    else:
        messages.error(request, "One of these skills does not exist any more; choose again.")
    return redirect("accounts:person", pk=pk)


def _act(request: HttpRequest, pk: int, action: Callable[[Actor, User], User], done: str) -> HttpResponse:
    found = get_object_or_404(User, pk=pk)
    name = str(found)
    action(Actor.of(request), found)
    messages.success(request, f"{name} {done}")
    return redirect("accounts:person", pk=pk)


@requires("people.manage")
@require_POST
def deactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Shut a person out."""
    return _act(
        request, pk, people.deactivate, "is deactivated: no session or token of theirs works any more."
    )


@requires("people.manage")
@require_POST
def reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a person in again."""
    return _act(request, pk, people.reactivate, "can sign in again.")


@requires("people.manage")
@require_POST
def anonymise(request: HttpRequest, pk: int) -> HttpResponse:
    """Clear a person's details for good."""
    return _act(request, pk, people.anonymise, "is anonymised; the pseudonym keeps their work together.")
