"""A world of its own for one run: namespaces, a file system built from nothing, no privileges.

Started as root, the world is built with root's rights and then left for an unprivileged user; started by anybody
else, a user namespace lends the rights to build it. Either way nothing of them remains.
"""

import ctypes
import os

from tilth.verify.sandbox import kernel

FLAGS = {
    "user": 0x10000000,
    "mounts": 0x00020000,
    "network": 0x40000000,
    "pids": 0x20000000,
    "ipc": 0x08000000,
    "hostname": 0x04000000,
}
INNER_ID = 1000
"""The user and group that a program sees itself as."""

_NEW_ROOT = "/proc"
"""Where the new root is put together: a folder that every host has and from which nothing is taken."""
_REC, _PRIVATE, _BIND, _NOSUID, _NODEV, _NOEXEC = 0x4000, 1 << 18, 0x1000, 2, 4, 8
_PIVOT_ROOT, _MOUNT_SETATTR = (155, 41), (442, 442)
_DETACH = 2
SCRATCH = "/tmp"  # noqa: S108  (inside the sandbox's own root)
PROGRAM = "/program.py"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class _Attributes(ctypes.Structure):
    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("namespace", ctypes.c_uint64),
    ]


class View:
    """What a run sees: host folders read-only, some of them emptied, its program, an empty scratch folder."""

    def __init__(self, folders: list[str], hidden: list[str], program: bytes, disk: int, files: int) -> None:
        self.folders = folders
        self.hidden = hidden
        self.program = program
        self.disk = disk
        self.files = files


def enter(parts: frozenset[str], outer_id: int, view: View) -> None:
    """Leave the host's namespaces, build the view, stop being root; ``OSError`` where the host refuses.

    ``outer_id`` is the host's user for a program that root started. Processes started from here on are in the new
    PID namespace, the caller itself is not.
    """
    own_folder = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    flags = sum(FLAGS[part] for part in parts & FLAGS.keys())
    if os.geteuid() == 0:
        kernel.call("unshare", flags & ~FLAGS["user"])
        _furnish(parts, view, outer_id)
        _become(outer_id)
        if "user" in parts:
            kernel.call("unshare", FLAGS["user"])
            _map_ids(own_folder, outer_id, outer_id)
    else:
        user, group = os.geteuid(), os.getegid()
        kernel.call("unshare", flags)
        if "user" in parts:
            _map_ids(own_folder, user, group)
        _furnish(parts, view, INNER_ID)
    os.close(own_folder)


def _furnish(parts: frozenset[str], view: View, owner: int) -> None:
    if "mounts" in parts:
        build_root(view, owner)
    if "hostname" in parts:
        kernel.call("sethostname", b"sandbox", ctypes.c_size_t(7))


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(4, 1)  # PR_SET_DUMPABLE: else /proc/self stays root's and the map cannot be written


def _map_ids(own_folder: int, user: int, group: int) -> None:
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{INNER_ID} {user} 1"),
        ("gid_map", f"{INNER_ID} {group} 1"),
    ):
        file = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=own_folder)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def build_root(view: View, owner: int) -> None:
    """Make the view the whole file system: an empty memory disk with read-only folders and one scratch folder."""
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("tmpfs", _NEW_ROOT, "tmpfs", _NOSUID | _NODEV, "size=8m,nr_inodes=4096,mode=0755")
    for path in view.folders:
        _show(path)
    for path in view.hidden:
        _cover(path)
    for path in _DEVICES:
        _show(path)
    with open(f"{_NEW_ROOT}{PROGRAM}", "wb") as file:  # noqa: PTH123
        file.write(view.program)
    os.mkdir(f"{_NEW_ROOT}{SCRATCH}")  # noqa: PTH102
    options = f"size={view.disk},nr_inodes={view.files},mode=0700,uid={owner},gid={owner}"
    _mount("tmpfs", f"{_NEW_ROOT}{SCRATCH}", "tmpfs", _NOSUID | _NODEV | _NOEXEC, options)
    os.chdir(_NEW_ROOT)
    kernel.syscall("pivot_root", _PIVOT_ROOT, b".", b".")
    kernel.call("umount2", b".", _DETACH)
    os.chdir("/")
    _set_read_only("/", recursive=False)


def _show(path: str) -> None:
    """A file or folder of the host, read-only, at its own path; a link stays a link."""
    target = f"{_NEW_ROOT}{path}"
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    if os.path.islink(path):  # noqa: PTH114
        os.symlink(os.readlink(path), target)  # noqa: PTH211, PTH115
        return
    if os.path.isdir(path):  # noqa: PTH112
        os.mkdir(target, 0o755)  # noqa: PTH102
    elif os.path.exists(path):  # noqa: PTH110
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    else:
        return
    _mount(path, target, None, _BIND | _REC)
    if path not in _DEVICES:
        _set_read_only(target, recursive=True)


def _cover(path: str) -> None:
    """Lay an empty, read-only folder over one that is shown."""
    target = f"{_NEW_ROOT}{path}"
    if os.path.isdir(target):  # noqa: PTH112
        _mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, "size=4k,nr_inodes=2,mode=0755")
        _set_read_only(target, recursive=False)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    texts = [text.encode() if text else None for text in (source, target, kind, options)]
    kernel.call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def _set_read_only(path: str, *, recursive: bool) -> None:
    attributes = _Attributes(1 | 2 | 4)  # MOUNT_ATTR_RDONLY, NOSUID, NODEV
    kernel.syscall(
        "mount_setattr",
        _MOUNT_SETATTR,
        -100,  # AT_FDCWD
        path.encode(),
        ctypes.c_uint(0x8000 if recursive else 0),  # AT_RECURSIVE
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )


def drop_privileges() -> None:
    """Give up every capability for good and let no program that is started win any."""
    kernel.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    for capability in range(64):
        try:
            kernel.prctl(24, capability)  # PR_CAPBSET_DROP
        except OSError:
            break
    kernel.prctl(4, 0)  # PR_SET_DUMPABLE: nobody may look into this process
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    kernel.call("capset", header, (ctypes.c_uint32 * 6)())


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    kernel.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
