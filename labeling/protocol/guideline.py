"""Guidelines as text: Markdown in which every clause has an id, says whom it serves, and shows edge cases.

::

    # Helpful answers

    ## Objective: Help people {#help}
    Serves: user, developer

    What this is about, in Markdown.

    ## Rule: Say when you do not know {#unsure}
    Serves: user, everyone else

    ### Example
    Asked: Who won the 2031 election?
    Good: I do not know of that election.
    Bad: It was won by …
    Why: A confident guess misleads.
    Conflict: The user wants a name; truth towards everyone else comes first.

Kinds of clauses are those of a model specification: objectives (what is wanted), rules (never broken) and
defaults (what holds unless somebody with the right to says otherwise). Pure: no Django.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

KINDS = ("objective", "rule", "default")
STAKEHOLDERS = ("user", "developer", "platform", "everyone else")
MOST_CHARACTERS = 400_000
PARTS = ("asked", "good", "bad", "why", "conflict")

_HEADING = re.compile(r"^##\s+(?P<rest>[^#].*)$")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_PART = re.compile(r"^(Asked|Good|Bad|Why|Conflict):\s*(.*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps a text from being a guideline: the line (from 1) and what to change."""

    line: int
    message: str


@dataclass(slots=True)
class Parsed:
    """A guideline's title, the prose before its first clause, its clauses (plain JSON), and faults."""

    title: str = ""
    preamble: str = ""
    clauses: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def parse(source: str) -> Parsed:
    """Read a guideline; nothing is raised, faults are listed by line."""
    parsed = Parsed()
    if len(source) > MOST_CHARACTERS:
        parsed.faults.append(
            Fault(1, f"A guideline may have {MOST_CHARACTERS:,} characters; split it in two.")
        )
        return parsed
    sections = list(_sections(source))
    head = sections[0][2]
    parsed.title, parsed.preamble = _head(head)
    seen: dict[str, int] = {}
    for line, heading, body in sections[1:]:
        _clause(parsed, seen, line, heading, body)
    if not parsed.clauses and not parsed.faults:
        parsed.faults.append(
            Fault(1, "There is no clause yet; begin one with: ## Rule: What holds {#its-id}")
        )
    return parsed


def _sections(source: str) -> Iterator[tuple[int, str, list[str]]]:
    """The text cut at its second-level headings, outside code: line number, heading, lines below it."""
    line, heading, fenced = 1, "", False
    body: list[str] = []
    for number, text in enumerate(source.splitlines(), start=1):
        fenced ^= text.lstrip().startswith("```")
        match = None if fenced else _HEADING.match(text)
        if match:
            yield line, heading, body
            line, heading, body = number, match["rest"].strip(), []
        else:
            body.append(text)
    yield line, heading, body


def _head(lines: list[str]) -> tuple[str, str]:
    title = next((line[2:].strip() for line in lines if line.startswith("# ")), "")
    rest = [line for line in lines if not line.startswith("# ")]
    return title, "\n".join(rest).strip()


def _clause(parsed: Parsed, seen: dict[str, int], line: int, heading: str, body: list[str]) -> None:
    kind, title, key = _named(heading)
    if kind not in KINDS:
        shape = "## Rule: Title {#id}"
        parsed.faults.append(Fault(line, f"A clause begins with Objective, Rule or Default, as in: {shape}"))
        return
    if not title:
        parsed.faults.append(Fault(line, "The clause has no title."))
    if key is None:
        parsed.faults.append(Fault(line, f"The clause needs an id that stays: {{#{suggest(title)}}}"))
        key = suggest(title)
    elif not _ID.fullmatch(key):
        parsed.faults.append(
            Fault(line, f"An id has lower-case letters, digits and dashes: {{#{suggest(key)}}}")
        )
    if key in seen:
        parsed.faults.append(Fault(line, f"The id {key} is taken by the clause of line {seen[key]}."))
    seen.setdefault(key, line)
    stakeholders, rest, at = _serves(parsed, line, body)
    text, examples = _examples(parsed, at, rest)
    parsed.clauses.append(
        {
            "id": key,
            "kind": kind,
            "title": title,
            "stakeholders": stakeholders,
            "body": text,
            "examples": examples,
        }
    )


