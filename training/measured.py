"""Evaluations of several runs side by side: each run's last measured checkpoint, and how far it lies from a baseline.

A difference has an interval of its own: item by item where both evaluations kept their items, else out of the two
stored intervals. What was not asked alike is not compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from tilth.jobs.models import JobState
from tilth.stats.ablation import excludes_zero
from tilth.stats.intervals import Mean, difference
from training.items import Items, Part, items_of, paired_by_item, part_of
from training.llm.alerts.evaluations import kind_of
from training.models.checkpoints import Checkpoint
from training.models.runs import Run
from training.present import shown

PAIRED, COMBINED = "paired by item", "from both intervals"
TASK = "task"
"""What stands for the kind of data of a task of lm-evaluation-harness."""
ASKED = {
    "problems": ("format", "samples", "temperature", "top_p", "max_tokens", "tools", "tool_rounds", "limit"),
    "choices": ("format", "limit"),
    "preferences": ("format", "read by", "limit"),
    "documents": ("limit",),
    TASK: ("format", "limit", "files", "examples", "seed"),
}
"""What must be alike for figures of a kind of data to be compared."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One version or task measured at one checkpoint, by the evaluation ``run``; ``about`` is what a task was."""

    run: Run
    checkpoint: Checkpoint
    version: str
    kind: str
    figures: dict[str, Mean]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, str]:
        """How it was asked, as far as it matters for this kind of data."""
        known = {name: shown(value) for name, value in self.run.config.items()}
        if known.get("format") == "auto":
            known["format"] = "chat" if self.checkpoint.template_hash else "plain"
        if self.kind == TASK:
            known |= {"files": self.about["sha256"][:8], "examples": shown(self.about["fewshot"])}
            if not self.about["fewshot"]:
                known["seed"] = ""  # it draws the examples
        known["read by"] = "score" if self.checkpoint.scores else "likelihood"
        return {name: known.get(name, "–") for name in ASKED.get(self.kind, tuple(self.run.config))}

    def unlike(self, other: "Measured") -> str:
        """In what it was asked otherwise, in words; empty where both can be compared."""
        mine, theirs = self.asked, other.asked
        return ", ".join(
            f"{name} {mine[name]}, not {theirs[name]}" for name in mine if mine[name] != theirs[name]
        )


@dataclass(frozen=True, slots=True)
class Delta:
    """A figure minus the baseline's. ``better`` says in which direction it is told, ``None`` where that has none."""

    gap: Mean
    method: str
    better: bool | None

    @property
    def told(self) -> bool:
        """Whether it is told from none."""
        return excludes_zero(self.gap)

    @property
    def words(self) -> str:
        """The difference with its sign."""
        return f"{self.gap.value:+.4g}"

    @property
    def span(self) -> str:
        """Its interval; empty where there is none."""
        return "" if self.gap.low is None else f"{self.gap.low:+.4g} to {self.gap.high:+.4g}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A run's figure, with its difference from the baseline, or why there is none."""

    figure: Mean | None = None
    delta: Delta | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """The figure; a dash where there is none."""
        return "–" if self.figure is None else f"{self.figure.value:.4g}"

    @property
    def span(self) -> str:
        """Its interval; empty where there is none."""
        known = self.figure is not None and self.figure.low is not None
        return f"{self.figure.low:.4g} to {self.figure.high:.4g}" if self.figure and known else ""


@dataclass(frozen=True, slots=True)
class Head:
    """What a run has of a version: the evaluation it is about, and in what that was asked otherwise."""

    measured: Measured | None
    unlike: str


@dataclass(frozen=True, slots=True)
class Table:
    """One version: a head and, by figure, a cell for each run."""

    version: str
    heads: list[Head]
    rows: list[tuple[str, list[Cell]]]


def tables(runs: Sequence[Run], baseline: Run) -> list[Table]:
    """What these runs were measured on, version by version, each beside the baseline."""
    found, kept = _last(runs), _Kept()
    versions = sorted({version for known in found.values() for version in known})
    return [
        _table(version, [found[run.pk].get(version) for run in runs], found[baseline.pk].get(version), kept)
        for version in versions
    ]


