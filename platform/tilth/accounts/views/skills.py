"""Admin → Skills: what people can do and campaigns may ask for."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from tilth.accounts.actions import people
from tilth.accounts.actors import Actor
from tilth.accounts.forms import SkillForm
from tilth.accounts.models import Skill
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError


@requires("people.manage")
@require_http_methods(["GET", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """All skills, and the form that adds one."""
    form = SkillForm(request.POST or None)
    if request.method == "POST" and _saved(request, form, None):
        return redirect("accounts:skills")
    skills = Skill.objects.annotate(holders=Count("people"))
    return render(request, "accounts/skills.html", {"form": form, "skills": skills})


@requires("people.manage")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or describe a skill."""
    skill = get_object_or_404(Skill, pk=pk)
    initial = {"name": skill.name, "description": skill.description}
    form = SkillForm(request.POST or None, initial=initial)
    if request.method == "POST" and _saved(request, form, skill):
        return redirect("accounts:skills")
    return render(request, "accounts/skill.html", {"form": form, "skill": skill})


def _saved(request: HttpRequest, form: SkillForm, skill: Skill | None) -> bool:
    if not form.is_valid():
        return False
    try:
        saved = people.save_skill(Actor.of(request), skill, **form.cleaned_data)
    except TilthError as error:
        put_error(form, error)
        return False
    messages.success(request, f"{saved} is saved.")
    return True


@requires("people.manage")
@require_POST
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a skill out of the choices, or put it back."""
    skill = get_object_or_404(Skill, pk=pk)
    people.archive_skill(Actor.of(request), skill, archived=request.POST.get("archived") != "0")
    return redirect("accounts:skills")
