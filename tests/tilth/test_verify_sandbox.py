"""Programs that attack the sandbox from inside, and hosts that cannot build all of it.

Where this host cannot enforce every part, the attacks are replaced by the assertion that it refuses to run them.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tilth.errors import InvalidInput
from tilth.verify.sandbox import seccomp
from tilth.verify.sandbox.limits import MIB, Limits
from tilth.verify.sandbox.probe import PARTS, Host, SandboxRefused, probe
from tilth.verify.sandbox.run import Run, detect, run_many, run_python, start

ROOT = Path(__file__).resolve().parents[2]
SHORT = Limits(wall=8, cpu=3, memory=128 * MIB, disk=MIB)
FORKING = Limits(wall=8, cpu=3, memory=128 * MIB, disk=MIB, tasks=8, fork=True)


def run(source: str, limits: Limits = SHORT, **more):
    """Run where the host can; else see it refuse and end the test."""
    if detect().missing:
        with pytest.raises(SandboxRefused):
            run_python(source, limits=limits, **more)
        pytest.skip(f"this host runs {detect().level}: refused, as it must be")
    return run_python(source, limits=limits, **more)


def caught(source: str, limits: Limits = SHORT) -> str:
    """The name of the error that the source's last act met; its own code failing otherwise."""
    program = f"try:\n{_indent(source)}\nexcept BaseException as e: print(type(e).__name__, getattr(e, 'errno', None))\nelse: print('DONE')"
    outcome = run(program, limits)
    assert outcome.status == "ok", outcome
    return outcome.stdout.strip()


def _indent(source: str) -> str:
    return "\n".join(f"    {line}" for line in source.splitlines())


def test_a_program_reads_its_input_and_files_and_prints():
    outcome = run(
        "import os; print(input().upper(), open('a/b.txt').read(), os.getcwd(), __name__, flush=True)",
        stdin="hello\n",
        files={"a/b.txt": b"content"},
    )
    assert (outcome.status, outcome.exit_code, outcome.stdout) == ("ok", 0, "HELLO content /tmp __main__\n")
    assert 0 < outcome.seconds < 8
    assert MIB < outcome.peak_memory < 128 * MIB


def test_an_exception_and_an_exit_code_are_told_apart_from_success():
    failed = run("def f():\n    return 1 / 0\nf()")
    assert (failed.status, failed.exit_code) == ("error", 1)
    assert "return 1 / 0" in failed.stderr
    assert "launcher" not in failed.stderr
    assert run("import sys; sys.exit(3)").exit_code == 3
    assert run("exit()").status == "ok"
    assert run("x = (").stderr.count("SyntaxError") == 1


def test_the_standard_library_works_threads_and_asyncio_too():
    outcome = run(
        "import asyncio, threading, json, re, decimal, fractions, heapq, itertools, random, sqlite3, tempfile, zlib\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "async def main(): await asyncio.sleep(0.01); print('async')\n"
        "asyncio.run(main())\n"
        "with tempfile.TemporaryFile() as f: f.write(b'x')\n"
    )
    assert (outcome.status, outcome.stdout) == ("ok", "thread\nasync\n"), outcome


@pytest.mark.parametrize(
    ("loop", "status"),
    [
        ("while True: pass", "timeout"),
        ("import time; time.sleep(1e6)", "timeout"),
        ("import signal\nfor s in range(1, 64):\n  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass", "timeout"),
    ],
)  # fmt: skip
def test_what_never_ends_is_ended(loop: str, status: str):
    begun = time.monotonic()
    outcome = run(loop, Limits(wall=1.5, cpu=10))
    assert (outcome.status, outcome.exit_code) == (status, None)
    assert 1.4 < outcome.seconds < 4
    assert time.monotonic() - begun < 6


def test_cpu_time_ends_even_where_the_clock_allows_more():
    outcome = run("while True: pass", Limits(wall=20, cpu=1))
    assert outcome.status == "timeout"
    assert outcome.exit_code == -signal.SIGKILL
    assert outcome.seconds < 15


