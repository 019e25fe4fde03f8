"""LaTeX to MathML with bounds, so that no formula can hang a page or grow without limit."""

import re
from html import escape, unescape
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element

MAX_CHARACTERS = 2_000
MAX_DEPTH = 24
_OPEN = re.compile(r"\\[{}]|\\left|\\right|\\begin|\\end|[{}]|\\[a-zA-Z]+|[\^_]")
_TAKES_ARGUMENT = frozenset(
    {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac", "\\sqrt", "\\binom", "\\overset", "^", "_"}
)


def depth(latex: str) -> int:
    """An upper bound of the nesting of a formula: open groups plus commands in a row that take arguments."""
    level = run = deepest = 0
    for match in _OPEN.finditer(latex):
        token = match[0]
        if token in {"{", "\\left", "\\begin"}:
            level += 1
        elif token in {"}", "\\right", "\\end"}:
            level, run = max(0, level - 1), 0
        elif token in _TAKES_ARGUMENT:
            run += 1
        deepest = max(deepest, level + run)
    return deepest


def to_mathml(latex: str, display: bool = False) -> str:
    """MathML of a formula, or its source in ``<code>`` where it is too large or cannot be read."""
    if len(latex) > MAX_CHARACTERS or depth(latex) > MAX_DEPTH:
        return as_source(latex)
    try:
        formula = convert_to_element(latex, display="block" if display else "inline")
    except Exception:
        # The converter raises whatever its parser stumbles over (IndexError, KeyError, its own classes);
        # all of them mean that this formula cannot be set, and the reader sees its source instead.
        return as_source(latex)
    # The converter writes symbols as character references and passes \text{} through raw: every text becomes
    # plain characters here and is escaped on the way out, so that \text{a < b} stays text.
    for element in formula.iter():
        element.text = unescape(element.text) if element.text else element.text
    return tostring(formula, encoding="unicode")


def as_source(latex: str) -> str:
    """A formula as its author typed it."""
    return f"<code>{escape(latex)}</code>"
