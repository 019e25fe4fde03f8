"""The stage ``evaluate``: a model is measured on versions that are never trained on, and on tasks of
lm-evaluation-harness.

Figures with intervals are the result; every item can be kept as a row of an ``eval_items`` version.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tilth.datasets.schemas import row_id
from tilth.errors import InvalidInput
from tilth.verify.tools import Tool
from training.llm.asking import Asks, ByChat, asking
from training.llm.checkpoints import Checkpoint
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.generation import loaded
from training.llm.measures import MEASURES, Item, Measured, Row, Subject, rows_of
from training.llm.parts import in_parts
from training.llm.program import Workspace, main
from training.llm.rewards import require_verifiers
from training.llm.rowsout import publishable
from training.llm.spec import Source
from training.llm.student import SCORES, WRITES
from training.llm.tools import offered

ITEMS_IN_PART = 64


def run(work: Workspace) -> dict[str, Any] | None:
    """Measure on every version of the role ``eval`` and on every task; the result holds figures by their names."""
    config = EvaluateConfig.from_json(work.spec.config)
    sources = work.spec.with_role("eval")
    if not sources and not config.tasks:
        raise InvalidInput(
            "Choose a version to measure the model on, or name a folder of tasks.", field="eval"
        )
    checkpoint, folder = work.load(work.spec.base)
    _check_scorer(checkpoint, sources, config)
    tasks = _tasks(work, config)
    kind = SCORES if checkpoint.scores else WRITES
    asks = asking(folder, config.format)
    tools = _tools(work, config, asks)
    subject = Subject(loaded(folder, kind), asks, config, checkpoint.scores, tools)
    result: dict[str, Any] = {"checkpoint": checkpoint.reference, "figures": {}}
    rows: list[dict[str, Any]] = []
    for found in chain(_on_versions(work, subject, sources), _on_tasks(work, subject, folder, tasks)):
        result["figures"][found.name] = found.figures
        if found.about:
            result.setdefault("tasks", {})[found.name] = found.about
        _tell(work, found)
        rows += found.rows
    if work.spec.dataset:
        for row in rows:
            row["id"] = row_id(checkpoint.reference, row["evaluation"], row["item"])
        result |= publishable(work, "eval_items", [rows])
    return result


def _check_scorer(checkpoint: Checkpoint, sources: Sequence[Source], config: EvaluateConfig) -> None:
    if not checkpoint.scores:
        return
    mute = [source.reference for source in sources if source.kind != "preferences"]
    if mute or config.tasks:
        raise InvalidInput(
            f"{checkpoint.reference} scores: it has nothing to say on {(mute or ['tasks'])[0]}.", field="eval"
        )


def _tools(work: Workspace, config: EvaluateConfig, asks: Asks) -> list[Tool]:
    """The tools at problems; raises :class:`InvalidInput` where nothing could use them."""
    if config.tools.strip() and not isinstance(asks, ByChat):
        raise InvalidInput("Tools need a model that is asked by its chat template.", field="tools")
    if config.tools.strip() and all(source.kind != "problems" for source in work.spec.with_role("eval")):
        raise InvalidInput("Tools are used at problems: choose a version of problems.", field="tools")
    return offered(work, config)


def _on_versions(work: Workspace, subject: Subject, sources: Sequence[Source]) -> Iterator[Measured]:
    for number, source in enumerate(sources):
        items = _items(work, subject, source, number)
        figures = MEASURES[source.kind][1](subject, items)
        yield Measured(source.reference, figures, rows_of(items, source.reference))


def _tasks(work: Workspace, config: EvaluateConfig) -> Sequence[Any]:
    """The tasks to ask, read before the model is loaded. The harness itself loads for seconds: only where it is used."""
    if not config.tasks:
        return ()
    from training.llm.harness.tasks import tasks

    return tasks(work.spec, config)


def _on_tasks(work: Workspace, subject: Subject, folder: Path, tasks: Sequence[Any]) -> Iterator[Measured]:
    if tasks:
        from training.llm.harness.measuring import measured

        yield from measured(work, subject, folder, tasks)


def _items(work: Workspace, subject: Subject, source: Source, number: int) -> list[Item]:
    rows = list(_rows(work, source, subject.config.limit))
    if not rows:
        raise InvalidInput(f"{source.reference} holds no row.", field="eval")
    if source.kind == "problems":
        require_verifiers(rows)
    measure = MEASURES[source.kind][0]
    parts = in_parts(
        work,
        f"evaluate-{number}",
        rows,
        ITEMS_IN_PART,
        lambda part, place: measure(subject, part, place),
    )
    return [item for part in parts for item in part]


def _rows(work: Workspace, source: Source, limit: int | None) -> Iterator[Row]:
    return islice(work.inputs.rows(source), limit)


def _tell(work: Workspace, found: Measured) -> None:
    for name, figure in found.figures.items():
        if figure["value"] is not None:
            work.report.metric(f"{found.name}/{name}", float(figure["value"]), 0)


if __name__ == "__main__":
    main(run)
