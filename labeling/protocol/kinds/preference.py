"""Preference: two answers (or whole conversations) side by side, blind; which is better, and by how much.

Strength is graded as post-training teams grade it: significantly better, better, slightly better, about
equal, either way (Llama 2, section 3.2.1), plus "both bad", which is no tie: neither should be learnt
from. Payloads name the stored position of the better answer, never the side of the screen:

``grade`` "0:3" (the answer stored first is significantly better) to "1:3", "equal" or "both_bad";
``marks``: criterion → "0", "1", "equal" or "na" (each criterion is compared, not rated); ``reason``;
``clauses``; ``edited``: by stored position, an answer as it should have been, where the schema asks for the
winner's and answers are single turns (each answer keeps its own: only the winner's is published). Whole conversations that begin alike have that beginning as their prompt, as TRL splits them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from labeling.protocol import messages, schemas
from labeling.protocol.kind import (
    Answer,
    Measure,
    Payload,
    Problem,
    Schema,
    Shortcut,
    Submission,
    TaskKind,
    TaskView,
    Text,
)
from labeling.protocol.letters import letters
from labeling.protocol.payload import mapping
from tilth.errors import InvalidInput

STRENGTHS = {3: "significantly better", 2: "better", 1: "slightly better"}
NEITHER = {"equal", "both_bad"}
MARK_VALUES = {"0", "1", "equal", "na"}
MARK_KEYS = "qwert"
"""Keys of a mark's row: left, equal, right, does not apply."""


def default_schema() -> dict[str, Any]:
    """Marks for helpful, truthful and harmless, and verbosity apart; a short reason."""
    return {
        "question": "Which answer is better?",
        "marks": [
            {"name": "helpful", "title": "More helpful"},
            {"name": "truthful", "title": "More truthful"},
            {"name": "harmless", "title": "More harmless"},
            {"name": "verbosity", "title": "Better length"},
        ],
        "reason_required": True,
        "reason_characters": 400,
        "edit_winner": False,
        "marks_required": False,
    }


def check_schema(schema: Schema) -> dict[str, Any]:
    """The schema completed, or :class:`InvalidInput` naming the wrong entry."""
    full = schemas.complete(schema, default_schema())
    schemas.named("marks", full["marks"])
    schemas.within("reason_characters", full["reason_characters"], 20, 20_000)
    return full


def check_task(payload: Payload, candidates: Sequence[Answer]) -> dict[str, Any]:
    """A prompt (or none, for whole conversations) and two different answers."""
    checked = messages.check_prompt(payload, needed=False)
    if len(candidates) != 2:
        raise InvalidInput(f"a comparison needs two answers, not {len(candidates)}", field="candidates")
    for answer in candidates:
        messages.check_messages(answer.messages, "candidates")
        if not answer.text.strip():
            raise InvalidInput(f"answer {answer.position + 1} is empty", field="candidates")
    if candidates[0].messages == candidates[1].messages:
        raise InvalidInput("both answers are the same", code="same_answers", field="candidates")
    return checked


def blank(task: TaskView, schema: Schema) -> dict[str, Any]:
    """Nothing is chosen beforehand."""
    marks = {mark["name"]: None for mark in schema["marks"]}
    edited = {str(answer.position): "" for answer in task.candidates}
    return {"grade": None, "marks": marks, "reason": "", "clauses": [], "edited": edited}


def grade(payload: Payload) -> tuple[str, int]:
    """The choice and its strength (0 where neither is better), as ``grade`` spells them: ``0:3``, ``equal``."""
    choice, _, strength = str(payload.get("grade") or "").partition(":")
    if choice in NEITHER and not strength:
        return choice, 0
    if choice in {"0", "1"} and strength in {"1", "2", "3"}:
        return choice, int(strength)
    return "", 0


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """A grade, a reason of the asked length, and marks where they are asked for."""
    found = []
    choice, _ = grade(payload)
    if not choice:
        found.append(Problem("grade", "Say which answer is better, or that both are bad."))
    marks = mapping(payload.get("marks"))
    for mark in schema["marks"]:
        value = marks.get(mark["name"])
        if value is None and schema["marks_required"]:
            found.append(Problem(f"marks.{mark['name']}", f"Compare them on “{mark['title']}”."))
        elif value is not None and str(value) not in MARK_VALUES:
            found.append(
                Problem(f"marks.{mark['name']}", f"“{mark['title']}” has no such answer as {value!r}.")
            )
    return [*found, *_check_reason(payload, schema), *_check_edited(payload, task, schema)]


