"""Views that the workspace's scripts call: JSON in, JSON out, and every fault as JSON with its code."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from labeling.actions.drafts import DraftMoved
from labeling.actions.safeguards import Noticed
from labeling.actions.submissions import NotReady
from labeling.display import on_page
from tilth.errors import InvalidInput, TilthError
from tilth.text.storable import storable

MOST_BYTES = 8_000_000

View = Callable[..., dict[str, Any]]


def json_view(view: View) -> Callable[..., HttpResponseBase]:
    """Hand the view the body as a dictionary after the request; answer with the dictionary it returns."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method != "POST":
                raise TilthError("Send it by POST.", code="method", status=405)
            return JsonResponse(view(request, _body(request), *args, **kwargs))
        except TilthError as error:
            return JsonResponse(fault(error), status=error.status)

    return answered


def _body(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MOST_BYTES:
        raise InvalidInput("That is more than a draft can hold.", code="too_long", status=413)
    try:
        body = storable(json.loads(request.body or b"{}"))
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON.", code="bad_json") from None
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="bad_json")
    return body


def fault(error: TilthError) -> dict[str, Any]:
    """What the scripts need to know about a fault."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "field": error.field}
    if isinstance(error, DraftMoved):
        moved = error.assignment
        body |= {"payload": on_page(moved, moved.draft or {})}
        body |= {"revision": moved.draft_revision, "token": moved.hold_token}
    elif isinstance(error, NotReady):
        body["problems"] = [{"path": p.path, "message": p.message} for p in error.problems]
    elif isinstance(error, Noticed):
        # Where a finding stands is named by stored positions, which no page shall tell.
        body["findings"] = [
            {name: f[name] for name in ("kind", "message", "passage")} for f in error.findings
        ]
    return body


def number(body: dict[str, Any], name: str) -> float:
    """A number of the body, 0 where it is left out."""
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise InvalidInput(f"{name} must be a number.", field=name)
    return float(value)


def text(body: dict[str, Any], name: str) -> str:
    """A text of the body, empty where it is left out."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text.", field=name)
    return value
