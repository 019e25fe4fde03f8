"""Rating: a rubric with anchored points, one criterion a row; also document quality for a learned filter.

What is rated is the task's one candidate, its conversation (``messages``), its ``text``, or a
``document`` (``text``, ``url`` and, where there is one, the page's ``html``, shown beside the extracted
text). The payload is ``scores``: criterion → number, ``cannot``: criterion → true where it cannot be
judged, a ``comment`` and the ``clauses`` cited.
"""

from collections.abc import Sequence
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
from labeling.protocol.payload import mapping
from tilth.errors import InvalidInput

MOST_POINTS = 9
"""One number key each."""


def default_schema() -> dict[str, Any]:
    """One criterion of five anchored points."""
    return {
        "criteria": [
            {
                "name": "quality",
                "title": "Quality",
                "help": "How much would somebody learn from this?",
                "points": "1: Useless\n2: Poor\n3: Fair\n4: Good\n5: Excellent",
            }
        ],
        "allow_cannot_judge": True,
        "comment_required": False,
    }


def points_of(criterion: dict[str, Any]) -> list[dict[str, Any]]:
    """The anchored points, one a line (``3: Fair``), lowest first, with the key that picks each."""
    found = []
    for line in str(criterion["points"]).splitlines():
        value, colon, label = line.partition(":")
        if not line.strip():
            continue
        try:
            number = float(value)
        except ValueError:
            raise schemas.wrong("criteria", f"has the point {line!r}; write it like 3: Fair") from None
        if not colon or not label.strip() or not abs(number) <= 1e6:  # NaN is no point either
            raise schemas.wrong("criteria", f"has the point {line!r}; write it like 3: Fair")
        found.append({"value": int(number) if number.is_integer() else number, "label": label.strip()})
    return [{**point, "key": str(key)} for key, point in enumerate(found, start=1)]


def check_schema(schema: Schema) -> dict[str, Any]:
    """The schema completed: every criterion has 2 to 9 points in rising order."""
    full = schemas.complete(schema, default_schema())
    if not full["criteria"]:
        raise schemas.wrong("criteria", "is empty; name at least one criterion")
    schemas.named("criteria", full["criteria"])
    for criterion in full["criteria"]:
        values = [point["value"] for point in points_of(criterion)]
        schemas.within(f"criteria: points of {criterion['name']}", len(values), 2, MOST_POINTS)
        if values != sorted(set(values)):
            raise schemas.wrong("criteria", f"has points of {criterion['name']} that do not rise")
    return full


def check_task(payload: Payload, candidates: Sequence[Answer]) -> dict[str, Any]:
    """Something to rate: a candidate, messages, a text or a document."""
    checked = messages.check_prompt(payload, needed=False)
    for answer in candidates:
        messages.check_messages(answer.messages, "candidates")
    document = checked.get("document")
    if document is not None and not (isinstance(document, dict) and str(document.get("text") or "").strip()):
        raise InvalidInput("the document has no text", code="no_text", field="document")
    if not (candidates or checked["messages"] or checked.get("text") or document):
        raise InvalidInput(
            "there is nothing to rate: give an answer, messages, a text or a document", field="text"
        )
    return checked


def blank(task: TaskView, schema: Schema) -> dict[str, Any]:
    """No score is chosen beforehand."""
    names = [criterion["name"] for criterion in schema["criteria"]]
    return {
        "scores": dict.fromkeys(names),
        "cannot": dict.fromkeys(names, False),
        "comment": "",
        "clauses": [],
    }


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """Every criterion has one of its points, or is marked as not to be judged."""
    found = []
    scores, cannot = mapping(payload.get("scores")), mapping(payload.get("cannot"))
    for criterion in schema["criteria"]:
        name, path = criterion["name"], f"scores.{criterion['name']}"
        if schema["allow_cannot_judge"] and cannot.get(name) is True:
            continue
        value = scores.get(name)
        if value is None:
            found.append(Problem(path, f"Rate “{criterion['title']}”."))
        elif isinstance(value, bool) or value not in [point["value"] for point in points_of(criterion)]:
            found.append(Problem(path, f"“{criterion['title']}” has no point {value!r}."))
    if schema["comment_required"] and not str(payload.get("comment") or "").strip():
        found.append(Problem("comment", "Say in a comment why."))
    return found


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """Criteria with their points; and what is rated, by its kind."""
    criteria = [{**criterion, "rows": points_of(criterion)} for criterion in schema["criteria"]]
    return {
        "criteria": criteria,
        "document": task.payload.get("document"),
        "text": task.payload.get("text"),
        "prompt": messages.prompt_of(task.payload),
        "answer": task.shown[0] if task.candidates else None,
    }


