"""Check that states and checkpoints will fit: a run whose disk fills up loses what it learned since the last save."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tilth.storage import Storage
from training.llm.config import Config
from training.llm.preflight.result import Check, failed, passed, warned

STATE, MODEL = 12, 4
"""Bytes a parameter of a trainer's state (weights and two moments in fp32) and of an exported model."""
STATES = 3
"""Trainer states that lie in the storage at once: two are kept while the next is written."""
LORA = 0.05
"""A state of LoRA beside one of all weights, at most."""
FLOOR = 64 << 20
ROOM = 1.25


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a run keeps in the storage, and those that it has in its scratch folder at once."""

    storage: int
    scratch: int


def need(config: Config, parameters: int, steps: int | None) -> Need:
    """What a run of a model needs; while a state is written, the ones before are still there."""
    lora = getattr(config, "lora", False)
    state = int(parameters * STATE * (LORA if lora else 1))
    every, keep = getattr(config, "checkpoint_every", None), getattr(config, "keep", None)
    exported = (steps or 0) // every if every else 0
    if keep is not None:
        exported = min(exported, keep)
    model = parameters * MODEL
    return Need(FLOOR + STATES * state + (exported + 1) * model, FLOOR + state + model)


def disk(wanted: Need, storage: Storage, scratch: Path, free: Callable[[Path], int] | None = None) -> Check:
    """Compare what is needed with what is free, here and now; folders of one disk share it."""
    free = free or (lambda path: shutil.disk_usage(path).free)
    places = [(scratch, wanted.scratch, "the scratch folder")]
    if storage.is_local:
        root = Path(storage.path("x")).parent
        root.mkdir(parents=True, exist_ok=True)
        places.append((root, wanted.storage, "the storage"))
    by_disk: dict[int, list[tuple[Path, int, str]]] = {}
    for place in places:
        by_disk.setdefault(place[0].stat().st_dev, []).append(place)
    figures: dict[str, float | int | str] = {}
    short, close = [], []
    for shared in by_disk.values():
        names, needed = " and ".join(name for _, _, name in shared), sum(size for _, size, _ in shared)
        left = free(shared[0][0])
        figures[names] = f"{size(needed)} needed, {size(left)} free"
        if left < needed:
            short.append(names)
        elif left < needed * ROOM:
            close.append(names)
    if short:
        words = f"There is no room in {' and '.join(short)}: free some, or keep fewer checkpoints."
        return failed("disk", words, figures=figures)
    if close:
        return warned("disk", f"Room in {' and '.join(close)} is scarce.", figures=figures)
    return passed("disk", "There is room for states and checkpoints.", figures=figures)


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
