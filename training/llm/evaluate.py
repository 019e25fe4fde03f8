"""The stage ``evaluate``: a model is measured on versions that are never trained on.

Figures with intervals are the result; every item can be kept as a row of an ``eval_items`` version.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tilth.datasets.schemas import row_id
from tilth.errors import InvalidInput
from training.llm.asking import asking
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.generation import loaded
from training.llm.measures import MEASURES, Figures, Item, Row, Subject, rows_of
from training.llm.parts import in_parts
from training.llm.program import Workspace, main
from training.llm.rewards import require_verifiers
from training.llm.rowsout import publishable
from training.llm.spec import Source
from training.llm.student import SCORES, WRITES

ITEMS_IN_PART = 64


def run(work: Workspace) -> dict[str, Any] | None:
    """Measure on every version of the role ``eval``; the result holds figures by version."""
    config = EvaluateConfig.from_json(work.spec.config)
    sources = work.spec.with_role("eval")
    if not sources:
        raise InvalidInput("Choose a version to measure the model on.", field="eval")
    checkpoint, folder = work.load(work.spec.base)
    scorer = checkpoint.scores
    odd = next((source for source in sources if scorer and source.kind != "preferences"), None)
    if odd:
        raise InvalidInput(
            f"{checkpoint.reference} scores: it has nothing to say on {odd.reference}.", field="eval"
        )
    asks = asking(folder, config.format)
    subject = Subject(loaded(folder, SCORES if scorer else WRITES), asks, config, scorer)
    figures: dict[str, Figures] = {}
    rows = []
    for number, source in enumerate(sources):
        items = _items(work, subject, source, number)
        figures[source.reference] = MEASURES[source.kind][1](subject, items)
        _tell(work, source, figures[source.reference])
        rows += rows_of(items, source.reference)
    result: dict[str, Any] = {"checkpoint": checkpoint.reference, "figures": figures}
    if work.spec.dataset:
        for row in rows:
            row["id"] = row_id(checkpoint.reference, row["evaluation"], row["item"])
        result |= publishable(work, "eval_items", [rows])
    return result


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


def _tell(work: Workspace, source: Source, figures: Figures) -> None:
    for name, figure in figures.items():
        if figure["value"] is not None:
            work.report.metric(f"{source.reference}/{name}", float(figure["value"]), 0)


if __name__ == "__main__":
    main(run)
