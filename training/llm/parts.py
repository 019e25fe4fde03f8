"""Long work in parts that are kept as they are done, so that a run goes on where it was."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from training.llm.program import Workspace

T = TypeVar("T")


def in_parts(
    work: Workspace,
    name: str,
    items: Sequence[T],
    size: int,
    make: Callable[[Sequence[T], int], list[dict[str, Any]]],
) -> Iterator[list[dict[str, Any]]]:
    """Rows that ``make(items, number)`` gives for each part of at most ``size`` items; a kept part is not made again.

    What it makes depends on the part alone. Raises :class:`training.llm.program.Stopped` between parts.
    """
    storage, folder = work.report.storage, f"{work.report.prefix}/parts/{name}"
    for number, first in enumerate(range(0, len(items), size)):
        work.stop_if_asked()
        work.report.progress(first, len(items), name)
        key = f"{folder}/{number:06d}.json"
        if not storage.exists(key):
            storage.write_json(key, make(items[first : first + size], number))
        yield storage.read_json(key)
    work.report.progress(len(items), len(items), name)
