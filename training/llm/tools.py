"""The tools that a run offers its model, and the data that the tool ``search`` finds passages in. Light: no torch."""

from collections.abc import Iterator
from typing import Any, Protocol

from tilth.errors import InvalidInput
from tilth.verify.search import Index
from tilth.verify.tools import CALCULATOR, Tool, python_tool, search_tool
from training.llm.configs.tooling import check_searched, tool_names
from training.llm.inputs import Inputs
from training.llm.program import Workspace
from training.llm.spec import Source

LARGEST = 64 << 20
"""Bytes of text that are searched at most; the index takes about nine times that in memory."""


class Offers(Protocol):
    """Settings with tools."""

    @property
    def tools(self) -> str:
        """Names with commas."""


def tools_of(config: Offers, index: Index | None = None) -> list[Tool]:
    """The tools that settings name; ``index`` is what ``search`` searches."""
    made = {
        "calculator": lambda: CALCULATOR,
        "python": python_tool,
        "search": lambda: search_tool(index or Index()),
    }
    return [made[name]() for name in tool_names(config.tools)]


def schemas_of(config: Offers) -> list[dict[str, Any]] | None:
    """What a model is told of the tools; ``None`` where there are none."""
    return [tool.schema for tool in tools_of(config)] or None


def offered(work: Workspace, config: Offers) -> list[Tool]:
    """The tools of a run, ready to be called; the index of its data to search is built here."""
    sources = work.spec.with_role("search")
    check_searched(config.tools, bool(sources))
    return tools_of(config, _index(work, sources) if sources else None)


def too_large(inputs: Inputs, source: Source) -> str:
    """Why a version cannot be searched; empty where it can. What is stored is never larger than its text."""
    stored = sum(shard.bytes for shard in inputs.manifest(source).shards)
    return _beyond("it") if stored > LARGEST else ""


def _index(work: Workspace, sources: list[Source]) -> Index:
    for source in sources:
        if fault := too_large(work.inputs, source):
            raise InvalidInput(f"{source.reference}: {fault}", field="search")
    return Index.of(_passages(work, sources))


def _passages(work: Workspace, sources: list[Source]) -> Iterator[tuple[str, str]]:
    """Ids and texts of the data to search, counted as the index takes them in."""
    total = sum(work.inputs.manifest(source).rows for source in sources)
    done = size = 0
    for source in sources:
        for table in work.inputs.batches(source, ["id", "text"]):
            work.stop_if_asked()
            for row in table.to_pylist():
                size += len(row["text"].encode())
                if size > LARGEST:
                    raise InvalidInput(_beyond("the data to search"), field="search")
                yield row["id"], row["text"]
            done += len(table)
            work.report.progress(done, total, "index", f"{done:,} of {total:,} texts to search")


def _beyond(what: str) -> str:
    return (
        f"{what} holds more than {LARGEST >> 20} MiB of text, which is the most that a tool can search: "
        "choose a smaller version."
    )
