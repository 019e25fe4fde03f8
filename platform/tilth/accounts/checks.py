"""System checks of the settings: what would be unsafe or cannot work is named before anything starts.

``manage.py check`` and every command that starts a part of Tilth run them; an error stops the start.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
Check = Callable[[], Iterable[CheckMessage]]


def secret_key() -> Iterable[CheckMessage]:
    """Signs sessions and reset links; whoever guesses it is everybody."""
    key = str(settings.SECRET_KEY)
    if len(key) < 50 or len(set(key)) < 10 or key.startswith("django-insecure"):
        yield Error(
            "SECRET_KEY is too short or too simple.",
            hint='Make one: python3 -c "import secrets; print(secrets.token_urlsafe(50))"',
            id="tilth.E001",
        )


def encryption_keys() -> Iterable[CheckMessage]:
    """Encrypt stored secrets; apart from SECRET_KEY, so that each can be replaced alone."""
    for number, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            yield Error(
                f"TILTH_ENCRYPTION_KEYS: key {number} is no Fernet key (32 bytes in URL-safe base64).",
                hint='Make one: python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
                id="tilth.E002",
            )
    if settings.SECRET_KEY in settings.ENCRYPTION_KEYS:
        yield Error("TILTH_ENCRYPTION_KEYS must not repeat SECRET_KEY.", id="tilth.E003")


def storage() -> Iterable[CheckMessage]:
    """The shape of the storage root; whether it answers is what ``/readyz`` asks."""
    url = settings.STORAGE
    parts = urlsplit(url)
    if not parts.scheme or "://" not in url:
        if not Path(url).is_absolute():
            yield Error(f"TILTH_STORAGE must be an absolute path or a URL, not {url!r}.", id="tilth.E004")
    elif parts.scheme not in fsspec.available_protocols():
        yield Error(f"TILTH_STORAGE: nothing here speaks {parts.scheme}://.", id="tilth.E004")
    elif parts.scheme != "file" and not parts.netloc:
        yield Error(f"TILTH_STORAGE names no bucket: {url!r}.", id="tilth.E004")


def https() -> Iterable[CheckMessage]:
    """Passwords and sessions in the clear are for this machine alone."""
    if settings.HTTPS or urlsplit(settings.SITE_URL).hostname in LOOPBACK:
        return
    hint = "Put a proxy with TLS in front, set TILTH_SITE_URL to https://… and TILTH_TRUSTED_PROXIES to 1."
    if settings.ALLOW_HTTP:
        yield Warning(
            "TILTH_SITE_URL is plain http: passwords travel in the clear.", hint=hint, id="tilth.W001"
        )
    else:
        yield Error(
            "TILTH_SITE_URL is plain http on a network: passwords would travel in the clear.",
            hint=f"{hint} On a network you trust, TILTH_ALLOW_HTTP=1 accepts it.",
            id="tilth.E005",
        )


def proxy() -> Iterable[CheckMessage]:
    """Behind a proxy that nobody believes, every request looks like http and is redirected for ever."""
    if settings.HTTPS and settings.SECURE_SSL_REDIRECT and not settings.TRUSTED_PROXIES:
        yield Warning(
            "TILTH_SITE_URL is https but no proxy is trusted to say that a request came by https.",
            hint="Behind a TLS proxy set TILTH_TRUSTED_PROXIES=1, else pages redirect to themselves.",
            id="tilth.W003",
        )


def hosts() -> Iterable[CheckMessage]:
    """Which Host headers are believed."""
    if "*" in settings.ALLOWED_HOSTS and not settings.EMBEDDED:
        yield Error("TILTH_HOSTS must name the hosts; '*' believes any Host header.", id="tilth.E006")
    host = urlsplit(settings.SITE_URL).hostname or ""
    allowed = {name.strip("[]").lstrip(".") for name in settings.ALLOWED_HOSTS}
    if "*" not in allowed and not any(host == name or host.endswith(f".{name}") for name in allowed):
        yield Error(
            f"TILTH_HOSTS does not allow {host}, the host of TILTH_SITE_URL.", hint="Add it.", id="tilth.E007"
        )


def debug() -> Iterable[CheckMessage]:
    """Tracebacks with settings and data are not for visitors."""
    if settings.DEBUG and not settings.EMBEDDED:
        yield Error("TILTH_DEBUG must not be on in production.", id="tilth.E008")


def database() -> Iterable[CheckMessage]:
    """Several hosts cannot share a SQLite file."""
    if not settings.EMBEDDED and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        yield Error("Production needs PostgreSQL: set DATABASE_URL to postgres://…", id="tilth.E009")


def mail() -> Iterable[CheckMessage]:
    """Without mail, links are handed over by hand."""
    if not settings.EMAIL_URL and not settings.EMBEDDED:
        yield Warning(
            "TILTH_EMAIL_URL is not set: invitations and reset links are not mailed.",
            hint="Set it to smtp://user:password@host:587, or hand links over yourself.",
            id="tilth.W002",
        )


ALL: tuple[Check, ...] = (secret_key, encryption_keys, storage, https, proxy, hosts, debug, database, mail)


def run_all(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every message of every check."""
    return [message for check in ALL for message in check()]


def register_all() -> None:
    """Hand the checks to Django."""
    register(run_all, "tilth")
