"""The API at ``/api/v1/``: one router per app, one shape of errors, described by ``openapi.json``."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from curation.api import router as curation
from labeling.api.router import router as labeling
from tilth.accounts.api import router as accounts
from tilth.accounts.permissions import requires
from tilth.datasets.api import router as datasets
from tilth.errors import TilthError
from tilth.jobs.api import router as jobs
from training.api import router as training

api = NinjaAPI(
    title="Tilth",
    version="1",
    description="Errors are {code, message, field, retryable}. Authenticate with an API token of your profile page.",
    docs_url=None,
    docs_decorator=requires("account.own"),
)
api.add_router("", accounts)
api.add_router("", datasets)
api.add_router("", jobs)
api.add_router("", curation)
api.add_router("", labeling)
api.add_router("", training)


def _answer(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    field: str | None = None,
    retryable: bool = False,
) -> HttpResponse:
    body = {"code": code, "message": message, "field": field, "retryable": retryable}
    return api.create_response(request, body, status=status)


@api.exception_handler(TilthError)
def on_tilth_error(request: HttpRequest, error: TilthError) -> HttpResponse:
    """A fault that the caller can act on."""
    return _answer(request, error.status, error.code, error.message, error.field, error.retryable)


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Input of the wrong shape: the first fault, with the name of its field."""
    first: dict[str, Any] = error.errors[0]
    field = ".".join(str(part) for part in first["loc"][1:] if part not in {"payload", "data", "body"})
    message = f"{field}: {first['msg']}" if field else str(first["msg"])
    return _answer(request, 422, "invalid", message, field or None)


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """No such object."""
    return _answer(request, 404, "not_found", "There is no such object.")


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja itself refuses, such as a body that is not JSON."""
    return _answer(request, error.status_code, "bad_request", str(error))
