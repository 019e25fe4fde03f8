"""One process a GPU: the job's program is rank 0 and starts the others in its own process group.

They are started here and not by torchrun because a job's program holds the pipe to its supervisor and is
killed with its whole group when that closes; a launcher in between would close the pipe. The other ranks
hold a pipe to rank 0 in the same way, so that none outlives it, and rank 0 ends with an error when one of
them dies, because a collective would wait for it for ever.

A rank runs ``python -m training.llm.ranks MODULE JOB_DIR`` and calls the stage's ``run`` like rank 0 does.
It reports nothing and ignores SIGTERM: rank 0 decides when all stop.
"""

import datetime
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tilth.errors import TilthError
from tilth.jobs.reporting import PIPE_VARIABLE, Reporter, watch_pipe
from tilth.storage import Storage
from training.llm.program import Workspace

COUNT_VARIABLE = "TILTH_RANKS"
"""How many processes train together, where that is not one for each GPU."""

_RANK, _SIZE = "TILTH_RANK", "TILTH_RANK_COUNT"
# Ranks wait for rank 0 while it saves or samples; a dead one is noticed by its process, not by the clock.
_PATIENCE = datetime.timedelta(days=1)
_DYING = 2.0
"""Seconds in which a rank whose connection broke is seen to have ended."""


@dataclass
class Group:
    """The processes that train one model; alone where ``size`` is one."""

    rank: int = 0
    size: int = 1
    _others: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    @property
    def leads(self) -> bool:
        """Whether this process reports and stores."""
        return self.rank == 0

    def decided(self, value: int) -> int:
        """Rank 0's ``value``, for all; the device is not waited for."""
        if self.size == 1:
            return value
        told = torch.tensor([value])
        dist.broadcast(told, 0)
        return int(told.item())

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    @contextmanager
    def watched(self) -> Iterator[None]:
        """For work done together: where it breaks because another rank died, that is the fault reported."""
        try:
            yield
        except RuntimeError as error:
            for rank, process in enumerate(self._others, 1):
                try:
                    status = process.wait(_DYING)
                except subprocess.TimeoutExpired:
                    continue
                raise _died(rank, self.size, status) from error
            raise

    def close(self) -> None:
        """Take leave of the others; rank 0 waits until they have ended."""
        if self.size == 1:
            return
        self._ending.set()
        dist.barrier()
        dist.destroy_process_group()
        for process in self._others:
            process.wait()


def count() -> int:
    """How many processes train together on this machine."""
    named = os.environ.get(COUNT_VARIABLE)
    return int(named) if named else max(1, torch.cuda.device_count())


def gather(work: Workspace, module: str) -> Group:
    """The group of this run: rank 0 starts the others, which come to the same place and join."""
    size = count() if work.rank == 0 else int(os.environ[_SIZE])
    group = Group(work.rank, size)
    if size == 1:
        return group
    # Ranks of one machine find each other by a file that nobody else can read; gloo by the loopback device.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    meeting = work.report.work_dir / "ranks"
    if group.leads:
        meeting.unlink(missing_ok=True)
        _start_others(work, group, module)
    gpu = torch.cuda.is_available()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpu else "gloo",
        store=dist.FileStore(str(meeting), size),
        rank=work.rank,
        world_size=size,
        timeout=_PATIENCE,
        device_id=torch.device("cuda", work.rank) if gpu else None,
    )
    return group


def _start_others(work: Workspace, group: Group, module: str) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)  # held to the end of this process and by nobody else
    for rank in range(1, group.size):
        environment = os.environ | {_RANK: str(rank), _SIZE: str(group.size), PIPE_VARIABLE: str(reading)}
        process = subprocess.Popen(
            [sys.executable, "-m", "training.llm.ranks", module, str(work.report.job_dir)],
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(reading,),
        )
        group._others.append(process)
        threading.Thread(target=_watch, args=(work.report, group, rank, process), daemon=True).start()
    os.close(reading)


def _watch(report: Reporter, group: Group, rank: int, process: "subprocess.Popen[bytes]") -> None:
    status = process.wait()
    if group._ending.is_set() and status == 0:
        return
    error = _died(rank, group.size, status)
    try:
        report.fail(error.message, error.code, error.retryable)
    except SystemExit:
        os._exit(1)  # the main thread waits in a collective that never comes


def _died(rank: int, size: int, status: int) -> TilthError:
    return TilthError(
        f"Process {rank} of {size} ended with status {status}; see the log.", "rank_died", retryable=True
    )


def _ignore(event: dict[str, Any]) -> None:
    """Rank 0 reports for all."""


def _workspace(job_dir: Path, rank: int) -> Workspace:
    config = json.loads((job_dir / "config.json").read_text())
    report = Reporter(
        config["params"],
        config["job"],
        config["attempt"],
        Storage(config["storage"]),
        config["prefix"],
        job_dir,
        _ignore,
    )
    return Workspace.of(report, rank)


def _main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    watch_pipe(int(os.environ.pop(PIPE_VARIABLE)))
    module, job_dir = sys.argv[1:]
    importlib.import_module(module).run(_workspace(Path(job_dir), int(os.environ[_RANK])))


if __name__ == "__main__":
    _main()
