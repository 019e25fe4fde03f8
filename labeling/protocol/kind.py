"""What a kind of task is: the functions that the rest of labeling calls, as one value.

A kind is one file in ``labeling/protocol/kinds/`` that ends in ``KIND = TaskKind(…)``, one template
``labeling/kinds/<name>.html`` and, where the page needs more than fields, one module
``labeling/kinds/<name>.js``. Nothing else names a kind. Pure: no Django.

Words used here: a *task payload* is what is shown (JSON, without the candidates); *candidates* are the
answers shown, in their stored order; a *payload* is what the labeler made of it. Payloads speak of
candidates by stored position, never by the side of the screen; pages by letter (``protocol/letters.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Payload = Mapping[str, Any]
Schema = Mapping[str, Any]
Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One candidate as a kind sees it: its stored position, its messages (role, content), who made it."""

    position: int
    messages: list[dict[str, Any]]
    model: str = ""
    checkpoint: str = ""
    sampling: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """What its assistant turns say, one after another."""
        return "\n\n".join(m.get("content") or "" for m in self.messages if m.get("role") == "assistant")


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as a kind sees it. ``order``: candidate positions as they stand on the screen, left to right."""

    payload: Payload
    candidates: Sequence[Answer] = ()
    order: Sequence[int] = ()

    @property
    def shown(self) -> list[Answer]:
        """The candidates in the order of the screen."""
        by_position = {answer.position: answer for answer in self.candidates}
        return [by_position[position] for position in self.order or sorted(by_position)]

    @property
    def places(self) -> list[int]:
        """Stored positions in the order of the screen."""
        return [answer.position for answer in self.shown]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a payload cannot be submitted. ``path`` names the page's field (``messages.1.content``), or is empty."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Text:
    """Something that the labeler wrote: where it stands in the payload, and whether it teaches a model."""

    path: str
    text: str
    trains: bool = True


@dataclass(frozen=True, slots=True)
class Measure:
    """One value per annotation that agreement and plots read; ``level`` is its level of measurement."""

    name: str
    title: str
    level: Level


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A single key that works outside text fields, and what it does."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A finished annotation as publishing sees it; ``provenance`` has the columns of the dataset schemas."""

    id: str
    task: TaskView
    payload: Payload
    schema: Schema
    key: str
    provenance: dict[str, Any]
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskKind:
    """A kind of task.

    * ``version``: of its payload; readers upgrade older ones with ``upgrade(payload, version)``.
    * ``closed``: answers can be compared with a known one (gold tasks, exams, agreement). Kinds that are
      not closed are writing: they ask once before submitting, and reviewers score them by rubric.
    * ``candidates``: fewest and most answers that a task shows.
    * ``publishes``: dataset kinds that it can become, beside ``annotations``.
    * ``default_schema()``; ``check_schema(schema)`` returns it completed or raises ``InvalidInput``
      whose ``field`` names the entry.
    * ``check_task(payload, candidates)`` returns the task payload completed or raises ``InvalidInput``.
    * ``blank(task, schema)``: the payload a labeler starts from.
    * ``check(payload, task, schema)``: everything that keeps it from being submitted, in screen order.
    * ``view(task, schema)``: what the template needs beside task and schema.
    * ``measures(schema)`` and ``measure(payload, task, schema)``: values by measure name; a value that
      is missing is left out. A measure of level nominal may be text.
    * ``score(payload, gold, schema)``: 0 to 1 against a known answer; ``read_gold(value, schema)`` makes
      such an answer of what a table says, or raises ``ValueError`` (closed kinds only).
    * ``facts(payload, task, schema)``: what was answered as pairs of title and words, for reading.
    * ``texts(payload)``: what was written, for safeguards.
    * ``rows(dataset_kind, submission)``: dataset rows without ``id`` and ``provenance``; may be none.
    * ``lengths(payload, task)``: for kinds that compare: (winner, lengths by position), for length bias;
      ``None`` where nobody won.
    * ``rename(payload, names)``: for kinds whose payloads name candidates: the payload with every name (a
      key of ``names``, as text) replaced; what names nothing counts as not answered.
    """

    name: str
    title: str
    description: str
    version: int = 1
    closed: bool
    candidates: tuple[int, int]
    publishes: tuple[str, ...]
    default_schema: Callable[[], dict[str, Any]]
    check_schema: Callable[[Schema], dict[str, Any]]
    check_task: Callable[[Payload, Sequence[Answer]], dict[str, Any]]
    blank: Callable[[TaskView, Schema], dict[str, Any]]
    check: Callable[[Payload, TaskView, Schema], list[Problem]]
    view: Callable[[TaskView, Schema], dict[str, Any]]
    shortcuts: Callable[[Schema], list[Shortcut]]
    measures: Callable[[Schema], list[Measure]]
    measure: Callable[[Payload, TaskView, Schema], dict[str, Any]]
    facts: Callable[[Payload, TaskView, Schema], list[tuple[str, str]]]
    texts: Callable[[Payload], list[Text]]
    rows: Callable[[str, Submission], list[dict[str, Any]]]
    score: Callable[[Payload, Payload, Schema], float] | None = None
    read_gold: Callable[[Any, Schema], dict[str, Any]] | None = None
    lengths: Callable[[Payload, TaskView], tuple[int, list[int]] | None] | None = None
    rename: Callable[[Payload, Mapping[str, str]], dict[str, Any]] | None = None
    upgrade: Callable[[Payload, int], dict[str, Any]] | None = None
    module: bool = field(default=False)

    @property
    def template(self) -> str:
        """The template of its work pane."""
        return f"labeling/kinds/{self.name}.html"

    @property
    def answer_template(self) -> str:
        """The template that shows a finished payload for reading."""
        return f"labeling/kinds/{self.name}_answer.html"

    @property
    def script(self) -> str:
        """Its ES module among the static files, or nothing."""
        return f"labeling/kinds/{self.name}.js" if self.module else ""