def shortcuts(schema: Schema) -> list[Shortcut]:
    """Number keys pick a point in the current row and move on; ``x`` says that it cannot be judged."""
    most = max(len(points_of(criterion)) for criterion in schema["criteria"])
    found = [Shortcut(str(n), f"Point {n} of the current row") for n in range(1, most + 1)]
    if schema["allow_cannot_judge"]:
        found.append(Shortcut("x", "Cannot judge the current row"))
    return [*found, Shortcut("f", "Write a comment")]


def measures(schema: Schema) -> list[Measure]:
    """One ordinal measure a criterion."""
    return [Measure(criterion["name"], criterion["title"], "ordinal") for criterion in schema["criteria"]]


def measure(payload: Payload, task: TaskView, schema: Schema) -> dict[str, Any]:
    """Scores by criterion; what cannot be judged is missing."""
    return dict(_scores(payload, schema))


def _scores(payload: Payload, schema: Schema) -> list[tuple[str, float]]:
    scores, cannot = mapping(payload.get("scores")), mapping(payload.get("cannot"))
    names = [criterion["name"] for criterion in schema["criteria"]]
    return [(n, scores[n]) for n in names if scores.get(n) is not None and cannot.get(n) is not True]


def score(payload: Payload, gold: Payload, schema: Schema) -> float:
    """Mean closeness over the criteria that the known answer scores: 1 the same point, 0 the far end."""
    mine, known = dict(_scores(payload, schema)), dict(_scores(gold, schema))
    spans = {c["name"]: [point["value"] for point in points_of(c)] for c in schema["criteria"]}
    near = []
    for name, value in known.items():
        low, high = spans[name][0], spans[name][-1]
        near.append(1 - abs(mine[name] - value) / (high - low) if name in mine else 0.0)
    return sum(near) / len(near) if near else 1.0


def facts(payload: Payload, task: TaskView, schema: Schema) -> list[tuple[str, str]]:
    """Each criterion with the words of its point."""
    scores, cannot = mapping(payload.get("scores")), mapping(payload.get("cannot"))
    found = []
    for criterion in schema["criteria"]:
        words = {point["value"]: f"{point['value']} {point['label']}" for point in points_of(criterion)}
        name = criterion["name"]
        said = "cannot judge" if cannot.get(name) is True else words.get(scores.get(name), "not rated")
        found.append((criterion["title"], said))
    return found


def read_gold(value: Any, schema: Schema) -> dict[str, Any]:
    """A payload with scores, an object of criterion → score, or one number where there is one criterion."""
    names = [criterion["name"] for criterion in schema["criteria"]]
    scores = value.get("scores", value) if isinstance(value, dict) else {names[0]: value}
    if not isinstance(value, dict) and len(names) > 1:
        raise ValueError(f"the known answer must name the criteria: {', '.join(names)}")
    allowed = {c["name"]: {point["value"] for point in points_of(c)} for c in schema["criteria"]}
    found = {}
    for name, given in scores.items():
        plain = str(given).replace(".", "", 1).removeprefix("-")
        if name not in allowed or not plain.isdecimal() or float(given) not in allowed[name]:
            raise ValueError(f"the known answer {name}: {given!r} is no point of the rubric")
        found[name] = int(float(given)) if float(given).is_integer() else float(given)
    return {"scores": found}


def texts(payload: Payload) -> list[Text]:
    """The comment."""
    return [Text("comment", str(payload.get("comment") or ""), trains=False)]


def rows(dataset_kind: str, submission: Submission) -> list[dict[str, Any]]:
    """One row of ``ratings`` a criterion, on its own scale."""
    points = {c["name"]: points_of(c) for c in submission.schema["criteria"]}
    text = rated_text(submission.task)
    return [
        {
            "item_id": submission.key,
            "text": text,
            "criterion": name,
            "score": float(value),
            "scale": {
                "minimum": float(points[name][0]["value"]),
                "maximum": float(points[name][-1]["value"]),
            },
        }
        for name, value in _scores(submission.payload, submission.schema)
    ]


def rated_text(task: TaskView) -> str:
    """What was rated, as one text."""
    if task.candidates:
        return task.shown[0].text
    document = task.payload.get("document")
    if document:
        return str(document["text"])
    return str(task.payload.get("text") or messages.assistant_text(task.payload.get("messages") or []))


KIND = TaskKind(
    name="rating",
    title="Rate by rubric",
    description="One criterion a row with anchored points: an answer, a conversation, a text or a web page.",
    closed=True,
    candidates=(0, 1),
    publishes=("ratings",),
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
    module=True,
)