def test_memory_is_bounded():
    assert run("x = bytearray(1 << 30)").status == "memory"
    grown = run("x = []\nwhile True: x.append(bytearray(1 << 20))")
    assert grown.status == "memory"
    assert grown.peak_memory < 140 * MIB


def test_output_is_cut_and_its_flood_ended():
    outcome = run("while True: print('x' * 100000)", Limits(output=200_000))
    assert (outcome.status, len(outcome.stdout)) == ("output", 200_000)


def test_no_process_can_be_started_unless_allowed():
    assert caught("import os; os.fork()") == "PermissionError 1"
    assert caught("import os; os.execv('/bin/sh', ['sh'])").startswith(("PermissionError 1", "FileNotFound"))
    assert caught("import subprocess; subprocess.run(['/bin/true'])") == "PermissionError 1"


def test_a_fork_bomb_is_bounded_and_leaves_nothing():
    outcome = run(
        "import os\nn = 0\ntry:\n  while True:\n    if os.fork() == 0:\n      import time; time.sleep(60)\n    n += 1\n"
        "except BlockingIOError: print(n)",
        FORKING,
    )
    assert outcome.status == "ok", outcome
    assert 1 <= int(outcome.stdout) <= FORKING.tasks
    assert run("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", Limits(wall=1.5, fork=True)).status == "timeout"  # fmt: skip
    assert _launchers() == set()


def test_a_thread_bomb_is_bounded():
    outcome = run(
        "import threading, time\nn = 0\ntry:\n  while n < 500:\n    threading.Thread(target=time.sleep, args=(1,), daemon=True).start(); n += 1\n"
        "except RuntimeError: print(n)",
        Limits(tasks=8),
    )
    assert outcome.status == "ok", outcome
    assert 1 <= int(outcome.stdout) <= 8


def test_a_daemon_that_leaves_its_session_does_not_outlive():
    outcome = run(
        "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    for fd in range(64):\n"
        "      try: os.close(fd)\n      except OSError: pass\n    time.sleep(60)\n  os._exit(0)\n",
        FORKING,
    )
    assert outcome.status == "ok"
    assert _launchers() == set()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/1/environ", "/proc/self/maps", "/root", "/home", "/sys"]
)
def test_the_hosts_files_are_not_there(path: str):
    assert caught(f"open({path!r}).read()") in ("FileNotFoundError 2", "PermissionError 13")
    assert caught(f"import os; os.listdir({path!r})") in ("FileNotFoundError 2", "PermissionError 13")


def test_nothing_can_be_written_outside_the_scratch_folder():
    libraries = Path(os.__file__).parent
    for path in ("/x", "/program.py", "/usr/lib/x", f"{libraries}/os.py", f"{libraries}/x.py", "/dev/x"):
        assert caught(f"open({path!r}, 'w')") in ("PermissionError 13", "OSError 30"), path


def test_links_lead_nowhere():
    assert caught("import os; os.symlink('/etc/passwd', 'a'); open('a').read()").startswith(("File", "Perm"))
    assert caught("import os; os.symlink('/', 'r'); open('r/../etc/passwd').read()").startswith(
        ("File", "Perm")
    )
    assert caught("import os; os.link('/program.py', 'p')") in ("OSError 18", "PermissionError 13")
    assert caught("open('/tmp/../../../../etc/passwd').read()").startswith(("File", "Perm"))


def test_the_scratch_folder_cannot_be_filled_beyond_its_size():
    filled = caught(
        "import os\nfor i in range(100):\n  with open(f'{i}', 'wb') as f: f.write(bytes(100_000))"
    )
    assert filled == "OSError 28"
    assert caught("for i in range(10_000): open(f'{i}', 'w')") == "OSError 28"
    big = run("open('x', 'wb').write(bytes(8 << 20))")
    assert big.status in ("error", "killed")


