"""Verifiers: what they accept, and what a candidate tries against them."""

import json
import os
import threading

import pytest

from tilth.errors import InvalidInput
from tilth.verify import checker, python_harness, unit_cases
from tilth.verify.python_tests import code_of
from tilth.verify.sandbox import run as sandbox
from tilth.verify.sandbox.probe import PARTS, Host, SandboxRefused
from tilth.verify.verdict import Verdict
from tilth.verify.verifiers import VERIFIERS, Claim, check, check_all, verify, verify_all

needs_sandbox = pytest.mark.skipif(
    "bool(sandbox.detect().missing)", reason="this host refuses foreign programs"
)
TESTS = "assert candidate([3, 1, 2]) == [1, 2, 3]"
ARGS = {"tests": TESTS, "entry_point": "order", "seconds": 5}
RIGHT = "def order(xs):\n    return sorted(xs)\n"


def python(code: str, **args: object) -> bool:
    return verify(Claim(code, "", "python", {**ARGS, **args})).right


@pytest.mark.parametrize("name", [name for name in VERIFIERS if name != "python"])
def test_a_verifier_accepts_and_refuses_what_its_cases_say(name: str):
    assert unit_cases.failed([name]) == []
    assert {case.right for case in unit_cases.CASES[name]} == {True, False}


@needs_sandbox
def test_the_python_verifier_accepts_and_refuses_what_its_cases_say():
    assert unit_cases.failed(["python"]) == []


def test_where_the_sandbox_is_not_whole_no_program_runs(monkeypatch: pytest.MonkeyPatch):
    lacking = Host({part: "" if part != "seccomp" else "no seccomp" for part in PARTS})
    monkeypatch.setattr(sandbox, "detect", lambda: lacking)
    with pytest.raises(SandboxRefused):
        verify(Claim(RIGHT, "", "python", ARGS))


def test_a_hostile_pattern_costs_two_seconds_and_the_next_one_is_answered():
    hostile = Claim("a" * 40 + "!", r"(a|aa)+$", "regex")
    assert verify(hostile).note == "took longer than 2 s"
    assert verify(Claim("abc", "b", "regex")).right


def test_questions_of_several_threads_each_get_their_own_answer():
    wrong = []

    def ask(number: int) -> None:
        for k in range(20):
            claim = Claim(str(number), str(number if k % 2 else number + 10), "regex", {"whole": True})
            if verify(claim).right != bool(k % 2):
                wrong.append((number, k))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_fork_starts_a_checker_of_its_own():
    assert verify(Claim("a", "a", "regex")).right
    before = checker.shared._child
    pid = os.fork()
    if not pid:
        code = 1
        try:
            answered = verify(Claim("a", "b", "regex")).right is False
            other = checker.shared._child
            code = 0 if answered and other and before and other.pid != before.pid else 1
            checker.shared.stop()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert verify(Claim("a", "a", "regex")).right and checker.shared._child is before


