"""One optimizer step after another, without waiting for the device: the loop's inner part.

The loss of a step is the mean over all its tokens, however they are cut into micro-batches and shared
among devices. Nothing random happens: dropout is off (the model stays in evaluation mode) and the order of
the data is a function of the step, so that weights, moments and the step number are all there is to resume.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import training.llm.lean  # noqa: F401

# isort: split
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedModel

from training.llm import schedule
from training.llm.configs.pretrain import PretrainConfig
from training.llm.hardware import Hardware
from training.llm.model import Loss, causal, embedding_rows
from training.llm.optimizer import adamw
from training.llm.ranks import Group

WHOLE_SHARE = 0.4
"""Scores of a micro-batch may take this share of a GPU's memory before they are computed in chunks."""


class Engine:
    """A model in training. ``done`` counts optimizer steps, of which there will be ``steps``."""

    def __init__(
        self, model: PreTrainedModel, config: PretrainConfig, hardware: Hardware, group: Group, steps: int
    ) -> None:
        self.model = causal(model, config.context)
        self.model.eval()
        nn.Module.to(self.model, hardware.device)
        self.config, self.hardware, self.group, self.steps = config, hardware, group, steps
        self.done = 0
        # One forward for training and validation, compiled once for windows of one shape.
        self.loss = _loss(self.model, config, hardware)
        self._parallel = _parallel(self.loss, hardware, group)
        self.optimizer = adamw(
            self.model, config.learning_rate, config.weight_decay, (config.beta1, config.beta2)
        )
        self._weights = list(self.model.parameters())
        self._scale = group.size / (config.batch * config.context)
        self.nats = torch.zeros((), dtype=torch.float64, device=hardware.device)
        self.norm = torch.zeros((), device=hardware.device)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        c = self.config
        return c.learning_rate * schedule.rate(step, self.steps, c.schedule, c.warmup, c.decay, c.final_rate)

    def step(self, windows: Tensor) -> None:
        """Train on this rank's windows of a step: int64 of (rows, context + 1), on the device.

        ``nats`` grows by this rank's summed loss and ``norm`` becomes the length of the gradient; both stay
        on the device.
        """
        for options in self.optimizer.param_groups:
            options["lr"] = self.rate(self.done)
        parts = windows.split(self.config.micro_batch)
        for number, part in enumerate(parts):
            last = number + 1 == len(parts)
            with self._together(last), self.hardware.autocast():
                nats = self._parallel(part[:, :-1].contiguous(), part[:, 1:].contiguous())
            with self._together(last):
                (nats * self._scale).backward()
            self.nats += nats.detach()
        self.norm = clip_grad_norm_(self._weights, self.config.clip or torch.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1

    def _together(self, last: bool) -> AbstractContextManager[None]:
        """Ranks add up their gradients in the last micro-batch alone."""
        if isinstance(self._parallel, DistributedDataParallel) and not last:
            return self._parallel.no_sync()
        return nullcontext()


class Feed:
    """Windows of one step after another, the next read while the device works on this one."""

    def __init__(self, read: Callable[[int], Tensor], hardware: Hardware) -> None:
        self._read, self._hardware = read, hardware
        self._pool = ThreadPoolExecutor(1, "feed")
        self._ahead: tuple[int, Future[Tensor]] | None = None

    def take(self, step: int) -> Tensor:
        """The step's windows on the device."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._pool.submit(self._fetch, step))
        found = self._ahead[1].result()
        self._ahead = (step + 1, self._pool.submit(self._fetch, step + 1))
        return found.to(self._hardware.device, non_blocking=True)

    def close(self) -> None:
        """Read no further."""
        self._pool.shutdown(cancel_futures=True)

    def _fetch(self, step: int) -> Tensor:
        found = self._read(step)
        return found.pin_memory() if self._hardware.is_gpu else found


def _loss(model: PreTrainedModel, config: PretrainConfig, hardware: Hardware) -> nn.Module:
    loss = Loss(model, _chunked(model, config, hardware))
    return cast(nn.Module, torch.compile(loss, dynamic=False)) if _compiled(config, hardware) else loss


def _compiled(config: PretrainConfig, hardware: Hardware) -> bool:
    return config.compile == "on" or (config.compile == "auto" and hardware.is_gpu)


def _chunked(model: PreTrainedModel, config: PretrainConfig, hardware: Hardware) -> bool:
    if config.cross_entropy != "auto":
        return config.cross_entropy == "chunked"
    capacity = hardware.capacity()
    scores = (
        config.micro_batch * config.context * embedding_rows(model) * 8
    )  # bf16, its gradient, fp32 for the softmax
    return capacity is not None and scores > WHOLE_SHARE * capacity


def _parallel(loss: nn.Module, hardware: Hardware, group: Group) -> nn.Module:
    if group.size == 1:
        return loss
    devices = [hardware.device] if hardware.is_gpu else None
    return DistributedDataParallel(
        loss, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True
    )