def test_nothing_is_left_from_the_run_before():
    run("open('left', 'w').write('x')")
    assert run("import os; print(os.listdir('.'))").stdout == "[]\n"


@pytest.mark.parametrize(
    "attack",
    [
        "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        "import socket; socket.socket(socket.AF_INET6)",
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{path}')",
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0tilth-test-{port}')",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    ],
)
def test_there_is_no_network(attack: str, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind(f"\0tilth-test-{port}")
            abstract.listen()
            assert caught(attack.format(port=port, path=tmp_path / "s")) == "PermissionError 1"


def test_without_seccomp_the_other_walls_still_keep_the_network_out():
    if detect().missing:
        pytest.skip("needs the whole sandbox")
    weak = detect().parts - {"seccomp"}
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0tilth-test-weak")
        abstract.listen()
        source = "import socket\nfor f, a in ((socket.AF_INET, ('192.0.2.1', 9)), (socket.AF_UNIX, '\\0tilth-test-weak')):\n  try: socket.socket(f, socket.SOCK_STREAM).connect(a)\n  except OSError: pass\n  else: print('open', a)"
        assert start(Run(source=source), weak).stdout == ""


def test_the_parents_environment_and_descriptors_are_not_inherited(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("TILTH_SECRET", "do not tell")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = run(
            "import os, gc\nprint(sorted(os.environ))\n"
            "for fd in range(3, 1024):\n"
            "  try: os.write(fd, b'x'); print('wrote', fd)\n"
            "  except OSError: pass\n"
        )
    assert outcome.stdout == "['HOME', 'LANG', 'TMPDIR']\n"
    assert (tmp_path / "open").read_text() == ""


def test_project_and_site_packages_cannot_be_imported():
    for module in ("tilth", "django", "numpy", "pip"):
        assert caught(f"import {module}") == "ModuleNotFoundError None"
    added = f"import sys; sys.path[:0] = [{str(ROOT / 'platform')!r}, {sys.prefix!r}]; import tilth"
    assert caught(added) == "ModuleNotFoundError None"


def test_it_cannot_kill_trace_or_limit_others():
    attack = "import os\nfor s in (9, 15, 2, 19):\n  try: os.kill(1, s)\n  except PermissionError: pass\nprint(os.getppid())"
    assert run(attack).stdout == "1\n"
    if not detect().missing:
        assert start(Run(source=attack), detect().parts - {"landlock", "seccomp"}).stdout == "1\n"
    assert caught(f"import os; os.kill({os.getpid()}, 9)") == "ProcessLookupError 3"
    assert caught("import resource; resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))") == "PermissionError 1"
    assert caught("import os\nfor i in range(20): os.kill(-1, 15)") in ("DONE", "ProcessLookupError 3", "PermissionError 1")  # fmt: skip


@pytest.mark.parametrize(
    "call",
    ["ptrace(16, 1, 0, 0)", "mount(b'none', b'/tmp', b'tmpfs', 0, 0)", "unshare(0x10000000)", "setuid(0)",
     "umount2(b'/tmp', 2)", "chroot(b'/')", "prctl(4, 1, 0, 0, 0)", "setns(0, 0)", "personality(0xffffffff)"],
)  # fmt: skip
def test_system_calls_of_power_are_refused(call: str):
    source = f"import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nprint(c.{call}, ctypes.get_errno())"
    assert run(source).stdout.split() in (["-1", "1"], ["-1", "38"])


def test_without_seccomp_power_is_refused_as_well():
    """It has no capability, and none can be won back."""
    if detect().missing:
        pytest.skip("needs the whole sandbox")
    source = "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nprint(c.mount(b'n', b'/tmp', b'tmpfs', 0, 0), c.setuid(0), c.ptrace(16, 1, 0, 0), c.sethostname(b'x', 1))"
    assert start(Run(source=source), detect().parts - {"seccomp"}).stdout == "-1 -1 -1 -1\n"


def test_it_is_never_root():
    assert run("import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups())").stdout.startswith(
        "1000 1000 1000"
    )


def test_kill_minus_nine_of_the_parent_leaves_nothing_behind():
    if detect().missing:
        pytest.skip("needs the whole sandbox")
    program = "from tilth.verify.sandbox.run import detect, run_python\nfrom tilth.verify.sandbox.limits import Limits\ndetect(); print('probed', flush=True)\nrun_python('import time, signal; signal.signal(15, signal.SIG_IGN); time.sleep(50)', limits=Limits(wall=60))"
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "probed\n"
        _until(lambda: len(_launchers(parent.pid)) == 3)
        time.sleep(0.5)
        inside = _launchers(parent.pid)
    finally:
        parent.kill()
        parent.wait()
    assert len(inside) == 3
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))


def _launchers(parent: int | None = None) -> set[int]:
    """Living processes that ``parent`` (default: this one) started for its runs, by the argument that names it."""
    wanted = str(parent or os.getpid()).encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b"sandbox.launcher" in word for word in words) and wanted in words:
            found.add(int(folder.name))
    return found


