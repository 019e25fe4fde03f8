"""The verifier ``python``: a candidate's code against tests, in the sandbox.

A problem brings either ``tests`` (Python with asserts that call ``candidate`` or the named functions) or ``cases``
(what a program reads and must print). With tests, candidate and tests run in two processes, see
``python_harness.py``; with cases the outputs are compared out here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tilth.errors import InvalidInput
from tilth.verify import python_harness
from tilth.verify.sandbox.limits import MIB, Limits
from tilth.verify.sandbox.run import Run, run_many
from tilth.verify.verdict import Verdict

_FENCE = re.compile(r"^```[^\n`]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SECONDS = (0.1, 60.0)


def check_arguments(args: Mapping[str, Any]) -> None:
    """Raise :class:`InvalidInput` where a problem's arguments say nothing that can be run."""
    if bool(args.get("tests")) == bool(args.get("cases")):
        raise InvalidInput("The verifier python takes either tests or cases.", field="verifier_args")
    if args.get("tests"):
        if not isinstance(args["tests"], str) or not _names(args):
            raise InvalidInput(
                "Tests are Python text, and entry_point names the function (or a list of functions) they call.",
                field="verifier_args",
            )
    elif not all(isinstance(case, dict) and isinstance(case.get("stdout"), str) for case in args["cases"]):
        raise InvalidInput("Cases are a list of {stdin, stdout}.", field="verifier_args")
    _limits(args, fork=False)


def runs(completion: str, args: Mapping[str, Any]) -> list[Run]:
    """The programs that decide about a completion."""
    check_arguments(args)
    code = code_of(completion, str(args.get("prefix", "")), _names(args))
    if args.get("tests"):
        job = {"tests": args["tests"], "names": _names(args)}
        files = {"candidate.py": code.encode("utf-8", "surrogatepass")}
        return [Run(source=_harness(), stdin=json.dumps(job), files=files, limits=_limits(args, fork=True))]
    return [
        Run(source=code, stdin=str(case.get("stdin", "")), limits=_limits(args, fork=False))
        for case in args["cases"]
    ]


def verify(
    completions: Sequence[tuple[str, Mapping[str, Any]]], allow: frozenset[str] = frozenset()
) -> list[Verdict]:
    """Verdicts on completions, each with its problem's arguments; ``allow`` as the sandbox knows it."""
    programs = [runs(completion, args) for completion, args in completions]
    outcomes = run_many([run for several in programs for run in several], allow=allow)
    verdicts = []
    for several, (_, args) in zip(programs, completions, strict=True):
        wanted = [None] if args.get("tests") else [case["stdout"] for case in args["cases"]]
        found = [next(outcomes) for _ in several]
        verdicts.append(_verdict(found, wanted))
    return verdicts


def _verdict(outcomes: Sequence[Any], wanted: Sequence[str | None]) -> Verdict:
    for number, (outcome, expected) in enumerate(zip(outcomes, wanted, strict=True), 1):
        if not outcome.ok:
            if outcome.exit_code == python_harness.NO_CALL and expected is None:
                return Verdict(False, "the tests never called the candidate")
            said = outcome.stderr.strip().splitlines()
            return Verdict(False, f"{outcome.status}: {said[-1][:300]}" if said else outcome.status)
        if expected is not None and _lines(outcome.stdout) != _lines(expected):
            return Verdict(False, f"case {number} prints something else")
    return Verdict(True, "")


def code_of(completion: str, prefix: str = "", names: Sequence[str] = ()) -> str:
    """The code in a completion: its last fenced block, else all of it; after ``prefix`` where the completion only
    goes on with what that begins (it defines none of ``names`` itself)."""
    blocks = _FENCE.findall(completion)
    code: str = blocks[-1] if blocks else completion
    defined = any(re.search(rf"^def\s+{re.escape(name)}\b", code, re.MULTILINE) for name in names)
    return code if defined or not prefix else prefix + code


def _lines(text: str) -> list[str]:
    """Lines as they are compared: spaces at their ends and empty lines at the end do not count."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _names(args: Mapping[str, Any]) -> list[str]:
    named = args.get("entry_point") or []
    names = [named] if isinstance(named, str) else list(named)
    return names if all(isinstance(name, str) and name.isidentifier() for name in names) else []


def _limits(args: Mapping[str, Any], *, fork: bool) -> Limits:
    seconds = args.get("seconds", 10)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput("seconds is a number.", field="verifier_args")
    if not _SECONDS[0] <= seconds <= _SECONDS[1]:
        raise InvalidInput("seconds is between 0.1 and 60.", field="verifier_args")
    return Limits(wall=float(seconds), cpu=max(1, int(seconds)), memory=256 * MIB, tasks=8, fork=fork)


@cache
def _harness() -> str:
    return Path(python_harness.__file__).read_text()
