"""Which annotations a publication takes, and how several of one task become one row. Pure: no Django.

* ``standing``: everything that was neither returned nor rejected.
* ``accepted``: what reviewers accepted (also after editing it), and adjudicated results.
* ``adjudicated``: results of adjudication alone.
* ``majority``: rows on which more than half of a task's standing annotations agree; ties give none.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median_low
from typing import Any

RULES = {
    "standing": "Everything that was neither returned nor rejected",
    "accepted": "Accepted by a reviewer, or the result of adjudication",
    "adjudicated": "Results of adjudication alone",
    "majority": "What more than half of a task's annotations agree on",
}

_STATES = {
    "everything": {"submitted", "returned", "accepted", "adjudicated", "rejected"},
    "standing": {"submitted", "accepted", "adjudicated"},
    "majority": {"submitted", "accepted", "adjudicated"},
    "accepted": {"accepted", "adjudicated"},
    "adjudicated": {"adjudicated"},
}

_VOTES: dict[str, tuple[tuple[str, ...], str]] = {
    "ratings": (("item_id", "criterion"), "score"),
    "preferences": (("group",), "chosen"),
    "battles": (("model_a", "model_b"), "winner"),
}
"""Per dataset kind: what a vote is about, and what is voted on. Written conversations have no majority."""


def rules_for(dataset_kind: str) -> dict[str, str]:
    """The rules that make sense for a kind of dataset, with what they mean."""
    if dataset_kind == "annotations":
        return {"everything": "Every submission, unaggregated, with its state and review"}
    return {name: text for name, text in RULES.items() if name != "majority" or dataset_kind in _VOTES}


def takes(rule: str, state: str, chosen: bool | None) -> bool:
    """Whether a rule takes an annotation in this state; of adjudicated ones only the result."""
    return state in _STATES[rule] and (chosen is not False or rule == "everything")


def majority(dataset_kind: str, rows_by_annotation: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row per question on which more than half of the annotations that answer it agree."""
    about, voted = _VOTES[dataset_kind]
    answers: dict[str, list[dict[str, Any]]] = {}
    for rows in rows_by_annotation:
        for row in rows:
            answers.setdefault(_key([row.get(name) for name in about]), []).append(row)
    found = []
    for rows in answers.values():
        value, count = Counter(_key(row[voted]) for row in rows).most_common(1)[0]
        if 2 * count > len(rows):
            found.append(_agreed([row for row in rows if _key(row[voted]) == value]))
    return found


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _agreed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The first of those who agree; the strength is the median of theirs."""
    first: Mapping[str, Any] = rows[0]
    strengths = [row["strength"] for row in rows if row.get("strength")]
    return {**first, **({"strength": median_low(strengths)} if strengths else {})}
