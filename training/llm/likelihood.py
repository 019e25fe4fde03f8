"""How likely a model finds a text: log-probabilities of answers after their prompts, and bits per byte."""

from collections.abc import Sequence
from math import log
from typing import Any

import torch

BATCH = 8


def logprobs(
    model: Any, asked: Sequence[tuple[Sequence[int], Sequence[int]]], longest: int
) -> list[list[float]]:
    """Natural logarithms of the probability of each id of an answer after its prompt.

    ``asked`` are (prompt, answer) ids; a prompt is never empty. What is longer than ``longest`` loses its beginning,
    an answer's end always counts.
    """
    order = sorted(range(len(asked)), key=lambda number: len(asked[number][0]) + len(asked[number][1]))
    found: list[list[float]] = [[] for _ in asked]
    for first in range(0, len(order), BATCH):
        numbers = order[first : first + BATCH]
        for number, values in zip(numbers, _batch(model, [asked[n] for n in numbers], longest), strict=True):
            found[number] = values
    return found


def _batch(
    model: Any, asked: Sequence[tuple[Sequence[int], Sequence[int]]], longest: int
) -> list[list[float]]:
    texts = [[*prompt, *answer][-longest:] for prompt, answer in asked]
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts], device=model.device)
    mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=model.device)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    chosen = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[:, :, 0]
    rows = []
    for row, text, (_, answer) in zip(chosen.tolist(), texts, asked, strict=True):
        count = min(len(answer), len(text) - 1)  # what stands first in a window is not predicted
        rows.append(row[len(text) - 1 - count : len(text) - 1])
    return rows


def bits_per_byte(nats: float, size: int) -> float:
    """Summed negative log-likelihood of a text of ``size`` bytes, in bits a byte: comparable across tokenizers."""
    return nats / log(2) / size
