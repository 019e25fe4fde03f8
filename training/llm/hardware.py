"""What a run computes on: device, type of the arithmetic, the device's peak, memory in use."""

import resource
import sys
from dataclasses import dataclass

import torch

from tilth.errors import InvalidInput

PEAKS = {
    "B200": 2250e12,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "H800": 989.4e12,
    "GH200": 989.4e12,
    "A100": 312e12,
    "A800": 312e12,
    "A40": 149.7e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 6000 Ada": 364e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}
"""Dense bf16 FLOP/s with fp32 sums, from NVIDIA's data sheets; the first name found in the device's counts."""

FEW_FLOPS = 5e9


@dataclass(frozen=True, slots=True)
class Hardware:
    """One process's device. ``half`` says that products are bf16; weights are fp32 in any case."""

    device: torch.device
    half: bool

    @classmethod
    def choose(cls, precision: str, rank: int = 0) -> "Hardware":
        """This process's GPU, else the CPU; raises :class:`InvalidInput` where bf16 is asked for in vain."""
        if not torch.cuda.is_available():
            # CPUs compute bf16 mostly slower than fp32: only on request.
            return cls(torch.device("cpu"), precision == "bf16")
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        has_half = torch.cuda.is_bf16_supported(including_emulation=False)
        if precision == "bf16" and not has_half:
            raise InvalidInput("This GPU has no bf16: choose precision fp32 or auto.", field="precision")
        return cls(device, has_half and precision != "fp32")

    @property
    def is_gpu(self) -> bool:
        """Whether work is queued on the device and waiting for it costs time."""
        return self.device.type == "cuda"

    def autocast(self) -> torch.autocast:
        """The context of a forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def suit_threads(self, flops: float) -> None:
        """One thread on a CPU where a micro-batch takes few ``flops``: more would wait for each other.

        On a machine that others use as well, two threads were seen to take six times as long for a tiny model.
        """
        if not self.is_gpu and flops < FEW_FLOPS:
            torch.set_num_threads(1)

    def peak(self) -> float | None:
        """FLOP/s that the device promises for this arithmetic; ``None`` where that is not known."""
        if not self.is_gpu:
            return None
        return peak_of(torch.cuda.get_device_name(self.device), self.half)

    def memory(self) -> int:
        """The most bytes in use so far: of the GPU, else of this process."""
        if self.is_gpu:
            return torch.cuda.max_memory_allocated(self.device)
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def use(self) -> float | None:
        """The share of the last moments in which the GPU computed, as its driver says; ``None`` on a CPU."""
        return torch.cuda.utilization(self.device) / 100 if self.is_gpu else None

    def points(self) -> dict[str, float]:
        """What is in use, as points of curves."""
        use = self.use()
        return {"memory": float(self.memory())} | ({} if use is None else {"gpu_use": use})

    def capacity(self) -> int | None:
        """Bytes of the GPU's memory; ``None`` on a CPU."""
        return torch.cuda.get_device_properties(self.device).total_memory if self.is_gpu else None


def peak_of(name: str, half: bool) -> float | None:
    """A GPU's peak by its name; fp32 weights multiply as TF32, at half the rate of bf16."""
    for known in sorted(PEAKS, key=len, reverse=True):
        if known in name:
            return PEAKS[known] if half else PEAKS[known] / 2
    return None
