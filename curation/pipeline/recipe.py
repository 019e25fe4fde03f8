"""Recipes: which steps run, in which order, with which thresholds. They are data, kept as TOML.

::

    name = "fineweb"
    version = 1
    title = "FineWeb (English)"
    description = "What it is for."

    [[step]]
    use = "language"
    languages = ["en"]
    minimum = 0.65

Every key beside ``use`` is a setting of the step; the ones left out take the step's defaults. Steps
that judge one document come first, steps that need to see the whole corpus (``SCOPE = "corpus"``) last.
The hashes say which finished work a changed recipe can still use.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from curation.pipeline.step import read_settings, registry, scope
from tilth.errors import InvalidInput, NotFound
from tilth.text.reference import check_name

FOLDER = Path(__file__).resolve().parents[1] / "recipes"
_KEYS = {"name": str, "version": int, "title": str, "description": str, "step": list}


@dataclass(frozen=True)
class RecipeStep:
    """One step of a recipe: the module and its checked settings."""

    module: Any
    settings: Any

    @property
    def name(self) -> str:
        """The step's name in the recipe."""
        return str(self.module.NAME)

    def values(self) -> dict[str, Any]:
        """Every setting by name, as TOML and JSON hold it."""
        return {f.name: _plain(getattr(self.settings, f.name)) for f in fields(self.settings)}

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the step's defaults."""
        defaults = {f.name: _plain(f.default) for f in fields(self.settings)}
        return {name: value for name, value in self.values().items() if value != defaults[name]}


@dataclass(frozen=True)
class Recipe:
    """A checked recipe."""

    name: str
    version: int
    title: str
    description: str
    steps: tuple[RecipeStep, ...]

    @property
    def document_steps(self) -> tuple[RecipeStep, ...]:
        """The steps that judge one document alone."""
        return tuple(step for step in self.steps if scope(step.module) == "document")

    @property
    def corpus_steps(self) -> tuple[RecipeStep, ...]:
        """The steps that need to see every shard."""
        return tuple(step for step in self.steps if scope(step.module) == "corpus")

    @property
    def line_step(self) -> RecipeStep | None:
        """The step that removes repeated lines, if the recipe has it."""
        return next((step for step in self.corpus_steps if getattr(step.module, "EDITS", False)), None)

    def to_toml(self) -> str:
        """TOML that reads back as this recipe; defaults are left out."""
        lines = [
            f"{key} = {_toml(getattr(self, key))}" for key in ("name", "version", "title", "description")
        ]
        for step in self.steps:
            lines += ["", "[[step]]", f"use = {_toml(step.name)}"]
            lines += [f"{key} = {_toml(value)}" for key, value in step.changed().items()]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Every setting spelled out, for manifests and pages."""
        steps = [{"use": step.name, **step.values()} for step in self.steps]
        head = {key: getattr(self, key) for key in ("name", "version", "title", "description")}
        return {**head, "steps": steps}

    def with_setting(self, assignment: str) -> "Recipe":
        """The recipe with one setting changed, from ``step.key=value`` (the value as in TOML, or bare text)."""
        target, equals, text = assignment.partition("=")
        name, dot, key = target.strip().partition(".")
        if not (equals and dot):
            raise InvalidInput(f"{assignment!r} is not step.key=value", code="bad_setting", field="set")
        if name not in {step.name for step in self.steps}:
            raise InvalidInput(f"recipe {self.name!r} has no step {name!r}", code="unknown_step", field=name)
        steps = tuple(
            RecipeStep(s.module, read_settings(s.module, {**s.values(), key: _value(text)}))
            if s.name == name
            else s
            for s in self.steps
        )
        return Recipe(self.name, self.version, self.title, self.description, steps)


def load_recipe(source: str | Path) -> Recipe:
    """A recipe by built-in name, by path of a TOML file, or from the TOML text itself."""
    text = str(source)
    if "\n" in text:
        return parse_recipe(text)
    path = Path(text)
    if path.suffix != ".toml":
        path = FOLDER / f"{check_name(text)}.toml"
    if not path.is_file():
        raise NotFound(
            f"there is no recipe {text!r}; built in are {', '.join(builtin())}", code="unknown_recipe"
        )
    return parse_recipe(path.read_text())


def builtin() -> list[str]:
    """The names of the recipes that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def parse_recipe(text: str) -> Recipe:
    """A recipe from TOML text; raises :class:`InvalidInput` naming the key that is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the recipe is not TOML: {error}", code="bad_toml", field="recipe") from None
    for key in data:
        if key not in _KEYS:
            raise InvalidInput(
                f"a recipe has no key {key!r}; it knows: {', '.join(sorted(_KEYS))}",
                code="unknown_key",
                field=key,
            )
    for key, kind in _KEYS.items():
        if key in data and (not isinstance(data[key], kind) or isinstance(data[key], bool)):
            raise InvalidInput(f"recipe key {key!r} must be {_WORDS[kind]}, not {data[key]!r}", field=key)
    version = data.get("version", 0)
    if version < 1:
        raise InvalidInput("a recipe needs a version, a whole number from 1", field="version")
    name = check_name(data.get("name", ""))
    steps = _steps(data.get("step", []))
    return Recipe(name, version, data.get("title", name), data.get("description", ""), steps)


def document_hash(recipe: Recipe) -> str:
    """What kept rows of a shard depend on: the steps that judge one document."""
    return _digest([[s.name, getattr(s.module, "VERSION", 1), s.values()] for s in recipe.document_steps])


def key_hash(recipe: Recipe) -> str:
    """What a shard's deduplication keys depend on: its kept rows and the corpus steps."""
    steps = [[s.name, getattr(s.module, "VERSION", 1), s.values()] for s in recipe.corpus_steps]
    return _digest([document_hash(recipe), steps])


