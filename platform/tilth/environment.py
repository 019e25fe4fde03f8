"""Reads settings out of the environment; a value that cannot be used fails at once and is named.

Only ``tilth/settings.py`` calls this, so that there is one place to look for what an operator can set.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

DATABASE_SCHEMES = {"sqlite", "postgres", "postgresql"}
REDIS_SCHEMES = {"redis", "rediss", "redis+socket"}


def env_int(name: str, default: int, minimum: int = 0) -> int:
    """A whole number from the environment, at least ``minimum``."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}")
    return number


def env_float(name: str, default: float) -> float:
    """A number from the environment."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None


def env_bool(name: str, default: bool) -> bool:
    """1/0, true/false, yes/no from the environment."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def env_list(name: str, default: str = "") -> list[str]:
    """A comma-separated list from the environment."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def env_choice(name: str, default: str, choices: set[str]) -> str:
    """One word out of a few."""
    value = os.environ.get(name, "") or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(sorted(choices))}, not {value!r}")
    return value


def required(name: str) -> str:
    """A setting that production cannot do without."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see docs/operations.md")
    return value


def site_url(name: str, default: str) -> str:
    """The address that people type: scheme and host, no path."""
    value = (os.environ.get(name, "") or default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
        raise ImproperlyConfigured(f"{name} must look like https://tilth.example.org, not {value!r}")
    return value


def redis_url(name: str, value: str) -> str:
    """A broker URL that Celery and redis-py understand."""
    if urlsplit(value).scheme not in REDIS_SCHEMES:
        raise ImproperlyConfigured(f"{name} must start with redis://, rediss:// or redis+socket://")
    return value


def database(name: str, value: str) -> dict[str, Any]:
    """Django's database settings out of a URL; SQLite or PostgreSQL. The URL is not repeated: it has a password."""
    if urlsplit(value).scheme not in DATABASE_SCHEMES:
        raise ImproperlyConfigured(f"{name} must start with postgres:// or sqlite:///")
    try:
        return dict(dj_database_url.parse(value))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} cannot be read: {type(error).__name__}") from None


@dataclass(frozen=True, slots=True)
class Mail:
    """How mail leaves, in the words of Django's ``EMAIL_*`` settings."""

    backend: str
    host: str = "localhost"
    port: int = 25
    user: str = ""
    password: str = ""
    use_ssl: bool = False
    use_tls: bool = False
    folder: str | None = None


def mail(name: str, value: str) -> Mail:
    """Mail settings out of a URL; empty where nothing is to be mailed.

    ``smtp://user:password@host:587`` speaks STARTTLS (``?tls=0`` does not), ``smtps://…:465`` TLS from the
    start, ``file:///folder`` writes one file a mail, ``console://`` prints.
    """
    backends = "django.core.mail.backends"
    parts = urlsplit(value)
    if not value:
        return Mail(f"{backends}.dummy.EmailBackend")
    if parts.scheme == "console":
        return Mail(f"{backends}.console.EmailBackend")
    if parts.scheme == "file" and parts.path:
        return Mail(f"{backends}.filebased.EmailBackend", folder=unquote(parts.path))
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured(
            f"{name} must start with smtp://host, smtps://host, file:/// or console://"
        )
    implicit = parts.scheme == "smtps"
    plain = parse_qs(parts.query).get("tls", ["1"])[0] == "0"
    return Mail(
        f"{backends}.smtp.EmailBackend",
        host=parts.hostname,
        port=parts.port or (465 if implicit else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_ssl=implicit,
        use_tls=not implicit and not plain,
    )


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in ``path`` (0600), made on first use. Two processes that start at once read the same one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(make())
        try:
            # A link appears with its whole content or fails because another process was first.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return path.read_text().strip()
