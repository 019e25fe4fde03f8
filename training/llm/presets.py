"""Named beginnings: settings of a stage that go together, to be changed from there. Light: no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tilth.errors import InvalidInput

DEFAULT = "default"
_SMOKE = {
    "steps": 20,
    "batch": 4,
    "micro_batch": 4,
    "validate_every": 10,
    "save_every": 10,
    "log_every": 1,
}


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings of one stage; what is not named has its default. ``gpus`` is how many devices a run takes."""

    name: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    gpus: int = 0


PRESETS: dict[str, tuple[Preset, ...]] = {
    "tokenizer": (
        Preset(DEFAULT, "32,768 tokens"),
        Preset(
            "smoke",
            "Smoke: 512 tokens in seconds",
            {"vocabulary": 512, "sample_bytes": 2_000_000, "measure_bytes": 200_000, "context": 64},
        ),
        Preset("small", "4,096 tokens, for a small model", {"vocabulary": 4096, "context": 1024}),
        Preset("large", "65,536 tokens, languages balanced", {"vocabulary": 65_536, "balance": True}),
    ),
    "pretrain": (
        Preset(
            "smoke",
            "Smoke: a tiny Llama on CPU, in a minute",
            {
                "depth": 2,
                "width": 64,
                "heads": 2,
                "context": 64,
                "batch": 8,
                "micro_batch": 8,
                "steps": 60,
                "learning_rate": 3e-3,
                "warmup": 0.1,
                "validation_share": 0.05,
                "validation_tokens": 4096,
                "validate_every": 20,
                "save_every": 20,
                "log_every": 1,
                "samples": 2,
                "sample_tokens": 24,
            },
        ),
        Preset(
            "small",
            "Small: a Llama of 4 layers on CPU, in minutes, that takes rows of 512 tokens",
            {
                "depth": 4,
                "width": 128,
                "heads": 4,
                "context": 512,
                "batch": 8,
                "micro_batch": 8,
                "steps": 300,
                "learning_rate": 2e-3,
                "warmup": 0.05,
                "validation_share": 0.05,
                "validation_tokens": 16_384,
                "validate_every": 50,
                "save_every": 100,
                "log_every": 2,
            },
        ),
        Preset("llama-12", "Llama-style, 12 layers, on one GPU", {"depth": 12}, gpus=1),
        Preset(
            "gpt2-124m",
            "GPT-2 124M on one GPU, 10 billion tokens",
            {"family": "gpt2", "depth": 12, "tokens": 10_000_000_000},
            gpus=1,
        ),
        Preset(
            "llama-20",
            "Llama-style, 20 layers, on one GPU, 10 billion tokens",
            {"depth": 20, "micro_batch": 16, "tokens": 10_000_000_000, "learning_rate": 4e-4},
            gpus=1,
        ),
    ),
    "sft": (
        Preset("smoke", "Smoke: twenty steps on CPU", {**_SMOKE, "learning_rate": 1e-3}),
        Preset("full", "All weights, one epoch, on one GPU", gpus=1),
        Preset(
            "lora",
            "LoRA, three epochs, on one GPU",
            {"lora": True, "learning_rate": 2e-4, "epochs": 3.0},
            gpus=1,
        ),
    ),
    "reward": (
        Preset("smoke", "Smoke: twenty steps on CPU", {**_SMOKE, "learning_rate": 1e-3}),
        Preset("full", "One epoch of comparisons, on one GPU", gpus=1),
    ),
    "dpo": (
        Preset("smoke", "Smoke: twenty steps on CPU", {**_SMOKE, "learning_rate": 1e-4}),
        Preset("full", "One epoch of comparisons, on one GPU", gpus=1),
    ),
    "grpo": (
        Preset(
            "smoke",
            "Smoke: twenty steps on CPU",
            {**_SMOKE, "learning_rate": 1e-4, "group": 4, "completion_tokens": 16},
        ),
        Preset(
            "word-problems",
            "Word problems with verifiers, on one GPU",
            {"batch": 256, "micro_batch": 32, "group": 16, "completion_tokens": 512},
            gpus=1,
        ),
    ),
}


def presets_of(stage: str) -> tuple[Preset, ...]:
    """A stage's presets, the first being the one to begin with; one of defaults alone where none are named."""
    return PRESETS.get(stage) or (Preset(DEFAULT, "Defaults"),)


def preset(stage: str, name: str = "") -> Preset:
    """A stage's preset by its name, the first one without a name; raises :class:`InvalidInput`."""
    known = {item.name: item for item in presets_of(stage)}
    if name and name not in known:
        raise InvalidInput(f"{stage} has no preset {name!r}; there are: {', '.join(known)}.", field="preset")
    return known[name] if name else presets_of(stage)[0]
