"""Tools that a model may use while it answers: a calculator, Python in the sandbox, search in a data set.

A tool is a function of named texts that answers with a text. What goes wrong is an answer too (``Error: …``), for
the model to read: only a machine that cannot run a tool at all raises.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tilth.errors import InvalidInput
from tilth.verify.calculator import calculate
from tilth.verify.sandbox.limits import MIB, Limits
from tilth.verify.sandbox.run import run_python
from tilth.verify.search import Hit

LONGEST = 2000
"""Characters of an answer; of a longer one the beginning and the end stay."""

PYTHON_LIMITS = Limits(wall=5, cpu=5, memory=256 * MIB, output=64 << 10)
HITS = 3


class Searches(Protocol):
    """Something that finds rows by words, such as :class:`tilth.verify.search.Index`."""

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """At most ``limit`` rows, best first."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, what a model is told of it, its one text parameter and what that means."""

    name: str
    description: str
    parameter: str
    meaning: str
    run: Callable[[str], str]

    @property
    def schema(self) -> dict[str, Any]:
        """The function schema that chat templates show to models."""
        properties = {self.parameter: {"type": "string", "description": self.meaning}}
        parameters = {"type": "object", "properties": properties, "required": [self.parameter]}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


CALCULATOR = Tool(
    "calculator", "Work out an arithmetic expression.", "expression", "Such as 3 * (4 + 5)", calculate
)


def python_tool(allow: frozenset[str] = frozenset(), limits: Limits = PYTHON_LIMITS) -> Tool:
    """Python in the sandbox; each call is a new program, and what it prints is the answer."""

    def run(code: str) -> str:
        outcome = run_python(code, limits=limits, allow=allow)
        said = outcome.stdout if outcome.ok else f"{outcome.stdout}\n{outcome.stderr}"
        return said.strip() if outcome.ok else f"Error: {outcome.status}\n{said.strip()}"

    return Tool("python", "Run a Python program and read what it prints.", "code", "The program", run)


def search_tool(rows: Searches) -> Tool:
    """Search in a data set."""

    def run(query: str) -> str:
        found = rows.search(query, HITS)
        return (
            "\n\n".join(f"[{hit.id}] {hit.text[: LONGEST // HITS]}" for hit in found) or "Nothing was found."
        )

    return Tool("search", "Find passages by words.", "query", "The words to look for", run)


def answer(tools: Sequence[Tool], call: Mapping[str, Any]) -> str:
    """What a tool answers to a model's call (``name`` and ``arguments``); a call that fits no tool is told so."""
    tool = next((tool for tool in tools if tool.name == call.get("name")), None)
    if tool is None:
        return f"Error: there is no tool {call.get('name')!r}; there are {', '.join(t.name for t in tools)}."
    arguments = call.get("arguments")
    if not isinstance(arguments, Mapping) or not isinstance(arguments.get(tool.parameter), str):
        return f"Error: {tool.name} takes one text, {tool.parameter}."
    try:
        return _cut(tool.run(arguments[tool.parameter]))
    except InvalidInput as error:
        return f"Error: {error.message}"


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
