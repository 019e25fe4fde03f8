"""Fits what comes in to what can be kept, and turns a fault into a page, or into a toast when htmx asked."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import resolve_url

from tilth.errors import TilthError
from tilth.text.storable import storable
from tilth.ui.errors import render_error
from tilth.ui.toasts import messages_to_toasts

Handler = Callable[[HttpRequest], HttpResponseBase]


def storable_forms(get_response: Handler) -> Handler:
    """Take null characters out of addresses' queries and of forms: no database keeps or looks for them.

    They come along with text pasted out of PDF files, and nobody sees them.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.GET = _storable(request.GET)  # type: ignore[assignment]
        request.POST = _storable(request.POST)  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _storable(fields: QueryDict) -> QueryDict:
    if not any("\x00" in value for several in fields.lists() for value in several[1]):
        return fields
    kept = fields.copy()
    for name, values in fields.lists():
        kept.setlist(name, storable(values))
    return kept


class ErrorMiddleware:
    """Stands nearest to the views, so that sessions, messages and the strict CSP surround every error."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not request.headers.get("HX-Request"):
            return response
        if _asks_to_sign_in(response):
            return _sign_in_again(request)
        messages_to_toasts(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Django calls this with whatever a view raised; anything but a TilthError stays a 500."""
        if isinstance(error, TilthError):
            return render_error(request, error)
        return None


def _asks_to_sign_in(response: HttpResponseBase) -> bool:
    location = response.headers.get("Location", "")
    return response.status_code == 302 and location.split("?")[0] == resolve_url(settings.LOGIN_URL)


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    """A session that ended under an open page: send the whole page to sign in, not the fragment."""
    query = QueryDict(mutable=True)
    current = request.htmx.current_url_abs_path  # type: ignore[attr-defined]
    query["next"] = current or "/"
    response = HttpResponse(status=204)
    response.headers["HX-Redirect"] = f"{resolve_url(settings.LOGIN_URL)}?{query.urlencode(safe='/')}"
    return response
