"""Whether Tilth is alive (``/healthz``) and whether it can do its work (``/readyz``).

Both are open to anybody, so they say which part failed and what to do, never an address or a password.
"""

import logging
import secrets
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tilth.accounts.permissions import public
from tilth.errors import TilthError
from tilth.jobs.models import Worker
from tilth.storage import Storage

log = logging.getLogger(__name__)
PROBE_KEY = "health/probe"


class NotReady(TilthError):
    """A part that Tilth needs does not answer; the message says what to do."""

    code = "not_ready"
    status = 503
    retryable = True


@public
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers. Touches nothing else, so that a slow database restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@public
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready: every part answers, else 503 with the part that does not and what to do about it."""
    parts = {name: _try(name, check) for name, check in CHECKS.items()}
    ready = all(part["ok"] for part in parts.values())
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)


def _try(name: str, check: Callable[[], None]) -> dict[str, object]:
    try:
        check()
    except NotReady as error:
        log.warning("not ready: %s: %s (%s)", name, error, error.__cause__)
        return {"ok": False, "message": error.message}
    return {"ok": True}


def database() -> None:
    """The database answers and has its tables."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_user LIMIT 1")
    except DatabaseError as error:
        raise NotReady(
            "The database does not answer or has no tables. Start it, check DATABASE_URL, run "
            "`python manage.py migrate`."
        ) from error


def broker() -> None:
    """The message broker answers a ping within two seconds."""
    url = settings.REDIS_URL.replace("redis+socket://", "unix://")
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise NotReady("The broker does not answer. Start Valkey or Redis and check REDIS_URL.") from error


def storage() -> None:
    """A small file can be written to the storage root and read back."""
    store, written = Storage(settings.STORAGE), secrets.token_bytes(8)
    key = f"{PROBE_KEY}-{secrets.token_hex(4)}"
    try:
        store.write_bytes(key, written)
        read = store.read_bytes(key)
        store.delete(key)
    except Exception as error:
        # Any of a dozen file systems raises its own classes here; whichever it is, storage is not usable.
        raise NotReady(
            "The storage cannot be written and read. Check TILTH_STORAGE, its credentials and free space."
        ) from error
    if read != written:
        raise NotReady(
            "The storage gave back other bytes than it was given. Check what TILTH_STORAGE points at."
        )


def worker() -> None:
    """At least one worker's heart beat lately."""
    try:
        found = Worker.objects.live().exists()
    except DatabaseError as error:
        raise NotReady("The workers cannot be asked about while the database does not answer.") from error
    if not found:
        raise NotReady(
            "No worker has reported lately, so no job will run. Start one: `make up`, or the worker command."
        )


CHECKS: dict[str, Callable[[], None]] = {
    "database": database,
    "broker": broker,
    "storage": storage,
    "worker": worker,
}
