"""Middleware of identity: numbers each request for the logs, and holds people to their first password change."""

import logging
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse

from tilth import logs

Handler = Callable[[HttpRequest], HttpResponseBase]
logger = logging.getLogger(__name__)
SLOW_SECONDS = 2.0


def log_context(get_response: Handler) -> Handler:
    """Give each request a number, in its log lines and its ``X-Request-ID``; report slow ones.

    A web request that takes over two seconds should have been a job.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        number = secrets.token_hex(6)
        started = time.monotonic()
        with logs.context(request=number):
            response = get_response(request)
            seconds = time.monotonic() - started
            if seconds > SLOW_SECONDS:
                logger.warning("slow request: %s %s took %.1f s", request.method, request.path, seconds)
        response.headers["X-Request-ID"] = number
        return response

    return middleware


def signed_in(get_response: Handler) -> Handler:
    """Name the person in the logs, and send whoever has a one-time password to choose their own first."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if user.is_authenticated:
            logs.add_context(user=user.pk)
            if user.must_change_password and not _allowed_meanwhile(request.path):
                return _change_first(request)
        return get_response(request)

    return middleware


def _allowed_meanwhile(path: str) -> bool:
    ways_out = {reverse("account_change_password"), reverse("account_logout")}
    return path in ways_out or path.startswith(settings.STATIC_URL)


def _change_first(request: HttpRequest) -> HttpResponseBase:
    if request.path.startswith("/api/"):
        message = "Change your one-time password in the browser first."
        answer = {"code": "change_password", "message": message, "field": None, "retryable": False}
        return JsonResponse(answer, status=403)
    return HttpResponseRedirect(reverse("account_change_password"))
