"""The tools that models use: the calculator's bounds, Python, search, and calls that fit nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.errors import InvalidInput
from tilth.verify.calculator import BITS, calculate
from tilth.verify.sandbox import run as sandbox
from tilth.verify.sandbox.probe import PARTS, Host, SandboxRefused
from tilth.verify.search import Index
from tilth.verify.tools import CALCULATOR, LONGEST, answer, python_tool, search_tool


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 * (4 + 5)", "27"),
        ("2^10", "1024"),
        ("7 // 2 + 7 % 2 - -1", "5"),
        ("1/3", "0.333333333333"),
        ("0.1 + 0.2", "0.3"),
        ("6 × 7 ÷ 2 − 1 =", "20"),
        ("sqrt(16) + round(2.567, 2)", "6.57"),
        ("factorial(20)", "2432902008176640000"),
        ("max(1, 2, 3) * gcd(12, 18)", "18"),
        ("(-1)**(10**9 + 1)", "-1"),
        ("0**(10**900)", "0"),
        ("1**(-10**900)", "1.0"),
        ("cos(pi)", "-1"),
    ],
)
def test_what_it_works_out(text: str, value: str):
    found = calculate(text)
    assert found == value or float(found) == float(value)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "2**4097",
        "10**10**10",
        "(10**1000) * (10**1000)",
        "factorial(10**9)",
        "factorial(-1)",
        "round(1.5, 10**9)",
        "1/0",
        "sqrt(-1)",
        "(-8)**0.5",
        "1e308 * 10 - exp(1000)",
        "log(0)",
        "sqrt('a')",
        "sqrt()",
        "gcd(0.5)",
        "min(*[1])",
        "round(number=1)",
        "__import__('os')",
        "().__class__",
        "[x for x in 'a']",
        "'a' * 9",
        "True + True",
        "1 if 1 else 2",
        "lambda: 1",
        "x",
        "1j",
        "",
        "(" * 400,
        "1+" * 240 + "1",
        "9" * 501,
        "2 3",
    ],
)
def test_what_it_refuses(text: str):
    with pytest.raises(InvalidInput):
        calculate(text)


@given(text=st.text(alphabet="0123456789+-*/%^().e minasqrtloge,", max_size=60))
def test_any_text_gives_a_number_or_is_refused(text: str):
    try:
        value = calculate(text)
    except InvalidInput:
        return
    assert len(value) <= BITS and (math.isfinite(float(value[:300])) or "inf" in value or "nan" in value)


@given(a=st.integers(-(10**30), 10**30), b=st.integers(-(10**30), 10**30))
def test_whole_numbers_are_exact(a: int, b: int):
    assert calculate(f"({a}) * ({b}) - ({a})") == str(a * b - a)


def test_a_call_is_answered_and_one_that_fits_nothing_is_told():
    tools = [CALCULATOR, search_tool(Index.of([]))]
    assert answer(tools, {"name": "calculator", "arguments": {"expression": "2+2"}}) == "4"
    assert answer(tools, {"name": "calculator", "arguments": {"expression": "1/0"}}).startswith("Error: This")
    assert "takes one text, expression" in answer(tools, {"name": "calculator", "arguments": {"x": "1"}})
    assert "takes one text" in answer(tools, {"name": "calculator", "arguments": "2+2"})
    assert "there are calculator, search" in answer(tools, {"name": "shell", "arguments": {}})
    assert CALCULATOR.schema["function"]["parameters"]["required"] == ["expression"]


@pytest.mark.skipif("bool(sandbox.detect().missing)", reason="this host refuses foreign programs")
def test_python_answers_with_what_it_prints_or_how_it_failed():
    tools = [python_tool()]

    def run(code: str) -> str:
        return answer(tools, {"name": "python", "arguments": {"code": code}})

    assert run("print(sum(range(10)))") == "45"
    assert "ZeroDivisionError" in run("1/0") and run("1/0").startswith("Error: error")
    long = run("print('a' * 5000)")
    assert len(long) < LONGEST + 100 and "3001 characters left out" not in long and "3000 characters" in long


def test_python_is_refused_where_the_sandbox_is_not_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        sandbox, "detect", lambda: Host({part: "" if part != "user" else "no" for part in PARTS})
    )
    with pytest.raises(SandboxRefused):
        answer([python_tool()], {"name": "python", "arguments": {"code": "print(1)"}})


def test_search_finds_rare_words_first():
    index = Index.of(
        [("a", "the cat and the dog"), ("b", "The Aardvark"), ("c", "the dog and the dog again"), ("d", "")]
    )
    assert [hit.id for hit in index.search("the aardvark")] == ["b", "a", "c"]
    assert [hit.id for hit in index.search("DOG", 1)] == ["c"]
    assert index.search("nothing here") == [] == Index.of([]).search("x")
    told = answer([search_tool(index)], {"name": "search", "arguments": {"query": "aardvark"}})
    assert told == "[b] The Aardvark"
    assert "Nothing" in answer([search_tool(index)], {"name": "search", "arguments": {"query": "zebra"}})


def test_the_score_is_bm25s():
    index = Index.of([("a", "x y"), ("b", "y y y y")])
    (hit,) = index.search("x")
    rarity = math.log(1 + (2 - 1 + 0.5) / 1.5)
    assert hit.score == pytest.approx(rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3)))
