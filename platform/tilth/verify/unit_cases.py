"""What each verifier must accept and refuse: run before a training trusts one.

A verifier that says yes to everything trains a model to say anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tilth.verify.verifiers import Claim, verify

_TESTS = {"tests": "assert candidate(2) == 4\nassert candidate(-3) == 9", "entry_point": "square"}


@dataclass(frozen=True, slots=True)
class Case:
    """A completion and whether it is right."""

    claim: Claim
    right: bool


CASES: dict[str, tuple[Case, ...]] = {
    "exact": (
        Case(Claim(" Paris \n", "Paris", "exact"), True),
        Case(Claim("paris", "Paris", "exact"), False),
        Case(Claim("paris", "Paris", "exact", {"ignore_case": True}), True),
        Case(Claim("6 + 6 = 12. #### 12", "12", "exact", {"after": "####"}), True),
        Case(Claim("It is 12", "12", "exact", {"after": "####"}), False),
        Case(Claim("", "Paris", "exact"), False),
    ),
    "regex": (
        Case(Claim("The answer: 42.", r"\b42\b", "regex"), True),
        Case(Claim("The answer: 421.", r"\b42\b", "regex"), False),
        Case(Claim("42.", r"\d+", "regex", {"whole": True}), False),
        Case(Claim("a" * 64 + "!", r"(a+)+$", "regex"), False),
    ),
    "math": (
        Case(Claim("So there are 18 eggs.", "18", "math"), True),
        Case(Claim("So there are 19 eggs.", "18", "math"), False),
        Case(Claim(r"Hence $\frac{1}{2}$.", "0.5", "math"), True),
        Case(Claim(r"Hence \boxed{1+x^2}.", "x^2+1", "math"), True),
        Case(Claim(r"Hence \boxed{1-x^2}.", "x^2+1", "math"), False),
        Case(Claim("No idea.", "18", "math"), False),
        Case(Claim(r"$9^{9^{9^{9^{9}}}}$", "18", "math"), False),
    ),
    "python": (
        Case(Claim("def square(x):\n    return x * x", "", "python", _TESTS), True),
        Case(Claim("```python\ndef square(x):\n    return x * x\n```", "", "python", _TESTS), True),
        Case(Claim("def square(x):\n    return 4", "", "python", _TESTS), False),
        Case(Claim("import os\nos._exit(0)", "", "python", _TESTS), False),
        Case(Claim("", "", "python", _TESTS), False),
    ),
}


def failed(names: Iterable[str], allow: frozenset[str] = frozenset()) -> list[Case]:
    """The cases of these verifiers that come out wrong on this machine."""
    cases = [case for name in names for case in CASES[name]]
    return [case for case in cases if verify(case.claim, allow).right != case.right]
