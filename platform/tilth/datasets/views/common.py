"""What the dataset views share: finding the object, and the frame of a version's tabs."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest
from django.urls import reverse

from tilth.accounts.permissions import can
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.errors import NotFound

PER_PAGE = 25
TABS = (
    ("version", "Overview"),
    ("rows", "Rows"),
    ("statistics", "Statistics"),
    ("card", "Card"),
    ("lineage", "Lineage"),
    ("exports", "Exports"),
)


def find_dataset(name: str) -> Dataset:
    """The dataset of this name, or :class:`NotFound`."""
    dataset = Dataset.objects.select_related("created_by").filter(name=name).first()
    if dataset is None:
        raise NotFound(f"There is no dataset {name!r}.")
    return dataset


def find_version(name: str, number: int) -> DatasetVersion:
    """The version ``name@number``, or :class:`NotFound`."""
    version = DatasetVersion.objects.by_reference(name, number).select_related("job", "created_by").first()
    if version is None:
        raise NotFound(f"There is no dataset version {name}@{number}.")
    return version


def rights(request: HttpRequest) -> dict[str, bool]:
    """What the reader may do with datasets, for buttons: ``publish``, ``archive``, ``export``, ``import``."""
    return {right: can(request.user, f"data.{right}") for right in ("publish", "archive", "export", "import")}


def version_context(request: HttpRequest, version: DatasetVersion, tab: str, **values: Any) -> dict[str, Any]:
    """The context of one tab of a version's page."""
    arguments = [version.dataset.name, version.number]
    shown = [entry for entry in TABS if version.manifest_key or entry[0] in {"version", "lineage"}]
    tabs = [(reverse(f"datasets:{name}", args=arguments), label, name == tab) for name, label in shown]
    return {"version": version, "dataset": version.dataset, "tabs": tabs, "may": rights(request), **values}


def page_of(request: HttpRequest, things: Any) -> Page:
    """One page of a list; a number out of range shows the nearest page."""
    return Paginator(things, PER_PAGE).get_page(request.GET.get("page"))
