"""A model measured on tasks of lm-evaluation-harness: the harness's figures and standard errors, with intervals."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import TemplateError
from lm_eval import evaluator

from tilth.errors import InvalidInput
from tilth.stats.intervals import share
from training.llm.asking import ByChat
from training.llm.harness.folder import TaskFile
from training.llm.harness.model import Asked
from training.llm.harness.taskfile import refused
from training.llm.harness.tasks import OfflineTask
from training.llm.measures import Figures, Measured, Subject
from training.llm.program import Workspace

BOOTSTRAPS = 1_000
"""Samples for the standard error of a figure that is no mean."""
NORMAL = 1.959964
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    TemplateError,
)
"""What the harness raises for rows that do not fit their task: whatever its parts do."""


def measured(
    work: Workspace, subject: Subject, folder: Path, asked: Sequence[tuple[TaskFile, OfflineTask]]
) -> Iterator[Measured]:
    """Each task's figures as they come; where the subject is asked by chat, examples are turns."""
    os.environ["DISABLE_MULTIPROC"] = "1"  # the harness would fork this process for its bootstrap
    model = Asked(work, subject.model, folder, subject.config.batch, subject.config.seed)
    for file, task in asked:
        _check_room(task, model)
        model.begin(file.name)
        found = _evaluated(file, task, model, subject)
        samples = found["samples"][file.name]
        about = {
            "sha256": file.digest,
            "fewshot": task.config.num_fewshot,
            "items": found["n-samples"][file.name]["effective"],
        }
        told, rows = figures(found["results"][file.name], samples), _rows(file, samples)
        if model.cut:
            told["cut_at_the_beginning"] = {"value": model.cut / model.requests, "count": model.requests}
        yield Measured(file.name, told, rows, about | {"score": _meant(told, rows)})


def _evaluated(file: TaskFile, task: OfflineTask, model: Asked, subject: Subject) -> dict[str, Any]:
    chat = isinstance(subject.asks, ByChat)
    try:
        found: dict[str, Any] = evaluator.evaluate(
            lm=model,
            task_dict={"tasks": {file.name: task}},
            limit=subject.config.limit,
            bootstrap_iters=BOOTSTRAPS,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
    except FAULTS as error:
        raise refused(f"{file.name} cannot be measured: {type(error).__name__}: {error}") from error
    return found


def _check_room(task: OfflineTask, model: Asked) -> None:
    if task.OUTPUT_TYPE != "generate_until":
        return
    tokens = int(task.config.generation_kwargs.get("max_gen_toks", model.max_gen_toks))
    if not 0 < tokens < model.max_length:
        raise InvalidInput(
            f"{task.config.task} lets {tokens:,} tokens be written, and the model takes {model.max_length:,} with the "
            "question: lower generation_kwargs: max_gen_toks in its file.",
            code="bad_task",
            field="tasks",
        )


def figures(results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Figures:
    """A task's metrics by name (``NAME,FILTER`` where a filter is named) with standard error and 95 % interval.

    Shares of right answers have Wilson's interval, others 1.96 standard errors to each side.
    """
    found: Figures = {}
    for key, value in results.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        values = [row[metric] for row in samples if row["filter"] == filter_name and metric in row]
        stderr = _number(results.get(f"{metric}_stderr,{filter_name}"))
        name = metric if filter_name == "none" else key
        found[name] = _figure(_number(value), stderr, values)
    return found


def _figure(
    value: float | None, stderr: float | None, values: Sequence[Any]
) -> dict[str, float | int | None]:
    low = high = None
    if value is not None and values and all(_is_mark(one) for one in values):
        hits = sum(1 for one in values if one == 1)
        if math.isclose(hits / len(values), value):
            told = share(hits, len(values))
            low, high = told.low, told.high
    if low is None and value is not None and stderr is not None:
        low, high = value - NORMAL * stderr, value + NORMAL * stderr
    return {"value": value, "stderr": stderr, "low": low, "high": high, "count": len(values)}


def _is_mark(value: Any) -> bool:
    """Whether an item was right or wrong and nothing between."""
    return not isinstance(value, tuple | list) and value in (0, 1)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None  # the harness writes N/A
    return number if math.isfinite(number) else None


def _meant(told: Figures, rows: Sequence[Mapping[str, Any]]) -> str:
    """The figure that is the mean of the rows' scores, by its name; empty where none is."""
    scores = [row["score"] for row in rows if row["score"] is not None]
    means = [
        name
        for name, figure in told.items()
        if scores and figure["value"] is not None and math.isclose(figure["value"], fmean(scores))
    ]
    return means[0] if means else ""


def _rows(file: TaskFile, samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Items of the first filter: the answer, the first metric that is a number, and the log-likelihood of the target."""
    if not samples:
        return []
    first = samples[0]["filter"]
    return [
        {
            "evaluation": file.name,
            "item": str(sample["doc_id"]),
            "prediction": _prediction(sample),
            "score": next(
                (n for name in sample["metrics"] if (n := _number(sample[name])) is not None), None
            ),
            "logprob": _logprob(sample),
        }
        for sample in samples
        if sample["filter"] == first
    ]


def _prediction(sample: Mapping[str, Any]) -> str:
    answers = _options(sample)
    if isinstance(answers[0], str):
        return str(answers[0])
    if len(answers) > 1:
        likeliest = max(range(len(answers)), key=lambda place: answers[place][0])
        return str(sample["arguments"][likeliest][-1])
    return ""


def _logprob(sample: Mapping[str, Any]) -> float | None:
    """Of the right option, of the continuation, or of the whole text; ``None`` for what was written."""
    answers, target = _options(sample), sample["target"]
    if isinstance(answers[0], float):
        return float(answers[0])
    if not isinstance(answers[0], tuple):
        return None
    place = target if isinstance(target, int) else 0
    known = len(answers) == 1 or (isinstance(target, int) and 0 <= target < len(answers))
    return float(answers[place if len(answers) > 1 else 0][0]) if known else None


def _options(sample: Mapping[str, Any]) -> list[Any]:
    """What was answered; for mutual information the options are asked a second time without the question."""
    answers: list[Any] = sample["filtered_resps"]
    return answers[: len(answers) // 2] if "acc_mutual_info" in sample["metrics"] else answers