def describe_steps() -> list[dict[str, Any]]:
    """Every step there is with its settings, for forms and ``steps`` on the command line."""
    return [
        {
            "name": name,
            "title": module.TITLE,
            "source": module.SOURCE,
            "scope": scope(module),
            "reasons": module.REASONS,
            "settings": [
                {"name": f.name, "default": _plain(f.default), **f.metadata} for f in fields(module.Settings)
            ],
        }
        for name, module in sorted(registry().items())
    ]


def _steps(tables: list[Any]) -> tuple[RecipeStep, ...]:
    steps = tuple(_step(number, table) for number, table in enumerate(tables, 1))
    if not steps:
        raise InvalidInput("a recipe needs at least one [[step]]", code="no_steps", field="step")
    _check_order(steps)
    return steps


def _step(number: int, table: Any) -> RecipeStep:
    known = registry()
    name = table.get("use") if isinstance(table, dict) else None
    if name not in known:
        raise InvalidInput(
            f"step {number} uses {name!r}; steps are {', '.join(sorted(known))}",
            code="unknown_step",
            field=f"step.{number}.use",
        )
    values = {key: value for key, value in table.items() if key != "use"}
    return RecipeStep(known[name], read_settings(known[name], values))


def _check_order(steps: tuple[RecipeStep, ...]) -> None:
    names = [step.name for step in steps]
    seen_corpus = ""
    for step in steps[:-1]:
        if getattr(step.module, "EDITS", False):
            raise InvalidInput(
                f"step {step.name!r} edits texts over the whole corpus and must come last",
                code="bad_order",
                field=step.name,
            )
    for place, step in enumerate(steps):
        if step.name in names[:place]:
            raise InvalidInput(
                f"step {step.name!r} stands twice in the recipe", code="twice", field=step.name
            )
        if scope(step.module) == "corpus":
            seen_corpus = step.name
        elif seen_corpus:
            raise InvalidInput(
                f"step {step.name!r} judges one document and must come before {seen_corpus!r}, "
                "which needs to see them all",
                code="bad_order",
                field=step.name,
            )
        before_text = "extract" in names[place + 1 :]
        if before_text and getattr(step.module, "NEEDS_TEXT", True):
            raise InvalidInput(
                f"step {step.name!r} reads the text and must come after 'extract'",
                code="bad_order",
                field=step.name,
            )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _value(text: str) -> Any:
    """A value as TOML spells it; what is no TOML value is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # A JSON string is a TOML string but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(_toml(item) for item in value)}]"


_WORDS = {str: "text", int: "a whole number", list: "a list of [[step]] tables"}
