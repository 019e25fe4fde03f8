"""What a step of a recipe is, and the list of all of them.

A step is one module in this package (a filter: one file in ``filters/``) that defines

* ``NAME``      the word a recipe uses for it,
* ``TITLE``     one line for people,
* ``SOURCE``    the paper or code its rules come from,
* ``REASONS``   drop reason -> what it means, in one sentence,
* ``Settings``  a frozen dataclass whose fields are made with :func:`setting`,
* ``build(settings, resources)`` -> a function that takes a :class:`Document`, may change it, and
  returns ``None`` to keep it or a :class:`Drop` that says why not.

Optionally a step also defines

* ``SIGNALS``   signal name -> what it measures, for every ``document.signals`` key that it writes,
* ``NEEDS_TEXT``  ``False`` for a step that may stand before extraction,
* ``VERSION``   an integer, 1 when left out; raise it when the same settings begin to decide otherwise,
* ``not_run(settings, resources)`` -> what the step would have checked but cannot, one sentence each
  (a blocklist whose file is not there); the funnel shows them instead of counting zero drops.

Steps that need to see every shard (fuzzy and exact deduplication) also set ``SCOPE = "corpus"``.
Adding a filter is adding one such file and one ``[[step]]`` to a recipe.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from curation.pipeline.document import Document
from tilth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a document is dropped: the named reason, the value measured, the limit it broke.

    ``spans`` are character ranges of the document's text at fault (at most 50), for the reader.
    """

    reason: str
    value: float | int | str | None = None
    limit: float | int | str | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Resources:
    """Where the files lie that a step may need; ``None`` means not there, and the step says "not run".

    ``blocklists``: a folder with one sub-folder per category holding ``domains`` and ``urls`` files; the
    files ``banned_words``, ``soft_banned_words`` and ``banned_substrings`` beside them add to the URL step's.
    ``language_model``: a fastText lid.176 file.
    """

    blocklists: Path | None = None
    language_model: Path | None = None


Apply = Callable[[Document], Drop | None]


class Step(Protocol):
    """The shape of a step module (see this module's docstring)."""

    NAME: str
    TITLE: str
    SOURCE: str
    REASONS: dict[str, str]
    Settings: type

    def build(self, settings: Any, resources: Resources) -> Apply:
        """Return the function that a worker applies to each document."""
        ...


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[Any] | None = None,
) -> Any:
    """A field of a step's ``Settings``: its default, what it does, and the range it must lie in."""
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "choices": tuple(choices or ())}
    if isinstance(default, list | dict | set):
        raise TypeError("use a tuple: settings are frozen")
    return field(default=default, metadata=metadata)


def signals(steps: Iterable[Any]) -> dict[str, str]:
    """Every signal that the steps write into ``document.signals``, with its meaning, in the steps' order."""
    return {name: meaning for step in steps for name, meaning in getattr(step, "SIGNALS", {}).items()}


def not_run(step: Any, settings: Any, resources: Resources) -> list[str]:
    """What the step cannot check with the files that are there; empty when it runs whole."""
    hook = getattr(step, "not_run", None)
    return list(hook(settings, resources)) if hook else []


def scope(step: Any) -> Literal["document", "corpus"]:
    """Whether the step judges one document alone or needs to see them all."""
    return getattr(step, "SCOPE", "document")


@cache
def registry() -> dict[str, Any]:
    """Every step by name, found by looking through this package's folders."""
    import curation.pipeline as package

    found: dict[str, Any] = {}
    for info in pkgutil.walk_packages(package.__path__, "curation.pipeline."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        if not (hasattr(module, "NAME") and hasattr(module, "Settings") and hasattr(module, "build")):
            continue
        if module.NAME in found:
            raise RuntimeError(f"two steps are called {module.NAME!r}")
        found[module.NAME] = module
    return found


def read_settings(step: Any, values: dict[str, Any]) -> Any:
    """Make the step's ``Settings`` from a recipe's keys, or raise :class:`InvalidInput` naming the key."""
    known = {f.name: f for f in fields(step.Settings)}
    for key in values:
        if key not in known:
            raise InvalidInput(
                f"step {step.NAME!r} has no setting {key!r}; it knows: {', '.join(sorted(known)) or 'none'}",
                code="unknown_setting",
                field=f"{step.NAME}.{key}",
            )
    checked = {key: _check(step, known[key], value) for key, value in values.items()}
    return step.Settings(**checked)


def _check(step: Any, spec: Any, value: Any) -> Any:
    """Coerce and range-check one value against its field."""
    name = f"{step.NAME}.{spec.name}"
    default = spec.default if spec.default is not MISSING else None
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InvalidInput(f"{name} must be true or false, not {value!r}", field=name)
        return value
    if isinstance(default, int | float):
        return _check_number(name, spec, default, value)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(isinstance(v, str | int | float) for v in value):
            raise InvalidInput(f"{name} must be a list, not {value!r}", field=name)
        return tuple(value)
    if isinstance(default, str) and not isinstance(value, str):
        raise InvalidInput(f"{name} must be text, not {value!r}", field=name)
    choices = spec.metadata["choices"]
    if choices and value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}", field=name)
    return value


def _check_number(name: str, spec: Any, default: float, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{name} must be a number, not {value!r}", field=name)
    if isinstance(default, int) and value != int(value):
        raise InvalidInput(f"{name} must be a whole number, not {value!r}", field=name)
    low, high = spec.metadata["minimum"], spec.metadata["maximum"]
    if (low is not None and value < low) or (high is not None and value > high) or value != value:
        raise InvalidInput(f"{name} must {_span(low, high)}, not {value}", field=name)
    return int(value) if isinstance(default, int) else float(value)


def _span(low: float | None, high: float | None) -> str:
    """The range of a number as a demand."""
    if low is not None and high is not None:
        return f"lie between {low} and {high}"
    if low is not None:
        return f"be at least {low}"
    return f"be at most {high}" if high is not None else "be a number"
