"""Arithmetic that a model typed, worked out without running it: a small language, bounded in time and size.

The text is parsed as a Python expression, and only numbers, ``+ - * / // % **``, brackets and the named functions
are read; everything else is refused before anything is computed. Whole numbers stay exact. Sizes are known before
they are made: ``9**9**9`` is refused, not attempted.
"""

import ast
import math
import operator
from collections.abc import Callable

from tilth.errors import InvalidInput

LONGEST = 500
NODES = 200
BITS = 4096
"""Of the largest whole number that may come up."""

Number = int | float

_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_NAMES: dict[str, Number] = {"pi": math.pi, "e": math.e}


def _factorial(number: Number) -> int:
    if isinstance(number, float) or not 0 <= number <= 400:  # 400! has 2,888 bits
        raise InvalidInput("factorial takes a whole number from 0 to 400.")
    return math.factorial(number)


def _round(number: Number, digits: Number = 0) -> Number:
    if isinstance(digits, float) or abs(digits) > 100:
        raise InvalidInput("round takes a whole number of digits, at most 100.")
    return round(number, digits) if digits else round(number)


_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": math.gcd,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}


def calculate(text: str) -> str:
    """The value of an expression as text; raises :class:`InvalidInput` for whatever is none or too large."""
    if len(text) > LONGEST:
        raise InvalidInput(f"An expression has at most {LONGEST} characters.")
    written = (
        text.strip().rstrip("=").replace("^", "**").replace("×", "*").replace("÷", "/").replace("−", "-")
    )
    try:
        tree = ast.parse(written, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InvalidInput(f"“{text[:100]}” is no expression.") from None
    if sum(1 for _ in ast.walk(tree)) > NODES:
        raise InvalidInput(f"An expression has at most {NODES} parts.")
    try:
        return _shown(_value(tree.body))
    except ZeroDivisionError:
        raise InvalidInput("This divides by zero.") from None
    except (ArithmeticError, ValueError, TypeError):
        raise InvalidInput(f"“{text[:100]}” has no value.") from None


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _applied(type(op), _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
    raise InvalidInput(f"The calculator does not know {ast.unparse(node)[:50]}.")


def _applied(kind: type[ast.operator], left: Number, right: Number) -> Number:
    if kind is ast.Pow and isinstance(left, int) and isinstance(right, int):
        if abs(left) > 1 and abs(right) * left.bit_length() > BITS:
            raise InvalidInput(f"The calculator stops at numbers of {BITS} bits.")
        if abs(right) > BITS:  # of 0, 1 and -1
            right = right % 2 + 2 if right > 0 else -(right % 2 + 2)
    return _bounded(_OPERATORS[kind](left, right))


def _bounded(number: Number) -> Number:
    if isinstance(number, complex):
        raise InvalidInput("The calculator knows no square root of a negative number.")
    if isinstance(number, int) and number.bit_length() > BITS:
        raise InvalidInput(f"The calculator stops at numbers of {BITS} bits.")
    return number


def _shown(number: Number) -> str:
    """Whole numbers in full; others to 12 significant digits, so that 0.1 + 0.2 is 0.3."""
    return str(number) if isinstance(number, int) else f"{number:.12g}"
