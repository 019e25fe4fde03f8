"""How well a model predicts held-out documents: bits per byte, which compares across tokenizers."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.llm.corpus import IGNORED, Corpus
from training.llm.engine import Engine


@dataclass(frozen=True)
class Measured:
    """Summed loss in nats over ``targets`` tokens, which are ``bytes`` of text."""

    nats: float
    targets: int
    bytes: int

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs for a byte of text."""
        return self.nats / math.log(2) / self.bytes

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.targets


class Validation:
    """The held-out documents of a corpus, cut into windows once."""

    def __init__(self, corpus: Corpus, end: int) -> None:
        self._parts = [(held, *held.windows(corpus.context, end)) for held in corpus.held]

    def __bool__(self) -> bool:
        return bool(self._parts)

    def measure(self, engine: Engine) -> dict[str, float]:
        """``bits_per_byte`` and ``validation_loss``; with several sources ``bits_per_byte/SOURCE`` as well."""
        nats = torch.stack([_nats(engine, inputs, targets) for _, inputs, targets in self._parts])
        found = [
            Measured(value, int((targets != IGNORED).sum()), held.bytes)
            for value, (held, _, targets) in zip(engine.group.summed(nats).tolist(), self._parts, strict=True)
        ]
        whole = Measured(
            *(sum(values) for values in zip(*((m.nats, m.targets, m.bytes) for m in found), strict=True))
        )
        measured = {"bits_per_byte": whole.bits_per_byte, "validation_loss": whole.loss}
        if len(found) > 1:
            for (held, _, _), part in zip(self._parts, found, strict=True):
                measured[f"bits_per_byte/{held.reference}"] = part.bits_per_byte
        return measured


@torch.no_grad()
def _nats(engine: Engine, inputs: np.ndarray, targets: np.ndarray) -> Tensor:
    """This rank's share of the summed loss, on the device; every micro-batch is full, so that shapes stay."""
    rows = engine.config.micro_batch
    own = range(engine.group.rank * rows, len(inputs), engine.group.size * rows)
    total = torch.zeros((), dtype=torch.float64, device=engine.hardware.device)
    for first in own:
        part = slice(first, first + rows)
        with engine.hardware.autocast():
            total += engine.loss(
                _filled(inputs[part], rows, 0).to(engine.hardware.device),
                _filled(targets[part], rows, IGNORED).to(engine.hardware.device),
            )
    return total


def _filled(windows: np.ndarray, rows: int, value: int) -> Tensor:
    fill = rows - len(windows)
    return torch.from_numpy(np.pad(windows, ((0, fill), (0, 0)), constant_values=value))
