"""Error pages that say what went wrong and what to do next, in the shape that the caller can read.

Pages for people, toasts for htmx, JSON for programs (``/api/``). The 500 page is rendered without the
database, because the database may be what failed.
"""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from tilth.accounts.permissions import public
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied, TilthError
from tilth.ui.toasts import toast_only


@dataclass(frozen=True, slots=True)
class Advice:
    """The heading of an error page and what its reader can do."""

    title: str
    next: str


ADVICE = {
    400: Advice("That cannot be used as it is", "Change what the message names, then try again."),
    403: Advice(
        "You may not do this",
        "If your work needs it, ask an admin for a role that allows it, or sign in as somebody else.",
    ),
    404: Advice(
        "There is nothing here",
        "Check the address, or find the object in its list; it may have been renamed or archived.",
    ),
    405: Advice("This address does not work that way", "Go back and use the buttons on the page."),
    409: Advice("Something changed in the meantime", "Load the page again to see how it stands, then retry."),
    413: Advice("That is too large", "Send less at once, or have an admin raise the limit."),
    429: Advice("Too many tries", "Wait a few minutes, then try again."),
    500: Advice(
        "Something broke on our side",
        "Nothing was saved. Try again; if it happens again, give an admin the time and address of this page.",
    ),
    503: Advice(
        "A part of Tilth is not running", "Try again in a moment; /readyz names the part that failed."
    ),
}


def advice_for(status: int) -> Advice:
    """The advice for a status, by its class where there is none for itself."""
    return ADVICE.get(status) or ADVICE[500 if status >= 500 else 400]


def render_error(request: HttpRequest, error: TilthError) -> HttpResponseBase:
    """The answer that tells this caller about ``error``."""
    if request.path.startswith("/api/"):
        body = {
            "error": error.code,
            "message": error.message,
            "field": error.field,
            "retryable": error.retryable,
        }
        return JsonResponse(body, status=error.status)
    if request.headers.get("HX-Request"):
        return toast_only(error.message, "error", error.status)
    advice = advice_for(error.status)
    context = {
        "status": error.status,
        "heading": advice.title,
        "message": error.message,
        "next": advice.next,
        "path": request.get_full_path()[:500],
    }
    return render(request, "ui/error.html", context, status=error.status)


@public
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """``handler400``: a malformed request, such as a forged host or a broken upload."""
    return render_error(request, InvalidInput("The request could not be read.", code="bad_request"))


@public
def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """``handler403``."""
    return render_error(request, PermissionDenied("Your role does not allow this."))


@public
def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """``handler404``."""
    return render_error(request, NotFound("No page or object has this address."))


@public
def too_many_requests(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
    """For rate limits and the sign-in lock-out."""
    message = "This was tried too often in a short time, so it is held back for a while."
    return render_error(request, TilthError(message, code="too_many", status=429, retryable=True))


@public
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A form whose protection token is missing or old: nearly always an old tab."""
    message = (
        "This form was opened before you last signed in or out, so it was not accepted. Nothing was saved. "
        "Go back, reload the page and send it again; cookies must be allowed for this site."
    )
    return render_error(request, Conflict(message, code="csrf", status=403))


@public
def server_error(request: HttpRequest) -> HttpResponseBase:
    """``handler500``: no user, no database, no context processors."""
    advice = ADVICE[500]
    if request.path.startswith("/api/"):
        body = {"error": "bug", "message": advice.title, "field": None, "retryable": True}
        return JsonResponse(body, status=500)
    if request.headers.get("HX-Request"):
        return toast_only(f"{advice.title}. {advice.next}", "error", 500)
    page = render_to_string("ui/broken.html", {"heading": advice.title, "next": advice.next})
    return HttpResponse(page, status=500)
