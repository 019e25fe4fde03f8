"""The child of ``checker.py``: answers questions line by line, under a timer that the kernel enforces.

The timer's signal keeps its default action, which ends the process: no Python code has to run for it, so that
it also ends a pattern that is being matched. Memory is limited from the first line on.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

MEMORY = 4 << 30


class Invalid(Exception):
    """The question makes no sense, whatever the answer may be."""


def main() -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    answers.write('{"ready": true}\n')
    answers.flush()
    for line in sys.stdin:
        question = json.loads(line)
        kind, seconds = question.pop("kind"), question.pop("seconds")
        if kind == "math":
            _load_math()  # takes seconds once; that is no time of the question's
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            reply: dict[str, Any] = {"right": QUESTIONS[kind](**question)}
        except Invalid as error:
            reply = {"invalid": str(error)}
        except Exception:
            reply = {"right": False}  # what cannot be worked on is no right answer
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def match(text: str, pattern: str, ignore_case: bool, whole: bool) -> bool:
    """Whether a pattern is found in the text, or with ``whole`` describes all of it."""
    try:
        found = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"This is no regular expression: {error}.") from None
    return bool(found.fullmatch(text) if whole else found.search(text))


def equal(text: str, answer: str) -> bool:
    """Whether the last expression in a text equals the answer, by math-verify."""
    parse, verify = _load_math()
    wanted = parse(f"\\boxed{{{answer}}}", parsing_timeout=None)
    if all(isinstance(reading, str) for reading in wanted):
        raise Invalid(f"“{answer[:100]}” cannot be read as mathematics.")
    return bool(verify(wanted, parse(text, parsing_timeout=None), timeout_seconds=None))


def _load_math() -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        from math_verify import parse, verify
    except ImportError:
        raise Invalid("The verifier math needs the training extra: make setup-training.") from None
    return parse, verify


QUESTIONS: dict[str, Callable[..., bool]] = {"regex": match, "math": equal}