def _named(heading: str) -> tuple[str, str, str | None]:
    """Kind, title and id of ``Kind: Title {#id}``; by cutting, since a pattern would try every run of spaces."""
    kind, _, rest = heading.partition(":")
    title, mark, key = rest.strip().removesuffix("}").rpartition("{#")
    if not mark or not rest.rstrip().endswith("}") or "}" in key:
        return kind.strip().lower(), rest.strip(), None
    return kind.strip().lower(), title.strip(), key


def suggest(title: str) -> str:
    """An id made of a title."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return words[:60].strip("-") or "clause"


def _serves(parsed: Parsed, line: int, body: list[str]) -> tuple[list[str], list[str], int]:
    """The stakeholders, the lines after them, and the number of the first of those."""
    for offset, text in enumerate(body):
        if not text.strip():
            continue
        if not text.lower().startswith("serves:"):
            break
        named = [word.strip().lower() for word in text.partition(":")[2].split(",") if word.strip()]
        unknown = [word for word in named if word not in STAKEHOLDERS]
        if unknown:
            known = ", ".join(STAKEHOLDERS)
            parsed.faults.append(
                Fault(line + 1 + offset, f"{unknown[0]!r} is no stakeholder; there are {known}.")
            )
        return [word for word in named if word in STAKEHOLDERS], body[offset + 1 :], line + 2 + offset
    parsed.faults.append(Fault(line, "Say whom the clause serves, on the line below: Serves: user"))
    return [], body, line + 1


def _examples(parsed: Parsed, line: int, lines: list[str]) -> tuple[str, list[dict[str, str]]]:
    """The clause's own text, and its examples; each part goes on until the next begins."""
    text: list[str] = []
    examples: list[dict[str, list[str]]] = []
    part = ""
    for number, row in enumerate(lines, start=line):
        if row.strip().lower() in {"### example", "### example:"}:
            examples.append({"line": [str(number)]})
            part = ""
        elif examples and (match := _PART.match(row)):
            part = match[1].lower()
            examples[-1].setdefault(part, []).append(match[2])
        elif examples and part:
            examples[-1][part].append(row)
        elif examples and row.strip():
            parsed.faults.append(
                Fault(number, "An example has the parts Asked:, Good:, Bad:, Why: and Conflict:")
            )
        else:
            text.append(row)
    return "\n".join(text).strip(), [_example(parsed, example) for example in examples]


def _example(parsed: Parsed, parts: dict[str, list[str]]) -> dict[str, str]:
    line = int(parts.pop("line")[0])
    missing = [name for name in ("good", "bad", "why") if not "".join(parts.get(name, [])).strip()]
    if missing:
        parsed.faults.append(Fault(line, f"This example lacks {missing[0].title()}:"))
    return {name: "\n".join(parts[name]).strip() for name in PARTS if name in parts}


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two versions, by clause id."""

    added: list[str]
    removed: list[str]
    changed: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def touched(self) -> set[str]:
        """Ids whose citations may no longer hold: changed or removed ones."""
        return {*self.changed, *self.removed}


def compare(old: Iterable[dict[str, Any]], new: Iterable[dict[str, Any]]) -> Changes:
    """Compare clauses by id; moving a clause changes nothing."""
    before = {clause["id"]: clause for clause in old}
    after = {clause["id"]: clause for clause in new}
    return Changes(
        added=[key for key in after if key not in before],
        removed=[key for key in before if key not in after],
        changed=[key for key in after if key in before and after[key] != before[key]],
    )


def as_text(clause: dict[str, Any]) -> str:
    """A clause as it is written, in one normal form: what diffs compare, and what parsing gives back."""
    lines = [f"## {clause['kind'].title()}: {clause['title']} {{#{clause['id']}}}"]
    lines.append(f"Serves: {', '.join(clause['stakeholders'])}")
    if clause["body"]:
        lines += ["", clause["body"]]
    for example in clause["examples"]:
        lines += ["", "### Example"]
        lines += [f"{name.title()}: {example[name]}" for name in PARTS if name in example]
    return "\n".join(lines)
