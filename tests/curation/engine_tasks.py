"""Tasks for the engine tests: importable, because workers are other processes."""

import os
import signal
import time
from pathlib import Path

from curation.pipeline.engines.base import Watch
from tilth.errors import TilthError


def square(item: int, watch: Watch) -> int:
    """The plain case."""
    return item * item


def die_once(item: tuple[str, int], watch: Watch) -> int:
    """Killed the first time that item 3 is tried."""
    folder, number = item
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(item: int, watch: Watch) -> int:
    """Item 1 kills its worker every time."""
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail_first(item: str, watch: Watch) -> str:
    """Unreachable the first time, there the second."""
    mark = Path(item)
    if not mark.exists():
        mark.touch()
        raise TilthError("the source does not answer", code="unreachable", retryable=True)
    return "ok"


def fail_for_good(item: int, watch: Watch) -> int:
    """A fault that no other try can help."""
    if item == 2:
        raise TilthError("this is not WARC", code="not_warc")
    return item


def burn(item: tuple[int, ...], watch: Watch) -> list[int]:
    """Documents at offsets 0…4; those named in the item never end."""
    done = []
    for offset in range(5):
        if offset in watch.skip:
            continue
        with watch.document(offset):
            while offset in item:
                pass
        done.append(offset)
    return done


def full_disk(item: int, watch: Watch) -> None:
    """The disk has no room left."""
    raise OSError(28, "No space left on device", "/data/x")


def news(item: int, watch: Watch) -> int:
    """Say something on the way."""
    watch.tell({"rows": item})
    return item


def slow(item: int, watch: Watch) -> int:
    """Take a while without burning CPU."""
    time.sleep(item)
    return item


def bug(item: int, watch: Watch) -> int:
    """A step with a mistake in it."""
    return 1 // item
