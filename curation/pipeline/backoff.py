"""How long to leave a busy server alone, shared by every worker of a run.

A server that answers 503 SlowDown to one worker is busy for all of them. The wait lies in a small file
that each worker reads under a lock before it asks again, so that N workers slow down as one.
"""

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LONGEST = 300.0
MAX_STATE = 4096


@dataclass
class Backoff:
    """Exponential back-off with jitter per host; kept in ``folder`` if there is one, else in this process.

    ``first`` is the first wait in seconds; it doubles with every complaint up to five minutes and halves
    with every success. ``sleep`` and ``clock`` are replaced in tests.
    """

    folder: Path | None
    host: str
    first: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    _own: dict[str, float] = field(default_factory=dict)

    def wait(self) -> None:
        """Sleep until the host may be asked again."""
        while (left := self._read().get("until", 0.0) - self.clock()) > 0:
            self.sleep(min(left, LONGEST) + random.uniform(0, 0.1) * self.first)

    def complain(self, retry_after: float | None = None) -> float:
        """The host is busy or broken: everybody waits, at least as long as it asked; returns the seconds."""
        with self._change() as state:
            delay = min(max(state.get("delay", 0.0) * 2, self.first), LONGEST)
            pause = max(delay * random.uniform(0.5, 1.0), min(retry_after or 0.0, LONGEST))
            state["delay"] = delay
            state["until"] = max(state.get("until", 0.0), self.clock() + pause)
            return pause

    def praise(self) -> None:
        """The host answered: the next complaint starts from a shorter wait."""
        if self._read().get("delay", 0.0):
            with self._change() as state:
                state["delay"] = state["delay"] / 2 if state.get("delay", 0.0) > self.first else 0.0

    @property
    def _path(self) -> Path:
        assert self.folder is not None
        safe = "".join(c if c.isalnum() or c in ".-" else "_" for c in self.host)
        return self.folder / f"backoff-{safe[:100]}.json"

    def _read(self) -> dict[str, float]:
        if self.folder is None:
            return self._own
        try:
            return _parse(self._path.read_bytes()[:MAX_STATE])
        except FileNotFoundError:
            return {}

    @contextmanager
    def _change(self) -> Iterator[dict[str, float]]:
        """The state under a lock; what the block leaves in it is written back."""
        if self.folder is None:
            yield self._own
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            state = _parse(os.pread(descriptor, MAX_STATE, 0))
            yield state
            text = json.dumps(state).encode()
            os.pwrite(descriptor, text.ljust(200), 0)
        finally:
            os.close(descriptor)


def _parse(text: bytes) -> dict[str, float]:
    """The state as written; a file that a crash left half-written counts as no wait."""
    try:
        found = json.loads(text or b"{}")
        return {key: float(found[key]) for key in ("until", "delay") if key in found}
    except (ValueError, TypeError):
        return {}
