"""Linux system calls that Python 3.11 has no wrapper for, by ctypes; each raises ``OSError``.

This and the modules that the launcher imports load on every run of the sandbox, so they keep to the cheap part
of the standard library.
"""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

MACHINES = ("x86_64", "aarch64")
"""Where the numbers of system calls are known."""


def machine() -> int:
    """Index into the pairs of system call numbers; raises ``OSError`` on another machine."""
    name = os.uname().machine
    if name not in MACHINES:
        raise OSError(f"system calls of {name} are not known here, only those of {' and '.join(MACHINES)}")
    return MACHINES.index(name)


def call(name: str, *arguments: object) -> int:
    """A function of the C library that answers −1 and sets errno when it fails."""
    return _checked(getattr(_libc, name)(*arguments), name)


def syscall(name: str, numbers: tuple[int, int], *arguments: object) -> int:
    """A system call by its number on (x86_64, aarch64)."""
    number = ctypes.c_long(numbers[machine()])
    return _checked(_libc.syscall(number, *arguments), name)


def prctl(option: int, value: int = 0) -> int:
    """``prctl`` with one number."""
    zero = ctypes.c_ulong(0)
    return call("prctl", option, ctypes.c_ulong(value), zero, zero, zero)


def _checked(result: int, name: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
