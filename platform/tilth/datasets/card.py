"""The dataset card: what a version holds, how it was made, what was left out, and what nobody checked.

Everything in it is read from the manifest and from what people wrote about the dataset, so a number that
nobody measured is not there, and an estimate says that it is one. Pure: no Django.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tilth.datasets.manifest import ESTIMATED, Manifest
from tilth.datasets.origins import sources_of
from tilth.datasets.schemas import schema

TOP = 10
SHOWN = 100
LONG = 8
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$#~])")


@dataclass(frozen=True, slots=True)
class About:
    """What people wrote about a dataset (``description`` is Markdown) and the day the version was published."""

    title: str = ""
    description: str = ""
    licence: str = ""
    published: str = ""


def dataset_card(manifest: Manifest, about: About) -> str:
    """The card as Markdown."""
    parts = [
        f"# {plain(about.title or manifest.dataset)}",
        about.description.strip() or schema(manifest.kind).description + ".",
        _glance(manifest, about),
        _made(manifest),
        _sources(sources_of(manifest)),
        _funnel(funnel_of(manifest)),
        _missing(manifest.missing),
        _columns(manifest),
        _distributions(manifest),
        _limits(manifest, about),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def funnel_of(manifest: Manifest) -> dict[str, Any]:
    """The funnel of the run that made the version, empty where there was none."""
    found = manifest.statistics.get("funnel") or (manifest.recipe or {}).get("funnel")
    return found if isinstance(found, dict) else {}


def plain(value: Any) -> str:
    """Text from outside as Markdown that shows it literally, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def tokens_text(tokens: dict[str, Any]) -> str:
    """A token count that names its tokenizer or says that it is an estimate."""
    if not tokens:
        return "not counted"
    how = tokens.get("tokenizer") or ESTIMATED
    return f"{tokens.get('count', 0):,} ({plain(how if how == ESTIMATED else f'counted with {how}')})"


def _glance(manifest: Manifest, about: About) -> str:
    rows = [
        ("Version", f"`{manifest.reference}`"),
        ("Kind", f"{schema(manifest.kind).title} (schema version {manifest.schema_version})"),
        ("Published", about.published or "not yet"),
        ("Rows", f"{manifest.rows:,}"),
        ("Bytes", f"{manifest.total_bytes:,} in {_count(len(manifest.shards), 'file')}"),
        ("Tokens", tokens_text(manifest.tokens)),
        ("Licence", plain(about.licence) or "not stated: find out before you share or train on it"),
    ]
    return "## At a glance\n\n" + "\n".join(f"- **{name}**: {value}" for name, value in rows)


def _made(manifest: Manifest) -> str:
    lines = [f"- Made by: {plain(manifest.producer) or 'not recorded'}"]
    lines += [f"- Made from: `{parent}`" for parent in manifest.parents]
    if manifest.code_version:
        lines.append(f"- With: Tilth {plain(manifest.code_version)}")
    lines += _recipe(manifest.recipe or {})
    return "## How it was made\n\n" + "\n".join(lines)


def _sources(sources: dict[str, Any]) -> str:
    """The files that went in; the first hundred, since a crawl has ten thousands."""
    if not sources:
        return ""
    rows = [(_source(file), f"{file['read']:,}", f"{file['kept']:,}") for file in sources["files"][:SHOWN]]
    more = sources["count"] - len(rows)
    rest = f"\n\nAnd {_count(more, 'more file')}; manifest.json lists up to 1,000." if more else ""
    total = (
        f"{_count(sources['count'], 'file')}: {sources['read']:,} rows or documents read, {sources['kept']:,} kept "
        "(before copies were removed, where a step does that)."
    )
    return f"## Made from\n\n{total}\n\n{_table(('File', 'Read', 'Kept'), rows)}{rest}"


def _source(file: dict[str, Any]) -> str:
    digest = f" (sha256 `{file['sha256']}`)" if file.get("sha256") else ""
    return f"{plain(file['name'])}{digest}"


def _recipe(recipe: dict[str, Any]) -> list[str]:
    """The recipe's name and its settings, as far as the manifest has them."""
    # The files are listed with what became of them, under a heading of their own.
    shown = {key: value for key, value in recipe.items() if key not in {"funnel", "steps", "toml", "files"}}
    lines = [
        f"- {'Recipe' if key == 'name' else f'Recipe {plain(key)}'}: {_value(value)}"
        for key, value in shown.items()
        if value not in (None, "", [], {})
    ]
    steps = recipe.get("steps")
    for number, step in enumerate(steps if isinstance(steps, list) else [], 1):
        lines.append(f"- Step {number}: {_step(step)}")
    return lines


def _step(step: Any) -> str:
    """A recipe's step is ``{"use": name, setting: value, …}``."""
    if not isinstance(step, dict):
        return plain(step)
    settings = ", ".join(f"{plain(key)} = {_value(value)}" for key, value in step.items() if key != "use")
    name = plain(step.get("use", ""))
    return f"{name} ({settings})" if settings else name


