"""Who decides whether an answer is right: ``exact``, ``regex``, ``math`` and ``python``.

A problem names its verifier and brings arguments for it. Adding one is adding a function here and cases that
show what it accepts and refuses. None of them runs a pattern, a formula or code of others in this process.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilth.errors import InvalidInput
from tilth.verify import checker, python_tests
from tilth.verify.verdict import Verdict

REGEX_SECONDS = 2.0
MATH_SECONDS = 10.0
LONGEST = 20_000
"""Characters of a text that are looked at, from its end: an answer stands there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A completion to judge: its ``text``, the problem's ``answer`` and the verifier with its arguments."""

    text: str
    answer: str
    verifier: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, problem: Mapping[str, Any]) -> "Claim":
        """A completion of a row of ``problems``; ``exact`` is the verifier where the row names none."""
        stored = problem.get("verifier_args")
        try:
            args = json.loads(stored) if isinstance(stored, str) and stored else stored or {}
        except ValueError:
            args = None
        if not isinstance(args, Mapping):
            raise InvalidInput("verifier_args is a JSON object.", field="verifier_args")
        return cls(text, problem["answer"], problem.get("verifier") or "exact", args)


def verify(claim: Claim, allow: frozenset[str] = frozenset()) -> Verdict:
    """The verdict on one completion; see :func:`verify_all`."""
    return verify_all([claim], allow)[0]


def verify_all(claims: Sequence[Claim], allow: frozenset[str] = frozenset()) -> list[Verdict]:
    """Verdicts in order; programs run several at a time.

    Raises :class:`InvalidInput` where a problem's own part makes no sense, and what the sandbox raises where it
    cannot run (``allow`` names the walls that may be missing).
    """
    for claim in claims:
        if claim.verifier not in VERIFIERS:
            raise InvalidInput(
                f"There is no verifier {claim.verifier!r}; there are {', '.join(VERIFIERS)}.",
                field="verifier",
            )
    programs = [claim for claim in claims if claim.verifier == "python"]
    ran = iter(
        python_tests.verify([(claim.text, claim.args) for claim in programs], allow) if programs else []
    )
    return [next(ran) if claim.verifier == "python" else VERIFIERS[claim.verifier](claim) for claim in claims]


def exact(claim: Claim) -> Verdict:
    """The text is the answer, spaces aside; ``after`` looks only behind the last such mark (``####``),
    ``ignore_case`` does what it says."""
    args = _known(claim, after="", ignore_case=False)
    text = claim.text
    if args["after"]:
        _, found, text = text.rpartition(args["after"])
        if not found:
            return Verdict(False, f"there is no {args['after']}")
    left, right = " ".join(text.split()), " ".join(claim.answer.split())
    if args["ignore_case"]:
        left, right = left.casefold(), right.casefold()
    return Verdict(left == right)


def regex(claim: Claim) -> Verdict:
    """The answer is a pattern (Python's) found in the text; ``whole`` asks that it describe all of it."""
    args = _known(claim, ignore_case=False, whole=False)
    return _asked("regex", REGEX_SECONDS, text=claim.text[-LONGEST:].strip(), pattern=claim.answer, **args)


def math(claim: Claim) -> Verdict:
    """The text's final expression equals the answer as mathematics (math-verify): 1/2 is 0.5 is \\frac{1}{2}."""
    _known(claim)
    return _asked("math", MATH_SECONDS, text=claim.text[-LONGEST:], answer=claim.answer)


def python(claim: Claim) -> Verdict:
    """The text's code passes the problem's tests; see ``python_tests.py``."""
    return python_tests.verify([(claim.text, claim.args)])[0]


VERIFIERS: dict[str, Callable[[Claim], Verdict]] = {
    "exact": exact,
    "regex": regex,
    "math": math,
    "python": python,
}


def check(problem: Mapping[str, Any]) -> str:
    """What is wrong with a row of ``problems``, in one line; empty where its own answer is found right.

    The answer of ``regex`` is a pattern and proves nothing; there it is only tried on an empty text.
    """
    try:
        claim = Claim.of(problem["answer"], problem)
        if claim.verifier == "exact" and claim.args.get("after"):
            claim = Claim.of(f"{claim.args['after']} {problem['answer']}", problem)
        if claim.verifier == "regex":
            verify(Claim.of("", problem))
            return ""
        verdict = verify(claim)
    except InvalidInput as error:
        return error.message
    return "" if verdict.right else f"its own answer is not found right: {verdict.note or 'not equal'}"


def check_all(problems: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """What is wrong with which of the problems, by their place."""
    found = {place: check(problem) for place, problem in enumerate(problems)}
    return {place: trouble for place, trouble in found.items() if trouble}


def _asked(kind: str, seconds: float, **question: Any) -> Verdict:
    try:
        return Verdict(checker.shared.ask(kind, seconds, **question))
    except checker.TimeIsUp:
        return Verdict(False, f"took longer than {seconds:g} s")


def _known(claim: Claim, **defaults: Any) -> dict[str, Any]:
    for name, value in claim.args.items():
        if name not in defaults or type(value) is not type(defaults[name]):
            raise InvalidInput(
                f"The verifier {claim.verifier} does not take {name}={json.dumps(value, default=str)}.",
                field="verifier_args",
            )
    return {**defaults, **claim.args}
