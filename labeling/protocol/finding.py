"""What a safeguard noticed: a hint for a person, never a verdict."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One notice. ``path``, ``start`` and ``end`` name the passage (characters), where there is one.

    ``before``: shown to the labeler before submitting; the others are noted for reviewers afterwards.
    """

    kind: str
    code: str
    message: str
    path: str = ""
    start: int = 0
    end: int = 0
    passage: str = ""
    before: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is stored and sent."""
        return asdict(self)
