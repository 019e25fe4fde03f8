"""Two habits of the account views: putting an action's complaint on its form, and paging a list."""

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from tilth.errors import TilthError

PAGE_SIZE = 50


def put_error(form: forms.Form, error: TilthError) -> None:
    """Show what an action complained about beside the field at fault, or above the form."""
    form.add_error(error.field if error.field in form.fields else None, error.message)


def page_of(request: HttpRequest, rows: QuerySet) -> Page:
    """The page of ``rows`` that ``?page=`` asks for; a number out of range gives the nearest."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