def _value(value: Any) -> str:
    """A setting in words; a long list by its length, since word lists are long and not for every reader."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{plain(key)} from {_value(inner)}" for key, inner in value.items()) or "none"
    if not isinstance(value, list | tuple):
        return plain(value)
    if len(value) > LONG:
        what = "word" if all(isinstance(item, str) for item in value) else "value"
        return f"{_count(len(value), what)} (in manifest.json)"
    return " / ".join(_value(item) for item in value) or "none"


def _funnel(funnel: dict[str, Any]) -> str:
    steps = funnel.get("steps") or []
    if not steps:
        return ""
    rows = [
        (plain(step["title"] or step["name"]), *_amounts(step), _share(step), _reasons(step))
        for step in steps
    ]
    head = ("Step", "Documents in", "Documents out", "Bytes out", "Tokens out", "Kept", "Dropped for")
    note = f"Tokens in this table: {plain(funnel.get('tokenizer') or ESTIMATED)}."
    missed = [
        f"- {plain(step['title'] or step['name'])}: not run: {plain(_folded(step['not_run']))}"
        for step in steps
        if step.get("not_run")
    ]
    unchecked = (
        "\n\nWhat could not run, and therefore dropped nothing:\n\n" + "\n".join(missed) if missed else ""
    )
    return f"## What was filtered\n\n{_table(head, rows)}\n\n{note}{unchecked}"


def _folded(parts: Iterable[str]) -> str:
    """Parts such as ``blocklist adult: no file`` as one sentence in which no reason comes twice."""
    whats: dict[str, list[str]] = {}
    for part in parts:
        what, _, why = part.partition(": ")
        whats.setdefault(why, []).append(what)
    return "; ".join(f"{_shared(names)}: {why}" if why else _shared(names) for why, names in whats.items())


def _shared(names: list[str]) -> str:
    """``blocklist adult, blocklist drugs`` as ``blocklist adult, drugs``."""
    first = names[0].partition(" ")[0] + " "
    if not all(name.startswith(first) for name in names):
        return ", ".join(names)
    return first + ", ".join(name.removeprefix(first) for name in names)


def _amounts(step: dict[str, Any]) -> tuple[str, str, str, str]:
    entered, left = step["in"], step["out"]
    return (
        f"{entered['documents']:,}",
        f"{left['documents']:,}",
        f"{left.get('bytes', 0):,}",
        f"{left.get('tokens', 0):,}",
    )


def _share(step: dict[str, Any]) -> str:
    entered = step["in"]["documents"]
    return f"{step['out']['documents'] / entered:.1%}" if entered else "–"


def _reasons(step: dict[str, Any]) -> str:
    counted = sorted(step.get("reasons", {}).items(), key=lambda item: (-_documents(item[1]), item[0]))
    return ", ".join(f"{plain(name)}: {_documents(amount):,}" for name, amount in counted) or "–"


def _documents(amount: Any) -> int:
    return int(amount["documents"] if isinstance(amount, dict) else amount)


def _missing(missing: list[dict[str, Any]]) -> str:
    if not missing:
        return ""
    lines = [
        f"- {', '.join(f'{plain(key)}: {plain(value)}' for key, value in item.items())}"
        for item in missing[:100]
    ]
    more = [f"- and {len(missing) - 100:,} more, listed in the manifest"] if len(missing) > 100 else []
    return "## What is missing\n\nThese sources are not in this version:\n\n" + "\n".join(lines + more)


def _columns(manifest: Manifest) -> str:
    columns = schema(manifest.kind).columns
    rows = [(f"`{c.name}`", plain(c.description), "yes" if c.required else "may be missing") for c in columns]
    return f"## Columns\n\n{_table(('Column', 'What it holds', 'Always there'), rows)}"


def _distributions(manifest: Manifest) -> str:
    """What was measured, in the schema's order."""
    measured = manifest.statistics.get("columns", {})
    names = [column.name for column in schema(manifest.kind).columns if column.name in measured]
    parts = [part for name in names for part in _distribution(name, measured[name])]
    return "## What it looks like\n\n" + "\n\n".join(parts) if parts else ""


def _distribution(name: str, found: dict[str, Any]) -> Iterator[str]:
    measure = found.get("measure")
    if measure == "text" and found["characters"].get("mean") is not None:
        lengths = found["characters"]
        yield (
            f"**{plain(name)}**: {lengths['total']:,} characters; {lengths['minimum']:,} to "
            f"{lengths['maximum']:,} a row, {lengths['mean']:,.0f} on average."
        )
    elif measure == "number" and found.get("mean") is not None:
        spread = f"{found['minimum']:g} to {found['maximum']:g}, {found['mean']:g} on average"
        missing = f"; missing in {_count(found['missing'], 'row')}" if found["missing"] else ""
        yield f"**{plain(name)}**: {spread}{missing}."
    elif measure == "category" and found.get("top"):
        about = "about " if found.get("approximate") else ""
        rows = [(plain(value), f"{count:,}") for value, count in found["top"][:TOP]]
        yield f"**{plain(name)}**: {about}{_count(found['distinct'], 'different value')}.\n\n{_table((name, 'Rows'), rows)}"


def _limits(manifest: Manifest, about: About) -> str:
    """What a reader must not take for granted."""
    limits = []
    if not about.licence:
        limits.append("Nobody stated a licence.")
    if (manifest.tokens or {}).get("tokenizer") == ESTIMATED:
        limits.append("Tokens are estimated from bytes (4 bytes of UTF-8 a token), not counted.")
    if manifest.kind == "documents":
        limits.append(
            "Texts come from outside: they may be wrong, offensive or biased, and filters are statistical. "
            "Personal data beyond what the recipe's PII step finds is not looked for."
        )
    if manifest.missing:
        limits.append(f"{_count(len(manifest.missing), 'source')} missing: see above.")
    if not funnel_of(manifest):
        limits.append("No filtering was recorded for this version: what came in is what is here.")
    limits.append("Overlap with evaluation sets was not checked unless a step above says so.")
    return "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
