"""Recipe pages: the list, one recipe with its versions, and its form."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from curation import actions
from curation.forms import RecipeForm, TomlForm
from curation.models import Recipe
from curation.pipeline.recipe import Recipe as PureRecipe
from curation.pipeline.recipe import RecipeStep, builtin, load_recipe, parse_recipe
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires


@requires("curation.view")
@require_GET
def recipes(request: HttpRequest) -> HttpResponse:
    """Every recipe: those stored here, and those that ship."""
    stored = {row.name: row for row in Recipe.objects.newest()}
    rows = [{"name": row.name, "recipe": parse_recipe(row.toml), "row": row} for row in stored.values()]
    rows += [
        {"name": name, "recipe": load_recipe(name), "row": None} for name in builtin() if name not in stored
    ]
    rows.sort(key=lambda row: str(row["name"]))
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    return render(request, "curation/recipes.html", {"page": page})


def find_recipe(name: str, number: int | None = None) -> tuple[PureRecipe, Recipe | None]:
    """A stored recipe (the newest, or one version), else the one that ships under this name."""
    rows = Recipe.objects.filter(name=name)
    row = rows.filter(number=number).first() if number else rows.order_by("-number").first()
    if row is not None:
        return parse_recipe(row.toml), row
    if name in builtin() and number is None:
        return load_recipe(name), None
    raise Http404(f"no recipe {name}")


def shown_values(step: RecipeStep) -> dict[str, str]:
    """A step's settings as people read them."""
    return {name: shown(value) for name, value in step.values().items()}


def shown(value: Any) -> str:
    """One setting: lists with commas, switches as words, numbers with their thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


@requires("curation.view")
@require_GET
def recipe(request: HttpRequest, name: str, number: int | None = None) -> HttpResponse:
    """One version of a recipe: its steps and settings, its text, its other versions and its runs."""
    pure, row = find_recipe(name, number)
    context = {
        "name": name,
        "recipe": pure,
        "row": row,
        "steps": [(step, shown_values(step), step.changed()) for step in pure.steps],
        "versions": Recipe.objects.filter(name=name).select_related("created_by"),
        "runs": row.runs.select_related("version__dataset", "job")[:20] if row else [],
        "toml": pure.to_toml(),
    }
    return render(request, "curation/recipe.html", context)


@requires("recipes.edit")
@require_http_methods(["GET", "POST"])
def edit_recipe(request: HttpRequest, name: str) -> HttpResponse:
    """A recipe as a form; saving makes the next version (or another recipe, under another name)."""
    pure, _ = find_recipe(name)
    form = RecipeForm(request.POST or None, recipe=pure)
    if request.method == "POST" and form.is_valid():
        return saved(request, form.cleaned_data["recipe"].to_toml())
    status = 422 if form.is_bound else 200
    context = {"name": name, "form": form, "groups": form.groups()}
    return render(request, "curation/recipe_form.html", context, status=status)


@requires("recipes.edit")
@require_http_methods(["GET", "POST"])
def edit_recipe_text(request: HttpRequest, name: str) -> HttpResponse:
    """The same as text."""
    pure, _ = find_recipe(name)
    form = TomlForm(request.POST or None, initial={"toml": pure.to_toml()})
    if request.method == "POST" and form.is_valid():
        return saved(request, form.cleaned_data["toml"])
    status = 422 if form.is_bound else 200
    return render(request, "curation/recipe_text.html", {"name": name, "form": form}, status=status)


def saved(request: HttpRequest, toml: str) -> HttpResponse:
    """Store the recipe and go to its page."""
    row = actions.save_recipe(Actor.of(request), toml)
    messages.success(request, f"Saved as {row}")
    return redirect("curation:recipe_version", name=row.name, number=row.number)


@requires("recipes.edit")
@require_POST
def archive_recipe(request: HttpRequest, name: str) -> HttpResponse:
    """Take a recipe out of the lists, or put it back."""
    archived = request.POST.get("archived") == "1"
    actions.archive_recipe(Actor.of(request), name, archived)
    messages.success(request, f"{name} is {'archived' if archived else 'back in the lists'}")
    return redirect("curation:recipe", name=name)
