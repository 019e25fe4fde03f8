"""The engine of a cluster: every item is a Ray task on whichever machine has a core free.

Inside its Ray task an item runs under the local engine with one worker, so that a crash or a
page that burns its CPU time is handled alike on one machine and on a hundred. The storage must be one
that all machines reach (an object store or a shared mount), and all run the same image.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from curation.pipeline.engines.base import Control, Failure, Listener, Outcome, Stopped, Watch, give
from curation.pipeline.engines.local import ATTEMPTS, CPU_LIMIT, LocalEngine
from tilth.errors import TilthError


@dataclass
class RayEngine:
    """Tasks on a Ray cluster (see :class:`curation.pipeline.engines.base.Engine`)."""

    control: Control
    address: str
    cpu_limit: float = CPU_LIMIT
    _ray: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            import ray
        except ImportError:
            raise TilthError(
                "the engine is ray but Ray is not installed; run `pip install tilth[ray]` or unset RAY_ADDRESS",
                code="no_ray",
            ) from None
        ray.init(address=self.address, ignore_reinit_error=True, log_to_driver=False)
        self._ray = ray

    def map(
        self,
        function: Callable[[Any, Watch], Any],
        items: Sequence[Any],
        *,
        on_done: Listener | None = None,
        on_news: Listener | None = None,
    ) -> Outcome:
        """Run the task for every item; Ray gives no news before an item is done."""
        remote = self._ray.remote(max_retries=ATTEMPTS)(run_one)
        outcome, waiting = Outcome(), list(enumerate(items))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            self._check_stop(list(running))
            while waiting and len(running) < max(1, self.control.workers()):
                position, item = waiting.pop()
                running[remote.remote(function, item, self.cpu_limit)] = position
            ready, _ = self._ray.wait(list(running), timeout=0.5)
            for reference in ready:
                self._collect(reference, running.pop(reference), outcome, on_done)
        return outcome

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()

    def _check_stop(self, running: list[Any]) -> None:
        if not self.control.stopping():
            return
        for reference in running:
            self._ray.cancel(reference, force=True)
        raise Stopped("stopped before the end; start it again to continue")

    def _collect(self, reference: Any, position: int, outcome: Outcome, on_done: Listener | None) -> None:
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            outcome.failed[position] = Failure(f"Ray lost the task: {error}", "worker_died", True, ATTEMPTS)
            return
        if isinstance(value, Failure):
            if value.code == "disk_full":
                raise TilthError(value.reason, code="disk_full", status=507, retryable=True)
            outcome.failed[position] = value
            return
        give(outcome, position, value, on_done)


def run_one(function: Callable[[Any, Watch], Any], item: Any, cpu_limit: float) -> Any:
    """One item under supervision of its own: the result, or the :class:`Failure`."""
    engine = LocalEngine(Control(workers=lambda: 1), cpu_limit)
    started = time.monotonic()
    try:
        outcome = engine.map(function, [item])
    except TilthError as error:
        return Failure(error.message, error.code, error.retryable)
    finally:
        engine.close()
    failure = outcome.failed.get(0)
    if failure:
        return Failure(
            f"{failure.reason} (after {time.monotonic() - started:.0f} s)", failure.code, failure.retryable
        )
    return outcome.results[0]