def test_a_checker_that_was_killed_is_replaced():
    assert verify(Claim("a", "a", "regex")).right
    child = checker.shared._child
    assert child
    child.kill()
    child.wait()
    assert verify(Claim("a", "a", "regex")).right


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim("x", "(", "regex"), "no regular expression"),
        (Claim("x", r"\frac{", "math"), "cannot be read as mathematics"),
        (Claim("x", "x", "judge"), "no verifier 'judge'"),
        (Claim("x", "x", "exact", {"fuzzy": True}), "does not take fuzzy"),
        (Claim("x", "x", "exact", {"ignore_case": 1}), "does not take ignore_case"),
        (Claim("x", "x", "python", {}), "either tests or cases"),
        (Claim("x", "x", "python", {"tests": "assert 1"}), "entry_point names"),
        (Claim("x", "x", "python", {"tests": "assert 1", "entry_point": "a b"}), "entry_point names"),
        (Claim("x", "x", "python", {"cases": [{"stdin": ""}]}), "list of"),
        (Claim("x", "x", "python", {**ARGS, "seconds": 1e9}), "between"),
        (Claim("x", "x", "python", {**ARGS, "seconds": "1"}), "number"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(claim: Claim, words: str):
    with pytest.raises(InvalidInput, match=words):
        verify(claim)


def test_a_rows_arguments_are_read_from_json():
    row = {"answer": "7", "verifier": "exact", "verifier_args": '{"after": "="}'}
    assert verify(Claim.of("3 + 4 = 7", row)).right
    assert Claim.of("x", {"answer": "x"}).verifier == "exact"
    with pytest.raises(InvalidInput, match="JSON object"):
        Claim.of("x", {"answer": "x", "verifier_args": "[1]"})


def test_problems_are_tried_on_their_own_answer():
    rows = [
        {"answer": "7", "verifier": "math"},
        {"answer": "7", "verifier": "exact", "verifier_args": '{"after": "####"}'},
        {"answer": "(", "verifier": "regex"},
        {"answer": "blue and green", "verifier": "math"},
        {"answer": "x", "verifier": "nobody"},
    ]
    assert sorted(check_all(rows)) == [2, 3, 4]
    assert check(rows[0]) == ""


@needs_sandbox
def test_a_problem_of_programming_is_tried_on_its_solution():
    row = {"answer": RIGHT, "verifier": "python", "verifier_args": json.dumps(ARGS)}
    assert check(row) == ""
    assert "AssertionError" in check({**row, "answer": "def order(xs):\n    return xs"})


@needs_sandbox
@pytest.mark.parametrize(
    "attack",
    [
        "import os\nos._exit(0)",
        "raise SystemExit(0)",
        "def order(xs):\n    import os; os._exit(0)",
        "def order(xs):\n    raise SystemExit(0)",
        # one that equals everything
        "class Yes(list):\n    def __eq__(self, other): return True\n    __ne__ = lambda s, o: False\n"
        "def order(xs): return Yes()",
        # patches what the tests use
        "import builtins\nbuiltins.sorted = builtins.AssertionError = None\ndef order(xs): return xs",
        # looks for the tests in its own memory, files and descriptors
        "import os, gc\ntexts = [o for o in gc.get_objects() if isinstance(o, dict) and 'tests' in o]\n"
        "found = [t for t in texts if 'candidate(' in str(t.get('tests'))]\n"
        "for fd in range(64):\n"
        "    try:\n        if b'assert' in os.pread(fd, 9999, 0): found.append(fd)\n"
        "    except OSError: pass\n"
        "def order(xs): return sorted(xs) if found else None",
        # a module of the tests' imports
        "import time\nopen('colorsys.py', 'w').write('import os; os._exit(0)')\ndef order(xs): return None",
        # ends the tests
        "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\ndef order(xs): return None",
        # answers before it is asked
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"value\": 1}\\n')\n    except OSError: pass\n"
        "def order(xs): return None",
        "def order(xs):\n    while True: pass",
        "import os\ndef order(xs):\n    while True: os.fork()",
        "def order(xs): return object()",
        "",
    ],
)
def test_no_candidate_passes_without_the_answer(attack: str):
    tests = (
        "import time\nfirst = candidate\ntry:\n    first([0])\nexcept Exception:\n    pass\nimport colorsys\n"
        + TESTS
    )
    assert not python(attack, tests=tests, seconds=3)
    assert python(RIGHT, tests=tests)


@needs_sandbox
def test_calls_carry_plain_values_and_exceptions():
    code = (
        "def echo(*a, **k): return a, k\n"
        "def fail(name): raise {'V': ValueError, 'U': UnicodeDecodeError}[name]\n"
        "def count(n): return (i for i in range(n))\n"
    )
    tests = (
        "import math\n"
        "value = [1, 2.5, None, True, 'é', b'\\xff', (1,), {1, 2}, {(1, 2): [3]}, frozenset([1]), 1j, 10**5000]\n"
        "args, kwargs = echo(value, k=value)\n"
        "assert args == (value,) and kwargs == {'k': value} and type(args) is tuple\n"
        "assert math.isnan(echo(float('nan'))[0][0]) and echo(float('inf'))[0][0] == math.inf\n"
        "assert list(count(3)) == [0, 1, 2]\n"
        "for name in ('V', 'missing'):\n"
        "    try: fail(name)\n"
        "    except (ValueError, KeyError) as error: kind = type(error)\n"
        "    assert kind is (ValueError if name == 'V' else KeyError)\n"
        "try: fail('U')\n"
        "except Exception as error: assert 'required' in str(error) or 'takes' in str(error), error\n"
    )
    claim = Claim(code, "", "python", {"tests": tests, "entry_point": ["echo", "fail", "count"]})
    assert verify(claim) == Verdict(True)


@needs_sandbox
def test_tests_that_never_call_prove_nothing():
    assert verify(Claim(RIGHT, "", "python", {**ARGS, "tests": "assert True"})).note == (
        "the tests never called the candidate"
    )


@needs_sandbox
def test_a_program_is_judged_by_what_it_prints():
    args = {"cases": [{"stdin": "1 2\n", "stdout": "3"}, {"stdin": "5 5\n", "stdout": "10\n\n"}]}
    code = "a, b = map(int, input().split())\nprint(a + b, '')"
    verdicts = verify_all(
        [Claim(code, "", "python", args), Claim("3", "3", "exact"), Claim("print(3)", "", "python", args)]
    )
    assert [(v.right, v.note) for v in verdicts] == [
        (True, ""),
        (True, ""),
        (False, "case 2 prints something else"),
    ]


def test_code_is_taken_from_a_completion():
    assert code_of("Well:\n```python\na\n```\nor\n```\nb\n```\n") == "b\n"
    assert code_of("    return 1", "def f():\n", ["f"]) == "def f():\n    return 1"
    assert code_of("def f():\n    return 2", "def f():\n", ["f"]) == "def f():\n    return 2"


def test_a_value_that_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match="no plain value"):
        python_harness.plain([object()])
