"""The kinds of jobs: each app's ``jobs.py`` registers its own here when Django starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilth.errors import NotFound

if TYPE_CHECKING:
    from tilth.jobs.models import Job, JobMetric


@dataclass(frozen=True)
class JobKind:
    """How one kind of job is run and what becomes of its result.

    ``command(job)`` is the argument list of the child program; the supervisor appends the job's folder.
    ``on_success(job, result)`` publishes the result and must be idempotent: it may run again after a
    crash. ``on_end(job)`` is called when the job ends in any other way, and may run twice too.
    ``on_artifact(job, artifact)`` hears of each file that the program has stored while it still runs
    (``name``, ``key``, ``bytes``); it is idempotent, and may miss one when a worker dies.
    ``on_metrics(job, attempt, points)`` sees each batch of points that is stored, in the same transaction: what it
    writes stands if and only if the points do. It must be quick, as reports wait for it.
    ``environment(job)`` gives secrets and settings; its values are struck out of the log.
    ``url(job)`` points to the thing the job made or is making. ``short`` jobs have slots of their own,
    so that long ones never hold them up.
    """

    name: str
    title: str
    command: Callable[[Job], list[str]]
    permission: str
    on_success: Callable[[Job, dict[str, Any]], None] | None = None
    on_end: Callable[[Job], None] | None = None
    on_artifact: Callable[[Job, dict[str, Any]], None] | None = None
    on_metrics: Callable[[Job, int, list[JobMetric]], None] | None = None
    environment: Callable[[Job], dict[str, str]] | None = None
    url: Callable[[Job], str | None] | None = None
    max_attempts: int = 3
    gpus: int = 0
    queue: str = "default"
    short: bool = False
    params_version: int = 1


_kinds: dict[str, JobKind] = {}
_rounds: dict[str, Callable[[], None]] = {}


def register(kind: JobKind) -> JobKind:
    """Make a kind known; registering two different kinds under one name is a bug."""
    if kind.name in _kinds and _kinds[kind.name] != kind:
        raise ValueError(f"two job kinds are called {kind.name!r}")
    _kinds[kind.name] = kind
    return kind


def register_round(name: str, act: Callable[[], None]) -> None:
    """Have something light done every few seconds by the one who keeps the clock; it may run twice at once."""
    _rounds[name] = act


def rounds() -> dict[str, Callable[[], None]]:
    """What is done every few seconds, by name."""
    return dict(_rounds)


def get(name: str) -> JobKind:
    """The kind of this name."""
    try:
        return _kinds[name]
    except KeyError:
        known = ", ".join(sorted(_kinds)) or "none"
        raise NotFound(f"There is no job kind {name!r}; known kinds: {known}.") from None


def all_kinds() -> list[JobKind]:
    """Every registered kind, by title."""
    return sorted(_kinds.values(), key=lambda kind: kind.title)
