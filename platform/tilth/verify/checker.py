"""A small child process in which foreign patterns and formulas are worked on, within time and memory.

A regular expression can run for years and holds the interpreter while it does; algebra can fill the memory. Both
happen in a child that the kernel ends when its time is up, and a new one is started for the next question. The
child outlives nobody: it ends with its pipe, and with the timer when it is stuck.
"""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tilth.errors import InvalidInput, TilthError
from tilth.verify import checker_child

_START = "import sys; sys.path.append(sys.argv[1]); from tilth.verify.checker_child import main; main()"
_STARTUP = 60.0
_GRACE = 2.0


class TimeIsUp(Exception):
    """The question took longer than allowed."""


class Checker:
    """One child, one question at a time; safe to share between threads and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, kind: str, seconds: float, **question: Any) -> bool:
        """The answer to a question of ``checker_child``.

        Raises :class:`TimeIsUp`, and :class:`InvalidInput` where the question itself makes no sense.
        """
        with self._lock:
            child = self._running()
            line = json.dumps({"kind": kind, "seconds": seconds, **question}).encode() + b"\n"
            try:
                assert child.stdin
                child.stdin.write(line)
                child.stdin.flush()
            except BrokenPipeError:
                self.stop()
                raise TilthError(
                    "The checking process ended: try again.", "checker", retryable=True
                ) from None
            answer = self._read(child, seconds + _GRACE)
        if "invalid" in answer:
            raise InvalidInput(answer["invalid"], code="bad_verifier")
        return bool(answer["right"])

    def stop(self) -> None:
        """End the child; the next question starts another."""
        child, self._child = self._child, None
        if child and self._owner == os.getpid():
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    _close(pipe)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        self.stop()
        root = str(Path(checker_child.__file__).resolve().parents[2])
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _START, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
        )
        self._owner = os.getpid()
        if self._read(self._child, _STARTUP) != {"ready": True}:
            raise TilthError("The checking process does not start.", "checker", retryable=True)
        return self._child

    def _read(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """The child's next line within ``seconds``; a child that ends or stays silent ran out of time."""
        assert child.stdout
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            ready = left > 0 and select.select([child.stdout], [], [], left)[0]
            part = os.read(child.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                self.stop()
                raise TimeIsUp
            line += part
        found: dict[str, Any] = json.loads(line)
        return found


def _close(pipe: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # what was left unwritten has no reader any more
        pipe.close()


shared = Checker()
"""The checker of this process."""

atexit.register(shared.stop)