class _Kept:
    """The items of evaluations, each read once."""

    def __init__(self) -> None:
        self._read: dict[int, dict[str, Items]] = {}

    def of(self, measured: Measured) -> Items | None:
        """The items of a measured version, where they were kept."""
        if measured.run.pk not in self._read:
            self._read[measured.run.pk] = items_of(measured.run)
        return self._read[measured.run.pk].get(measured.version)


def _last(runs: Iterable[Run]) -> dict[int, dict[str, Measured]]:
    """The newest evaluation of each run's last measured checkpoint, by version; an evaluation stands for itself."""
    numbers = [run.pk for run in runs]
    done = Run.objects.filter(
        Q(base__run__in=numbers) | Q(pk__in=numbers), stage="evaluate", job__state=JobState.SUCCEEDED
    )
    found: dict[int, dict[str, Measured]] = {number: {} for number in numbers}
    for run in done.select_related("job", "base__run", "version__dataset").order_by("base__step", "pk"):
        for measured in _measured(run):
            for number in {run.pk, measured.checkpoint.run_id} & found.keys():
                found[number][measured.version] = measured
    return found


def _measured(run: Run) -> Iterator[Measured]:
    kinds = {item["reference"]: item["kind"] for item in run.inputs}
    result = (run.job.result if run.job else None) or {}
    for version, figures in (result.get("figures") or {}).items():
        if run.base is not None:
            known = {name: _figure(figure) for name, figure in figures.items()}
            about = (result.get("tasks") or {}).get(version, {})
            kind = TASK if about else kinds.get(version, "")
            yield Measured(run, run.base, version, kind, known, about)


def _figure(found: Mapping[str, Any]) -> Mean:
    return Mean(found.get("count") or 0, found.get("value"), found.get("low"), found.get("high"))


def _table(version: str, measured: list[Measured | None], first: Measured | None, kept: _Kept) -> Table:
    heads = [Head(one, one.unlike(first) if one and first else "") for one in measured]
    names = dict.fromkeys(name for one in measured if one for name in one.figures)
    rows = [(name, [_cell(name, head, first, kept) for head in heads]) for name in names]
    return Table(version, heads, rows)


def _cell(name: str, head: Head, first: Measured | None, kept: _Kept) -> Cell:
    one = head.measured
    figure = one.figures.get(name) if one else None
    if one is None or figure is None or figure.value is None:
        return Cell()
    if one is first:
        return Cell(figure)
    base = first.figures.get(name) if first else None
    if first is None or base is None or base.value is None:
        return Cell(figure, why="the baseline has no value")
    if head.unlike:
        return Cell(figure, why="not comparable")
    gap, method = _gap(name, one, first, kept)
    return Cell(figure, Delta(gap, method, _better(name, gap)))


def _gap(name: str, one: Measured, first: Measured, kept: _Kept) -> tuple[Mean, str]:
    part = _part(name, one)
    items, others = (kept.of(one), kept.of(first)) if part else (None, None)
    if part and items and others:
        found = paired_by_item(items, others, part)
        if found is not None:
            return found, PAIRED
    mine, theirs = one.figures[name], first.figures[name]
    combined = difference(mine, theirs)
    if combined is None:
        assert mine.value is not None and theirs.value is not None
        return Mean(mine.count, mine.value - theirs.value, None, None), ""
    value, low, high = combined
    return Mean(min(mine.count, theirs.count), value, low, high), COMBINED


def _part(name: str, one: Measured) -> Part | None:
    if one.kind == TASK:
        return (lambda item: item[0]) if name == one.about.get("score") else None
    return part_of(one.kind, name, int(one.run.config.get("samples", 1)))


def _better(name: str, gap: Mean) -> bool | None:
    kind = kind_of(name)
    return None if kind is None or gap.value is None else kind.better * gap.value > 0
