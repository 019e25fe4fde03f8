"""What an engine is: one ``map`` of a task over items, with a barrier at its end.

A run is nothing but such maps, so adding an engine is adding one file like its neighbours. A task is
an importable function of (item, watch); it must give the same files for the same item whenever and
wherever it runs, because an engine may run it again.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tilth.errors import TilthError

READING = -1
"""Offset of a task that is between documents."""

Listener = Callable[[int, Any], None]
"""Called with an item's position and its result, or what it has to tell on the way."""


class Stopped(TilthError):
    """The run was asked to stop; finished shards stay, starting it again continues."""

    code = "stopped"
    retryable = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item could not be done: for people, and whether another try could help."""

    reason: str
    code: str = "error"
    retryable: bool = False
    attempts: int = 1


@dataclass(slots=True)
class Outcome:
    """What a map gave: results (unless a listener took them) and failures, by position."""

    results: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, Failure] = field(default_factory=dict)


def give(outcome: Outcome, position: int, value: Any, on_done: Listener | None) -> None:
    """Hand a result to the listener, or keep it."""
    if on_done:
        on_done(position, value)
    else:
        outcome.results[position] = value


@dataclass(frozen=True)
class Control:
    """How a run is steered while it goes: asked again and again, so answers may change."""

    workers: Callable[[], int]
    stopping: Callable[[], bool] = lambda: False


class Engine(Protocol):
    """Runs tasks."""

    def map(
        self,
        function: Callable[[Any, "Watch"], Any],
        items: Sequence[Any],
        *,
        on_done: Listener | None = None,
        on_news: Listener | None = None,
    ) -> Outcome:
        """Run ``function(item, watch)`` for every item; raises :class:`Stopped` when asked to stop.

        ``on_done`` gets the results as they come; without it they are collected in the outcome.
        Listeners are called in the caller's thread.
        """
        ...

    def close(self) -> None:
        """End what the engine started."""
        ...


class Watch:
    """A task's line to its supervisor: where it is, what it has to tell, which documents to leave out.

    ``document`` arms a timer of the process's CPU time (not of the clock, so that a busy machine
    changes nothing). When it runs out the kernel ends the process, whatever code it is in; the
    supervisor reads the offset, and the item is done again with that offset in ``skip``.
    """

    def __init__(
        self,
        place: Any,
        tell: Callable[[Any], None],
        skip: frozenset[int] = frozenset(),
        cpu_limit: float = 0.0,
    ) -> None:
        self.skip = skip
        self._place = place
        self._tell = tell
        self._cpu_limit = cpu_limit
        self._told = 0.0

    @classmethod
    def alone(cls) -> "Watch":
        """A watch for a task that nobody supervises."""
        return cls([READING], lambda value: None)

    @contextmanager
    def document(self, offset: int) -> Iterator[None]:
        """Work on the document at this offset, within the CPU-time limit."""
        self._place[0] = offset
        if self._cpu_limit:
            signal.setitimer(signal.ITIMER_PROF, self._cpu_limit)
        try:
            yield
        finally:
            if self._cpu_limit:
                signal.setitimer(signal.ITIMER_PROF, 0)
            self._place[0] = READING

    def news_due(self, every: float = 1.0) -> bool:
        """Whether the supervisor was told nothing for ``every`` seconds."""
        return time.monotonic() - self._told >= every

    def tell(self, value: Any) -> None:
        """Send something small to the supervisor."""
        self._told = time.monotonic()
        self._tell(value)
