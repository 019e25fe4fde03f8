"""Names and numbers on pages read as people write them."""

import pytest

from training.titles import title, value


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bits_per_byte", "Bits per byte"),
        ("grad_norm", "Gradient norm"),
        ("lora_rank", "LoRA rank"),
        ("kl", "KL"),
        ("fewshot", "Few-shot examples"),
        ("sums@1/pass@1", "sums@1/pass@1"),
    ],
)
def test_names(name: str, shown: str):
    assert title(name) == shown


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("memory", 1_233_555_456.0, "1.2\u00a0GB"),
        ("tokens", 393_216.0, "393,216"),
        ("loss", 6.17031, "6.17"),
        ("learning_rate", 0.0016712, "0.001671"),
        ("loss", None, "NaN"),
    ],
)
def test_values(name: str, number: float | None, shown: str):
    assert value(name, number) == shown
