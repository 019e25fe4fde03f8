"""Which GPUs this machine has: NVIDIA's own library, or devices declared by ``TILTH_DEVICES``."""

import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

import pynvml
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Device:
    """One device: ``id`` is unique among all hosts, ``index`` is what CUDA is told, memory is in bytes."""

    id: str
    index: str
    name: str
    memory: int = 0

    def to_json(self) -> dict[str, Any]:
        """The form kept in the worker's row."""
        return asdict(self)


def discover() -> list[Device]:
    """This machine's devices. ``TILTH_DEVICES=pretend:2`` declares two that do not exist; ``none`` hides all."""
    declared = os.environ.get("TILTH_DEVICES", "")
    if declared == "none":
        return []
    return _pretended(declared) if declared else _from_nvidia()


def _pretended(declared: str) -> list[Device]:
    word, _, count = declared.partition(":")
    if word != "pretend" or not count.isdecimal():
        raise ImproperlyConfigured(f"TILTH_DEVICES must be none or pretend:N, not {declared!r}")
    host = socket.gethostname()
    return [Device(f"{host}/pretend-{n}", str(n), f"Pretended device {n}") for n in range(int(count))]


def _from_nvidia() -> list[Device]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        # No driver or no card: a machine for CPU work.
        return []
    try:
        return [_nvidia_device(n) for n in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _nvidia_device(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    identity = str(pynvml.nvmlDeviceGetUUID(handle))
    name = str(pynvml.nvmlDeviceGetName(handle))
    memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    return Device(identity, identity, name, memory)
