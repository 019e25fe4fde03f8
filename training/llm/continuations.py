"""What a model in training writes: beginnings continued at each checkpoint, always the same for a seed."""

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from transformers import GenerationConfig, PreTrainedModel

from training.llm.configs.pretrain import PretrainConfig
from training.llm.corpus import Corpus
from training.llm.hardware import Hardware
from training.llm.model import masked
from training.llm.vocabulary import Vocabulary

BEGINNING = 16
TEMPERATURE, TOP_K = 0.8, 50


@dataclass(frozen=True, slots=True)
class Continuation:
    """A beginning and what the model wrote after it; ``ended`` says that it came to an end by itself."""

    prompt: str
    text: str
    ended: bool

    def to_json(self) -> dict[str, str | bool]:
        """A JSON object."""
        return asdict(self)


def beginnings(config: PretrainConfig, corpus: Corpus, vocabulary: Vocabulary) -> list[list[int]]:
    """Token ids to continue: the lines of the settings, else the first tokens of held-out documents."""
    lines = [line for line in config.sample_prompts.splitlines() if line.strip()]
    if lines:
        found = [vocabulary.tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    else:
        held = [ids for part in corpus.held for ids in part.documents if len(ids) > BEGINNING]
        found = [ids[:BEGINNING].tolist() for ids in held]
    longest = max(1, config.context - 1 - config.sample_tokens)
    return [ids[:longest] for ids in found[: config.samples]]


def continued(
    model: PreTrainedModel,
    hardware: Hardware,
    vocabulary: Vocabulary,
    prompts: list[list[int]],
    tokens: int,
    seed: int,
) -> list[Continuation]:
    """The prompts, each continued by up to ``tokens`` tokens at temperature 0.8 among the 50 likeliest."""
    if not prompts:
        return []
    width = 1 + max(map(len, prompts))
    rows = torch.full((len(prompts), width), vocabulary.end)
    heeded = torch.zeros_like(rows)
    for row, prompt in enumerate(prompts):
        # As in training, a text follows the end of another.
        rows[row, width - len(prompt) :] = torch.tensor(prompt)
        heeded[row, width - len(prompt) - 1 :] = 1
    settings = GenerationConfig(
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=TOP_K,
        max_new_tokens=tokens,
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.end,
        suppress_tokens=list(range(vocabulary.size, model.config.vocab_size)) or None,
    )
    devices = [hardware.device] if hardware.is_gpu else []
    with masked(model), torch.random.fork_rng(devices), hardware.autocast():
        torch.manual_seed(seed)
        written = cast(Any, model).generate(
            rows.to(hardware.device),
            attention_mask=heeded.to(hardware.device),
            generation_config=settings,
        )
    return [
        _continuation(vocabulary, prompt, ids[width:])
        for prompt, ids in zip(prompts, written.tolist(), strict=True)
    ]


def _continuation(vocabulary: Vocabulary, prompt: list[int], ids: list[int]) -> Continuation:
    ended = vocabulary.end in ids
    text = ids[: ids.index(vocabulary.end)] if ended else ids
    decode = vocabulary.tokenizer.decode
    return Continuation(decode(prompt), decode(text), ended)
