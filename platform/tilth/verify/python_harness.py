"""Runs inside the sandbox: tests in this process, the candidate in a fork that serves its calls over a pipe.

The candidate never shares a process with the tests, so it can neither read them, nor patch what they use, nor
end them with success: the exit code of the process that ran the tests is the verdict. It is forked before the
tests are read; what goes between the two is JSON of plain values, built anew on each side, so that no object
of the candidate's (one that equals everything) ever meets a test. The scratch folder, in which the candidate may
write, is not on the tests' import path.

Standard library only: nothing else exists here. Exit codes: 0 all tests passed, 1 one failed, ``NO_CALL`` the
tests never called the candidate.
"""

import builtins
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

NO_CALL = 4


class CandidateFailed(Exception):
    """The candidate raised something that is no built-in exception, or gave no plain value."""


def main() -> None:
    """Serve in the fork, test in this process."""
    sys.set_int_max_str_digits(0)
    with open("candidate.py", encoding="utf-8") as file:  # noqa: PTH123
        source = file.read()
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]  # noqa: PTH109
    asked, ask = os.pipe()
    told, tell = os.pipe()
    if not os.fork():
        os.close(ask)
        os.close(told)
        _silence()
        serve(source, os.fdopen(asked), os.fdopen(tell, "w"))
        os._exit(0)
    os.close(asked)
    os.close(tell)
    code = test(json.load(sys.stdin), Candidate(os.fdopen(ask, "w"), os.fdopen(told)))
    sys.stderr.flush()
    os._exit(code)


def test(job: dict[str, Any], candidate: "Candidate") -> int:
    """Run the job's ``tests`` with its ``names`` bound to the candidate's functions; answers the exit code."""
    names: dict[str, Any] = {name: candidate.function(name) for name in job["names"]}
    names["candidate"] = names[job["names"][0]]
    try:
        # Not trusted, like the candidate: this whole program runs inside the sandbox's walls alone.
        exec(compile(job["tests"], "tests.py", "exec"), {"__name__": "tests", **names})  # noqa: S102
    except BaseException:
        traceback.print_exc(limit=-3)
        return 1
    return 0 if candidate.calls else NO_CALL


class Candidate:
    """The tests' side of the pipe."""

    def __init__(self, ask: TextIO, told: TextIO) -> None:
        self._ask = ask
        self._told = told
        self.calls = 0

    def function(self, name: str) -> Callable[..., Any]:
        """What stands for a function of the candidate's in the tests."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._ask.write(json.dumps([name, plain([list(args), kwargs])]) + "\n")
            self._ask.flush()
            line = self._told.readline()
            if not line:
                raise CandidateFailed("the candidate's process ended")
            reply = json.loads(line)
            if "error" in reply:
                raise _exception(str(reply["error"]), str(reply.get("message", "")))
            self.calls += 1
            return built(reply["value"])

        call.__name__ = name
        return call


def serve(source: str, asked: TextIO, tell: TextIO) -> None:
    """The candidate's side: load the source, answer calls until there are no more."""
    names: dict[str, Any] = {"__name__": "candidate"}
    broken: dict[str, Any] | None = None
    try:
        exec(compile(source, "candidate.py", "exec"), names)  # noqa: S102
    except BaseException as error:
        broken = _fault(error)
    for line in asked:
        name, arguments = json.loads(line)
        tell.write(json.dumps(broken or _answer(names, name, arguments)) + "\n")
        tell.flush()


def _answer(names: Mapping[str, Any], name: str, arguments: Any) -> dict[str, Any]:
    try:
        args, kwargs = built(arguments)
        return {"value": plain(names[name](*args, **kwargs))}
    except BaseException as error:
        return _fault(error)


def _fault(error: BaseException) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": str(error)[:500]}


def _exception(name: str, message: str) -> Exception:
    """A built-in exception of this name, so that tests can expect it."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except TypeError:  # such as UnicodeDecodeError, which wants more than a message
            pass
    return CandidateFailed(f"{name}: {message}")


def plain(value: Any) -> Any:
    """A value as JSON that keeps the kinds of containers apart; ``TypeError`` for anything but plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {"dict": [[plain(key), plain(inner)] for key, inner in value.items()]}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [plain(inner) for inner in value]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, Iterator | range):
        return {"iterator": [plain(inner) for inner in value]}
    raise TypeError(f"a {type(value).__name__} is no plain value")


def built(value: Any) -> Any:
    """The value that :func:`plain` wrote."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {built(key): built(item) for key, item in inner}
    if kind == "complex":
        return complex(*inner)
    if kind == "bytes":
        return inner.encode("latin-1")
    items = [built(item) for item in inner]
    return _BUILT[kind](items)


_BUILT: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "iterator": iter,
}


def _silence() -> None:
    """The candidate reads nothing and what it prints goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


if __name__ == "__main__":
    main()
