"""The rubric by which reviewers score written work: four criteria, five anchored points each."""

from collections.abc import Mapping
from typing import Any

from tilth.errors import InvalidInput

CRITERIA: dict[str, tuple[str, tuple[str, ...]]] = {
    "accuracy": (
        "Accuracy",
        ("Mostly wrong", "Serious errors", "Small errors", "Right, with a slip", "Right"),
    ),
    "completeness": (
        "Completeness",
        ("Misses the point", "Half", "Most", "Nearly all", "All that is needed"),
    ),
    "clarity": ("Clarity", ("Hard to follow", "Laboured", "Clear enough", "Clear", "Could not be clearer")),
    "guideline": (
        "Follows the guideline",
        ("Breaks rules", "Often not", "Mostly", "Nearly always", "Throughout"),
    ),
}
POINTS = range(1, 6)


def check_scores(scores: Mapping[str, Any], *, needed: bool) -> dict[str, int]:
    """Scores by criterion, or :class:`InvalidInput`; ``needed`` asks for all of them."""
    for name, value in scores.items():
        if name not in CRITERIA or value not in POINTS or isinstance(value, bool):
            raise InvalidInput(
                f"{name}: {value!r} is no score from 1 to 5.", code="bad_score", field="scores"
            )
    missing = [title for name, (title, _) in CRITERIA.items() if name not in scores]
    if needed and missing:
        raise InvalidInput(f"Score {', '.join(missing)} first.", code="no_score", field="scores")
    return {name: int(value) for name, value in scores.items()}
