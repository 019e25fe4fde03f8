"""Landlock: only the named folders may be read, only the scratch folder written; no TCP, no abstract sockets,
no signals outwards where the kernel's version of it knows them.

A second wall behind the mount view: it holds even where a path leads somewhere that nobody thought of.
"""

import ctypes
import os

from tilth.verify.sandbox import kernel

_CREATE, _ADD, _RESTRICT = (444, 444), (445, 445), (446, 446)
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_EXECUTE = 1 << 0
_DEVICE_NODES = 1 << 6 | 1 << 11  # making character and block devices


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """The kernel's Landlock version; ``OSError`` where it has none or it is switched off."""
    return kernel.syscall("landlock_create_ruleset", _CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def apply(*, readable: list[str], writable: list[str]) -> None:
    """Restrict this process and all it will start, for good; paths that do not exist are left out."""
    known = version()
    files = _file_rights(known)
    ruleset = _Ruleset(files, 0b11 if known >= 4 else 0, 0b11 if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    rules = kernel.syscall(
        "landlock_create_ruleset",
        _CREATE,
        ctypes.byref(ruleset),
        ctypes.c_size_t(size),
        ctypes.c_uint32(0),
    )
    try:
        for path in readable:
            _allow(rules, path, _READ_FILE | _READ_DIR)
        for path in writable:
            _allow(rules, path, files & ~(_EXECUTE | _DEVICE_NODES))
        kernel.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
        kernel.syscall("landlock_restrict_self", _RESTRICT, rules, ctypes.c_uint32(0))
    finally:
        os.close(rules)


def _file_rights(known: int) -> int:
    """Every right on files that this version knows: they are all denied unless allowed."""
    bits = 13 if known < 2 else 14 if known < 3 else 15 if known < 5 else 16
    return (1 << bits) - 1


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112  (pathlib is not loaded here)
            rights &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        beneath = _Beneath(rights, folder)
        kernel.syscall("landlock_add_rule", _ADD, rules, 1, ctypes.byref(beneath), ctypes.c_uint32(0))
    finally:
        os.close(folder)