def _until(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def test_many_runs_keep_their_order_and_share_nothing():
    if detect().missing:
        pytest.skip("needs the whole sandbox")
    runs = [Run(source=f"open('x', 'w').write('1'); print({i})") for i in range(12)]
    assert [outcome.stdout for outcome in run_many(runs, workers=4)] == [f"{i}\n" for i in range(12)]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_host_without_a_part_refuses_and_names_it(part: str):
    host = Host({part: "switched off"})
    with pytest.raises(SandboxRefused, match=rf"{part}: .*switched off.*docs/sandbox.md"):
        run_python("print(1)", host=host)
    with pytest.raises(SandboxRefused):
        run_python("print(1)", host=host, allow=frozenset(PARTS) - {part})
    assert host.require(frozenset({part})) == frozenset(PARTS) - {part}
    assert host.level == f"without {part}"


def test_a_part_that_is_allowed_to_be_missing_is_left_out_and_the_rest_holds():
    if detect().missing:
        pytest.skip("needs the whole sandbox")
    for part in ("landlock", "seccomp", "hostname", "ipc"):
        host = Host({part: "switched off"})
        assert run_python("print(1)", host=host, allow=frozenset({part})).stdout == "1\n"


def test_probing_finds_a_wall_that_does_not_hold():
    """The probes are programs that attack; with a launcher that leaves a part out, each finds its own gone."""
    if detect().missing:
        pytest.skip("needs the whole sandbox")

    def leaky(part):
        return lambda source, parts, limits: start(Run(source=source, limits=limits), parts - {part})

    for part in set(PARTS) - {"user"}:
        assert part in probe(leaky(part)).missing, part
    assert detect().level == "full"


def test_bad_names_and_limits_are_refused():
    for name in ("/etc/x", "../x", "a/../../x", "", "a\0b", "a//b"):
        with pytest.raises(InvalidInput, match="file name"):
            run_python("", files={name: b""})
    with pytest.raises(InvalidInput, match="wall"):
        Limits(wall=0)
    with pytest.raises(InvalidInput, match="no part"):
        run_python("", allow=frozenset({"walls"}))


@pytest.mark.parametrize("machine", [0, 1])
def test_the_filter_is_well_formed_on_both_machines(machine: int):
    code = seccomp.build(machine, fork=False)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 4096
    assert len(seccomp._numbers(seccomp.ALLOWED, machine)) == len(
        set(seccomp._numbers(seccomp.ALLOWED, machine))
    )
    assert not set(seccomp._numbers(seccomp.ALLOWED, machine)) & set(
        seccomp._numbers(seccomp.REFUSED, machine)
    )


def test_nothing_stays_in_the_temporary_folder(monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        result = start(
            Run(source="open('x', 'w').write('x'); print('written')"), frozenset({"user", "limits"})
        )
        assert result.stdout == "written\n"
        assert not list(Path(folder).iterdir())
