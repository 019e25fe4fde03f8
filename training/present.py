"""Settings, results and records as rows for pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tilth.errors import TilthError
from training.launch import HOLDS, ROLES
from training.llm.config import settings_of
from training.llm.presets import preset
from training.models.runs import Run


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as a run has it; ``changed`` says that it is neither the preset's nor the default."""

    name: str
    value: str
    help: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which compared runs differ, with each one's value."""

    name: str
    values: list[str]


def shown(value: Any) -> str:
    """A value as people read it: switches as words, counts with their thousands apart, nothing as a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def setting_rows(run: Run) -> list[SettingRow]:
    """A run's settings in their order; those of a stage that is no more have no help."""
    try:
        known = settings_of(run.stage_info.config_class)
        begun = preset(run.stage, run.preset).settings
    except TilthError:
        return [SettingRow(name, shown(value), "", False) for name, value in run.config.items()]
    rows = []
    for item in known:
        value = run.config.get(item.name, item.default)
        usual = begun.get(item.name, item.default)
        rows.append(SettingRow(item.name, shown(value), item.help, value != usual))
    return rows


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of an evaluation: the version or task that was measured on, value, standard error and interval."""

    version: str
    name: str
    value: str
    stderr: str
    interval: str
    count: str


def result_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """A result's values, nested ones by their path; figures have a table of their own."""
    plain = {name: value for name, value in result.items() if name not in ("figures", "manifest_key")}
    return [(name, shown(value)) for name, value in flat(plain)]


def figure_rows(result: dict[str, Any]) -> list[Figure]:
    """The figures of an evaluation's result."""
    rows = []
    for version, figures in (result.get("figures") or {}).items():
        for name, figure in figures.items():
            low, high, stderr = figure.get("low"), figure.get("high"), figure.get("stderr")
            interval = "" if low is None or high is None else f"{shown(low)} to {shown(high)}"
            told = "" if stderr is None else shown(stderr)
            value, count = shown(figure.get("value")), shown(figure.get("count"))
            rows.append(Figure(version, name, value, told, interval, count))
    return rows


def record_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """A checkpoint's record the same way."""
    return [(name, shown(value)) for name, value in flat(record) if value not in (None, "")]


def flat(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """``(path, value)`` of every leaf, names joined by a space."""
    for name, item in value.items():
        path = f"{before} {name}".strip().replace("_", " ")
        if isinstance(item, dict):
            yield from flat(item, path)
        elif isinstance(item, list):
            yield path, ", ".join(shown(part) for part in item)
        else:
            yield path, item


def differences(runs: Sequence[Run]) -> list[Difference]:
    """In what some runs differ: stage, data, checkpoints, code and every setting."""
    facts = [dict(_facts(run)) for run in runs]
    names = list(dict.fromkeys(name for known in facts for name in known))
    rows = [Difference(name, [known.get(name, "–") for known in facts]) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield "Stage", run.stage_title
    yield "Preset", run.preset
    for role in ROLES:
        read = [_input(item) for item in run.inputs if item["role"] == role]
        yield f"Data ({role})", ", ".join(read) or "–"
    for role in HOLDS:
        part = run.parts.get(role)
        yield role.replace("_", " ").capitalize(), part.reference if part else "–"
    yield "GPUs", str(run.gpus)
    if run.current is not None:
        yield "Code", run.current.code_version
    for name, value in run.config.items():
        yield name, shown(value)


def _input(item: dict[str, Any]) -> str:
    if item["epochs"] is not None:
        return f"{item['reference']} ×{item['epochs']:g} epochs"
    return item["reference"] if item["weight"] == 1 else f"{item['reference']} (weight {item['weight']:g})"