def _check_edited(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    edited = _edits(payload) if _editable(task, schema) else {}
    choice, _ = grade(payload)
    fields = {position: f"edited.{letter}" for position, letter in letters(task.places).items()}
    if edited and choice not in {"0", "1"}:
        field = next(field for position, field in fields.items() if position in edited)
        return [Problem(field, "There is no better answer to edit: grade one as better, or empty this.")]
    if any(str(a.position) == choice and a.text.strip() == edited.get(choice) for a in task.candidates):
        return [Problem(fields[choice], "This is the better answer unchanged: edit it, or empty this.")]
    return []


def _edits(payload: Payload) -> dict[str, str]:
    """Answers as they should have been, by stored position; those that were left alone are left out."""
    texts = {position: str(text or "").strip() for position, text in mapping(payload.get("edited")).items()}
    return {position: text for position, text in sorted(texts.items()) if text and position in {"0", "1"}}


def edited_winner(payload: Payload, task: TaskView, schema: Schema) -> str:
    """What the winner was made into; nothing where this is not asked for."""
    choice, _ = grade(payload)
    return _edits(payload).get(choice, "") if _editable(task, schema) else ""


def rename(payload: Payload, names: Mapping[str, str]) -> dict[str, Any]:
    """The payload with other names for the answers in its grade, its marks and its edits."""
    found = dict(payload)
    choice, colon, strength = str(payload.get("grade") or "").partition(":")
    if payload.get("grade") is not None and choice not in NEITHER:
        found["grade"] = f"{names[choice]}{colon}{strength}" if choice in names else None
    if isinstance(marks := payload.get("marks"), dict):
        found["marks"] = {
            name: value if value in ("equal", "na") else names.get(str(value))
            for name, value in marks.items()
        }
    if isinstance(edited := payload.get("edited"), dict):
        found["edited"] = {names[key]: text for key, text in edited.items() if key in names}
    return found


def _editable(task: TaskView, schema: Schema) -> bool:
    return bool(schema["edit_winner"]) and all(
        [turn["role"] for turn in turns] == ["assistant"] for turns in split(task)[1].values()
    )


def split(task: TaskView) -> tuple[list[dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """The prompt, and what answers it by stored position; without a prompt it is how both begin alike."""
    prompt = messages.prompt_of(task.payload)
    answers = {answer.position: messages.plain(answer.messages) for answer in task.candidates}
    if task.payload.get("messages"):
        return prompt, answers
    shared = 0
    turns = list(zip(*answers.values(), strict=False))
    while shared < len(turns) - 1 and turns[shared][0] == turns[shared][1]:
        shared += 1
    first = next(iter(answers.values()))[:shared]
    return [*prompt, *first], {position: turns[shared:] for position, turns in answers.items()}


def _check_reason(payload: Payload, schema: Schema) -> list[Problem]:
    reason = str(payload.get("reason") or "").strip()
    if schema["reason_required"] and not reason:
        return [Problem("reason", "Give a short reason.")]
    if len(reason) > schema["reason_characters"]:
        return [Problem("reason", f"Keep the reason to {schema['reason_characters']} characters.")]
    return []


def grades() -> list[dict[str, Any]]:
    """The seven grades from left to right and "both bad", with the value each puts into the page's payload."""
    sides = [(f"A:{s}", f"A is {STRENGTHS[s]}") for s in (3, 2, 1)]
    sides += [("equal", "About equal")] + [(f"B:{s}", f"B is {STRENGTHS[s]}") for s in (1, 2, 3)]
    rows = [
        {"value": value, "label": label, "key": str(n)} for n, (value, label) in enumerate(sides, start=1)
    ]
    return [*rows, {"value": "both_bad", "label": "Both are bad", "key": "0"}]


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """What the template shows: both answers by the letter of their side, grades, and rows of marks."""
    options = [("A", "A"), ("equal", "Equal"), ("B", "B"), ("na", "Does not apply")]
    keyed = [{"value": v, "label": text, "key": MARK_KEYS[n]} for n, (v, text) in enumerate(options)]
    return {
        "sides": [{"letter": letter, "answer": a} for letter, a in zip("AB", task.shown, strict=True)],
        "grades": grades(),
        "mark_options": keyed,
        "editable": _editable(task, schema),
    }


def shortcuts(schema: Schema) -> list[Shortcut]:
    """1 to 7 grade from left to right, 0 says both bad; a letter each for the marks of the current row."""
    labels = ["A is significantly better", "A is better", "A is slightly better", "About equal"]
    labels += ["B is slightly better", "B is better", "B is significantly better"]
    found = [Shortcut(str(n), label) for n, label in enumerate(labels, start=1)]
    found += [Shortcut("0", "Both are bad"), Shortcut("s", "Scroll both answers in step, or each alone")]
    found += [Shortcut("f", "Write the reason")]
    if schema["marks"]:
        words = ("A", "Equal", "B", "Does not apply")
        found += [Shortcut(MARK_KEYS[n], f"{word}, in the current row") for n, word in enumerate(words)]
    return found


def measures(schema: Schema) -> list[Measure]:
    """The graded preference, the plain choice, and one measure a mark."""
    marks = [Measure(f"mark_{mark['name']}", mark["title"], "nominal") for mark in schema["marks"]]
    return [
        Measure("preference", "Preference, −3 to 3", "ordinal"),
        Measure("choice", "Choice", "nominal"),
        *marks,
    ]


def measure(payload: Payload, task: TaskView, schema: Schema) -> dict[str, Any]:
    """``preference`` in favour of the answer stored first: 3 to −3; both bad has none."""
    choice, strength = grade(payload)
    values: dict[str, Any] = {"choice": choice}
    if choice != "both_bad":
        values["preference"] = {"0": strength, "1": -strength}.get(choice, 0)
    return values | {f"mark_{name}": value for name, value in _marks(payload, schema) if value != "na"}


def _marks(payload: Payload, schema: Schema) -> list[tuple[str, str]]:
    """Criteria of the schema that were compared, with what was said."""
    marks = mapping(payload.get("marks"))
    return [(mark["name"], str(marks[mark["name"]])) for mark in schema["marks"] if marks.get(mark["name"])]


def score(payload: Payload, gold: Payload, schema: Schema) -> float:
    """1 for the known choice, whatever its strength; 0.5 for "about equal" against a slight preference."""
    (mine, my_strength), (known, known_strength) = grade(payload), grade(gold)
    if mine == known:
        return 1.0
    near = {(mine, my_strength), (known, known_strength)}
    return 0.5 if ("equal", 0) in near and any(s == 1 for _, s in near) else 0.0


def facts(payload: Payload, task: TaskView, schema: Schema) -> list[tuple[str, str]]:
    """The grade and the marks, by the letters of the sides."""
    seen = rename(payload, letters(task.places))
    words = {row["value"]: row["label"] for row in grades()}
    options = {option["value"]: option["label"] for option in view(task, schema)["mark_options"]}
    titles = {mark["name"]: mark["title"] for mark in schema["marks"]}
    found = [("Grade", words.get(str(seen.get("grade")), "none"))]
    return found + [(titles[name], options.get(value, value)) for name, value in _marks(seen, schema)]


def read_gold(value: Any, schema: Schema) -> dict[str, Any]:
    """A payload with a grade, or a short word: ``0``, ``1``, ``a``, ``b``, ``tie``, ``both_bad``, ``0:3``."""
    if isinstance(value, dict):
        gold = dict(value)
    else:
        word = str(value).strip().lower()
        word = {"a": "0", "b": "1", "tie": "equal", "same": "equal"}.get(word, word)
        gold = {"grade": f"{word}:2" if word in {"0", "1"} else word}
    if not grade(gold)[0]:
        raise ValueError(
            "the known answer must be 0, 1, equal or both_bad, with a strength like 0:3 if you like"
        )
    return gold


def texts(payload: Payload) -> list[Text]:
    """The reason, and edited answers, which a model would learn from."""
    reason = Text("reason", str(payload.get("reason") or ""), trains=False)
    return [reason, *(Text(f"edited.{position}", text) for position, text in _edits(payload).items())]


def lengths(payload: Payload, task: TaskView) -> tuple[int, list[int]] | None:
    """The winner and the characters of both answers, by stored position."""
    choice, _ = grade(payload)
    if choice not in {"0", "1"}:
        return None
    by_position = sorted(task.candidates, key=lambda answer: answer.position)
    return int(choice), [len(answer.text) for answer in by_position]


def rows(dataset_kind: str, submission: Submission) -> list[dict[str, Any]]:
    """Pairs for ``preferences`` (and edit > winner), ``battles`` between named models, edited winners."""
    choice, strength = grade(submission.payload)
    by_position = {answer.position: answer for answer in submission.task.candidates}
    prompt, turns = split(submission.task)
    if dataset_kind == "battles":
        return _battles(choice, by_position, prompt)
    if choice not in {"0", "1"}:
        return []
    better, worse = by_position[int(choice)], by_position[1 - int(choice)]
    edited = edited_winner(submission.payload, submission.task, submission.schema)
    if dataset_kind == "conversations":
        return [{"messages": [*prompt, *messages.assistant(edited)]}] if edited else []
    pair = {
        "prompt": prompt,
        "chosen": turns[better.position],
        "rejected": turns[worse.position],
        "strength": strength,
        "chosen_model": better.model or None,
        "rejected_model": worse.model or None,
        "group": submission.key,
    }
    improved = {
        **pair,
        "chosen": messages.assistant(edited),
        "rejected": pair["chosen"],
        "strength": 1,
        "chosen_model": None,
        "rejected_model": better.model or None,
    }
    return [pair, improved] if edited else [pair]


def _battles(
    choice: str, by_position: dict[int, Answer], prompt: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A battle needs two names; the winner is a, b, tie or both_bad."""
    first, second = by_position[0], by_position[1]
    if not (first.model and second.model):
        return []
    return [
        {
            "prompt": prompt,
            "model_a": first.model,
            "model_b": second.model,
            "winner": {"0": "a", "1": "b", "equal": "tie"}.get(choice, choice),
            "lengths": {"a": len(first.text), "b": len(second.text)},
        }
    ]


KIND = TaskKind(
    name="preference",
    title="Compare two answers",
    description="Two answers side by side, blind: which is better, by how much, and why.",
    closed=True,
    candidates=(2, 2),
    publishes=("preferences", "battles", "conversations"),
    default_schema=default_schema,
    check_schema=check_schema,
    check_task=check_task,
    blank=blank,
    check=check,
    view=view,
    shortcuts=shortcuts,
    measures=measures,
    measure=measure,
    facts=facts,
    texts=texts,
    rows=rows,
    score=score,
    read_gold=read_gold,
    lengths=lengths,
    rename=rename,
    module=True,
)
