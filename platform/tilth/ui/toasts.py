"""Short notes in the corner of the page: Django's messages on full pages, htmx events on fragments."""

import json

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase

MAX_HEADER = 4000
"""Longest toast in characters; servers cut headers off at 8 kB, and nobody reads more in a corner."""


def toast(response: HttpResponseBase, message: str, level: str = "info") -> HttpResponseBase:
    """Make htmx show ``message`` beside whatever ``response`` swaps in; levels: info, success, warning, error."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    notes = events.get("toast", {}).get("notes", [])
    events["toast"] = {"notes": [*notes, {"message": message[:MAX_HEADER], "level": level}]}
    response.headers["HX-Trigger"] = json.dumps(events)
    return response


def toast_only(message: str, level: str = "info", status: int = 200) -> HttpResponse:
    """An answer to htmx that changes nothing on the page but shows ``message``."""
    response = HttpResponse(status=status)
    response.headers["HX-Reswap"] = "none"
    toast(response, message, level)
    return response


def messages_to_toasts(request: HttpRequest, response: HttpResponseBase) -> None:
    """Show waiting messages at once when a form was sent by htmx, instead of on the next full page."""
    redirects = 300 <= response.status_code < 400 or "HX-Redirect" in response or "HX-Refresh" in response
    if request.method in {"GET", "HEAD"} or redirects:
        return
    for message in get_messages(request):
        toast(response, str(message), message.level_tag or "info")
