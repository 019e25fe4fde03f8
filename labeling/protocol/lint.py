"""What teaches a model badly, found in a demonstration: hints for its writer, never a verdict.

A model computes a little with each token that it writes, so an answer that stands before its working, a
large product in one leap, or letters counted at a glance teach it to guess. Claims of abilities that it
lacks teach it to make things up; markup that does not render teaches it to write such. Precision before
recall: a rule that often cries wolf costs experts' patience.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from latex2mathml.converter import convert

from labeling.protocol.finding import Finding

Rule = Callable[[str, str], Iterator[tuple[str, str, int, int]]]
"""A rule reads (answer, prompt before it) and yields (code, message, start, end)."""

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_EQUALITY = re.compile(
    rf"(?<![\w.^])((?:{_NUMBER}\s*[-+*/×÷·]\s*)+{_NUMBER})\s*=\s*(-?{_NUMBER})(?![\w%]|\s*[-+*/×÷·]\s*\d)"
)
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LEAP_DIGITS = 5
"""A product of factors with this many digits together is more than anybody does in one step."""

_ABILITIES = re.compile(
    r"\bI(?:'ve| have)? (?:just )?(?:checked|visited|browsed|looked up|googled|searched) (?:the )?(?:web|internet|website|online|site|news)\b"
    r"|\b(?:as we discussed|as you told me) (?:yesterday|last (?:week|time|month))\b"
    r"|\bI (?:will|'ll) (?:remember this|email you|call you|get back to you (?:later|tomorrow))\b"
    r"|\bwhen I was (?:a child|young|at school)\b|\bin my own (?:childhood|life)\b",
    re.IGNORECASE,
)
_COUNT_QUESTION = re.compile(
    r"\bhow many (?:times does the letter|letters?|['\"“]?\w['\"”]?s\b|words|characters|syllables)\b",
    re.IGNORECASE,
)
_CALCULATION = re.compile(
    r"\b(?:calculate|compute|solve|how (?:many|much)|what is the (?:sum|product|total|value|area|probability))\b",
    re.IGNORECASE,
)
_ANSWER_FIRST = re.compile(
    rf"^\W*(?:the (?:final )?answer is|answer:|it is|=)?\s*\**\$?-?{_NUMBER}\$?\**[^.\n]{{0,40}}[.\n]\s*(?:\S.*)?"
    r"\b(?:because|here(?:'s| is) (?:how|why)|to (?:see|get) (?:this|why)|explanation|first,|step 1|working)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML = re.compile(r"</?(?:div|span|p|br|b|i|font|center|table|script|style)\b[^>\n]{0,80}>", re.IGNORECASE)
_MATHS = re.compile(
    r"(?<![\\$])\$\$(.+?)\$\$|(?<![\\$\w])\$(?=[^\s$])([^$\n]+?)(?<=\S)\$(?![\w$])", re.DOTALL
)
_ENDING = re.compile(r"[.!?:;…。！？।۔؟)\]}\"'”’»*`|$~>—-]\s*$|\d\s*$")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def without_code(text: str) -> str:
    """The text with code blanked out, every other character in its place."""
    return _CODE.sub(lambda match: " " * len(match[0]), text)


def arithmetic(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """Equalities that are wrong, and large products written down in one leap."""
    for match in _EQUALITY.finditer(without_code(answer)):
        left, right = match[1], float(match[2].replace(",", ""))
        value = _value(left)
        if value is None:
            continue
        if abs(value - right) > max(0.006 * max(1.0, abs(value)), 0.0051):
            yield "wrong_arithmetic", f"{match[0].strip()} is wrong: it makes {value:g}.", *match.span()
        elif _is_leap(left) and not _worked_before(answer, match.start()):
            message = "A large multiplication in one step teaches guessing; write the steps in between."
            yield "leap", message, *match.span()


def _value(expression: str) -> float | None:
    """The value of a sum of products of numbers, by the syntax tree; nothing is ever evaluated as code."""
    plain = expression.replace(",", "").replace("×", "*").replace("·", "*").replace("÷", "/")
    try:
        return _evaluate(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, OverflowError):
        return None


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    raise ValueError("not arithmetic")


def _is_leap(expression: str) -> bool:
    factors = re.findall(_NUMBER, expression) if re.search(r"[*×·]", expression) else []
    digits = [len(re.sub(r"[,.]", "", factor).rstrip("0")) for factor in factors]
    return len([d for d in digits if d > 1]) > 1 and sum(digits) >= _LEAP_DIGITS


def _worked_before(answer: str, at: int) -> bool:
    """Whether a sum or another product stands close before: the steps are there."""
    return bool(re.search(r"\d\s*[-+*×·]\s*\d", answer[max(0, at - 200) : at]))


def answer_before_working(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """A calculation whose result comes first and whose reasons come after."""
    if not _CALCULATION.search(prompt):
        return
    match = _ANSWER_FIRST.match(answer)
    if match:
        message = "The result stands before its working; put the working first and the result last."
        end = answer.find("\n") if "\n" in answer[:200] else min(len(answer), 80)
        yield "answer_first", message, 0, end


def counting(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """Letters or words counted at a glance."""
    if not _COUNT_QUESTION.search(prompt):
        return
    spelled = re.search(r"(?:\b\w\b[\s,:;()\d.-]+){3,}|(?:^|\n)\s*(?:\d+[.)]|[-*])\s", answer)
    if re.search(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten)\b", answer) and not spelled:
        yield (
            "count_leap",
            "Counting at a glance teaches guessing; spell it out one by one, then count.",
            0,
            min(len(answer), 80),
        )


def abilities(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """Claims of having browsed, remembered or lived."""
    for match in _ABILITIES.finditer(without_code(answer)):
        yield "ability", "A model cannot do or have done this; say only what it can.", *match.span()


def markup(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """Code fences that stay open, LaTeX that does not convert, HTML that shows as it is written."""
    fences = [match.start() for match in re.finditer(r"^\s{0,3}```", answer, re.MULTILINE)]
    if len(fences) % 2:
        yield "open_fence", "This code block is not closed; end it with ```.", fences[-1], len(answer)
        return
    prose = without_code(answer)
    for match in _MATHS.finditer(prose):
        if not _converts(match[1] or match[2]):
            yield "bad_maths", "This formula does not render; check its LaTeX in the preview.", *match.span()
    for match in _HTML.finditer(prose):
        yield "html", "HTML is shown as it is written; use Markdown.", *match.span()
        return


def _converts(source: str) -> bool:
    try:
        convert(source)
    except Exception:
        return False
    return source.count("{") - source.count(r"\{") == source.count("}") - source.count(r"\}")


def unfinished(answer: str, prompt: str) -> Iterator[tuple[str, str, int, int]]:
    """An answer that breaks off in the middle of a sentence."""
    text = answer.rstrip()
    last = text.rsplit("\n", 1)[-1].strip()
    looks_like_prose = len(last.split()) >= 6 and not re.match(r"(?:[-*+#>|]|\d+[.)])", last)
    if looks_like_prose and not _ENDING.search(text):
        yield "unfinished", "The last sentence seems to break off.", max(0, len(text) - 60), len(text)


RULES: tuple[Rule, ...] = (arithmetic, answer_before_working, counting, abilities, markup, unfinished)
MOST = 12
"""Findings shown of one demonstration; nobody reads more."""


def lint(messages: Sequence[Mapping[str, Any]], path: str = "messages") -> list[Finding]:
    """Findings in the assistant's turns of a conversation, in order."""
    found: list[Finding] = []
    prompt = ""
    for number, message in enumerate(messages):
        text = str(message.get("content") or "")
        if message.get("role") == "user":
            prompt = text
        elif message.get("role") == "assistant":
            found += _of_turn(text, prompt, f"{path}.{number}.content")
    return found[:MOST]


def _of_turn(text: str, prompt: str, path: str) -> list[Finding]:
    return [
        Finding("lint", code, message, path, start, end, text[start:end][:80], before=True)
        for rule in RULES
        for code, message, start, end in rule(text, prompt)
    ]
