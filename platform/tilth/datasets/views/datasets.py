"""The list of datasets and the page of one: what it is, its versions, its description."""

from django.contrib import messages
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.actions import archive_dataset, edit_dataset
from tilth.datasets.forms import SORTS, DatasetFilter, DatasetForm
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.datasets.views.common import find_dataset, page_of, rights

State = DatasetVersion.State


@requires("data.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All datasets, with search and filters."""
    form = DatasetFilter(request.GET)
    narrowed = any(request.GET.get(name) for name in ("q", "kind", "state", "archived"))
    page = page_of(request, matching(form))
    others = request.GET.copy()
    others["state"] = "empty"
    hidden = 0 if request.GET.get("state") else matching(DatasetFilter(others)).count()
    return render(
        request,
        "datasets/index.html",
        {
            "form": form,
            "page": page,
            "narrowed": narrowed,
            "hidden": hidden,
            "hidden_query": others.urlencode(),
            "may": rights(request),
        },
    )


def matching(form: DatasetFilter) -> QuerySet[Dataset]:
    """Datasets that meet the filters, each with its newest published version's numbers.

    Unless asked for, those whose every run failed are left out: there is nothing in them to read.
    """
    newest = DatasetVersion.objects.published().filter(dataset=OuterRef("pk")).order_by("-number")
    found = Dataset.objects.annotate(
        newest=Max("versions__published_at"),
        number=Subquery(newest.values("number")[:1]),
        rows=Subquery(newest.values("rows")[:1]),
        bytes=Subquery(newest.values("bytes")[:1]),
    )
    if not form.is_valid():
        return found.none()
    wanted = form.cleaned_data
    if wanted["archived"] != "all":
        found = found.filter(archived=wanted["archived"] == "yes")
    if wanted["kind"]:
        found = found.filter(kind=wanted["kind"])
    if wanted["state"] in {"", "empty"}:
        made = Exists(DatasetVersion.objects.filter(dataset=OuterRef("pk")).exclude(state=State.FAILED))
        found = found.filter(~made if wanted["state"] else made)
    elif wanted["state"] != "all":
        found = found.filter(pk__in=DatasetVersion.objects.filter(state=wanted["state"]).values("dataset"))
    for word in wanted["q"].split():
        found = found.filter(
            Q(name__icontains=word) | Q(title__icontains=word) | Q(description__icontains=word)
        )
    sort = wanted["sort"] or next(iter(SORTS))
    order = F(sort[1:]).desc(nulls_last=True) if sort.startswith("-") else F(sort).asc()
    return found.order_by(order, "name")


@requires("data.view")
@require_GET
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """One dataset: what people wrote about it and its versions."""
    dataset = find_dataset(name)
    versions = dataset.versions.select_related("job", "created_by").order_by("-number")
    return render(
        request,
        "datasets/detail.html",
        {"dataset": dataset, "page": page_of(request, versions), "may": rights(request)},
    )


@requires("data.publish")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Change title, licence and description."""
    dataset = find_dataset(name)
    form = DatasetForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        edit_dataset(Actor.of(request), dataset, **form.cleaned_data)
        messages.success(request, f"{name} is described anew.")
        return redirect("datasets:detail", name)
    return render(request, "datasets/edit.html", {"dataset": find_dataset(name), "form": form})


@requires("data.archive")
@require_POST
def archive(request: HttpRequest, name: str) -> HttpResponse:
    """Take a dataset out of the lists, or put it back (``archived=0``)."""
    archived = request.POST.get("archived") != "0"
    archive_dataset(Actor.of(request), find_dataset(name), archived)
    messages.success(request, f"{name} is archived." if archived else f"{name} is back in the lists.")
    return redirect("datasets:detail", name)
