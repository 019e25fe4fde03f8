"""What a verifier says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer is right; ``note`` says in one line why not, where that is known."""

    right: bool
    note: str = ""
