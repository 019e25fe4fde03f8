"""One document's way through the document steps, and everything that is counted on it.

The steps run in the recipe's order, one document at a time. What a document measures (bytes, tokens)
is taken again only when a step changed it: page bytes before extraction, text bytes after it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from curation.pipeline.document import Document
from curation.pipeline.funnel import Funnel, FunnelStep
from curation.pipeline.recipe import Recipe, parse_recipe
from curation.pipeline.samples import Samples
from curation.pipeline.step import Apply, Drop, Resources, not_run, signals
from curation.pipeline.warc import BadRecord
from tilth.text.tokens import BYTES_PER_TOKEN

READ = "read"
READ_TITLE = "Reading records"
KILLED = Drop("killed", value="over the CPU-time limit")


@dataclass(frozen=True)
class Program:
    """A recipe made ready in a worker: names and functions of its document steps."""

    names: tuple[str, ...]
    titles: tuple[str, ...]
    functions: tuple[Apply, ...]
    not_run: tuple[list[str], ...]
    signals: tuple[str, ...]


@lru_cache(maxsize=2)
def program(recipe_toml: str, resources: Resources) -> Program:
    """Build the steps once per worker: models and block lists load here."""
    return build(parse_recipe(recipe_toml), resources)


def build(recipe: Recipe, resources: Resources) -> Program:
    """The recipe's document steps, built."""
    steps = recipe.document_steps
    return Program(
        tuple(step.name for step in steps),
        tuple(step.module.TITLE for step in steps),
        tuple(step.module.build(step.settings, resources) for step in steps),
        tuple(not_run(step.module, step.settings, resources) for step in steps),
        tuple(signals(step.module for step in steps)),
    )


@dataclass
class Passage:
    """Takes documents through a program and counts."""

    program: Program
    samples: Samples
    timed: bool = False
    funnel: Funnel = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = zip(self.program.names, self.program.titles, self.program.not_run, strict=True)
        steps = [FunnelStep(name, title, not_run=list(missing)) for name, title, missing in parts]
        self.funnel = Funnel([FunnelStep(READ, READ_TITLE), *steps])

    def bad(self, record: BadRecord) -> None:
        """Count a record that is no document."""
        read = self.funnel.steps[0]
        read.entered.add(record.length, 0)
        read.drop(record.reason, record.length, 0)

    def killed(self, document: Document) -> None:
        """Count a document that was left out because it burned its CPU time."""
        size, _ = measure(document)
        self._enter(size)
        step = next((s for s in self.funnel.steps if s.name == "extract"), self.funnel.steps[-1])
        for passed in self.funnel.steps[1:]:
            passed.entered.add(size, 0)
            if passed is step:
                break
            passed.left.add(size, 0)
        step.drop(KILLED.reason, size, 0)
        self.samples.offer(step.name, KILLED, document)

    def take(self, document: Document) -> tuple[int, int] | None:
        """Run the steps: UTF-8 bytes and tokens of a kept document, ``None`` for a dropped one."""
        size, tokens = measure(document)
        self._enter(size)
        text = document.text
        for step, function in zip(self.funnel.steps[1:], self.program.functions, strict=True):
            step.entered.add(size, tokens)
            drop = self._timed(step.name, function, document) if self.timed else function(document)
            if drop is not None:
                step.drop(drop.reason, size, tokens)
                self.samples.offer(step.name, drop, document)
                return None
            if document.text is not text:
                text = document.text
                size, tokens = measure(document)
            step.left.add(size, tokens)
        return size, tokens

    def _enter(self, size: int) -> None:
        read = self.funnel.steps[0]
        read.entered.add(size, 0)
        read.left.add(size, 0)

    def _timed(
        self, name: str, function: Callable[[Document], Drop | None], document: Document
    ) -> Drop | None:
        before = time.process_time()
        drop = function(document)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - before
        return drop


def measure(document: Document) -> tuple[int, int]:
    """Bytes and tokens of a document as it stands: of its text, or of the page when there is none yet."""
    if document.content:
        return len(document.content), 0
    size = text_size(document.text)
    return size, token_count(size)


def text_size(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def token_count(size: Any) -> int:
    """Tokens estimated from UTF-8 bytes."""
    return round(size / BYTES_PER_TOKEN)
