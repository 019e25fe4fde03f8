"""How log lines look: one JSON object a line in production, a readable line on a terminal.

Every line carries the request it belongs to and the person behind it. Whatever looks like a secret
(a bearer token, a password in a URL, an invitation or reset link) is blanked before it is written.
Pure: no Django, so that workers and job programs write the same lines.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

BLANK = "[redacted]"
SECRET_KEYS = re.compile(
    r"pass(word|wd)?$|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE
)
_SECRET_TEXT = [
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 " + BLANK),
    (re.compile(r"\btilth_[\w-]{8,}"), BLANK),
    (re.compile(r"(\w+://[^\s:/@]*):[^\s@/]+@"), r"\1:" + BLANK + "@"),
    (re.compile(r"(/invitation/|/password/reset/key/[^/\s-]+-)[^/\s\"']+"), r"\1" + BLANK),
    (
        re.compile(
            r"""(?i)\b([\w-]*(?:password|passwd|secret|token|api_?key)[\w-]*["']?\s*[=:]\s*)["']?[^\s"',;&}]+"""
        ),
        r"\1" + BLANK,
    ),
]
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_context: ContextVar[dict[str, Any] | None] = ContextVar("tilth_log_context", default=None)


def redact(text: str) -> str:
    """The text with everything that looks like a secret blanked."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Add ``fields`` (such as ``request``, ``user``, ``job``) to every line logged inside the block."""
    reset = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(reset)


def add_context(**fields: Any) -> None:
    """Add fields to the lines of the surrounding :func:`context` from now on; outside one, do nothing."""
    current = _context.get()
    if current is not None:
        current.update(fields)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    given.pop("request", None)  # Django attaches the whole HttpRequest; the context carries its number.
    merged = {**given, **(_context.get() or {})}
    return {key: BLANK if SECRET_KEYS.search(key) else value for key, value in merged.items()}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at`` (UTC), ``level``, ``logger``, ``message``, context and extras."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        clean = {key: redact(value) if isinstance(value, str) else value for key, value in line.items()}
        return json.dumps(clean, ensure_ascii=False, default=lambda value: redact(str(value)))


class TextFormatter(logging.Formatter):
    """``12:03:04 warning tilth.jobs: message (request=…, user=…)``, with the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        extras = ", ".join(f"{key}={value}" for key, value in _extras(record).items())
        tail = f" ({extras})" if extras else ""
        text = f"{at} {record.levelname.lower()} {record.name}: {record.getMessage()}{tail}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redact(text)


def logging_config(json_lines: bool, level: str) -> dict[str, Any]:
    """The ``logging.config.dictConfig`` of every Tilth process: one stream, standard error."""
    formatter = "tilth.logs.JsonFormatter" if json_lines else "tilth.logs.TextFormatter"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"tilth": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "tilth"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # Every denied page and wrong password would be a warning of its own; the audit log has them.
            "django.request": {"level": "ERROR"},
            "axes": {"level": "ERROR"},
        },
    }
