"""Tiny real things for the stages after pretraining: a model of two layers, conversations, pairs, problems."""

from pathlib import Path
from typing import Any

import torch

from tests.training.conftest import NOUNS, VERBS, sentences
from tilth.storage import Storage
from training.llm import pretokens, sizes
from training.llm.chat_template import TEMPLATE
from training.llm.checkpoints import Checkpoint, store
from training.llm.model import build
from training.llm.record import template_hash, tokenizer_hash
from training.llm.spec import Part
from training.llm.special_tokens import END_OF_TEXT, PAD

CONTEXT = 512


def make_tokenizer(folder: Path, template: str | None = TEMPLATE) -> None:
    """A tokenizer of 320 tokens that has read sentences and sums."""
    texts = [*sentences(60), *(f"{a} + {b} = {a + b}" for a in range(10) for b in range(10))]
    pretokens.save(pretokens.train(texts, 320), folder, CONTEXT, template=template)


def make_model(folder: Path, width: int = 32, seed: int = 1, family: str = sizes.LLAMA) -> None:
    """A model of two layers beside the tokenizer in ``folder``."""
    tokenizer = pretokens.load(folder)
    rows = tokenizer.get_vocab_size()
    shape = sizes.llama(vocabulary=rows, depth=2, context=CONTEXT, width=width, heads=2, ffn=2 * width)
    if family == sizes.GPT2:
        shape = sizes.gpt2(vocabulary=rows, depth=2, context=CONTEXT, width=64)
    torch.manual_seed(seed)
    build(shape, tokenizer.token_to_id(END_OF_TEXT), tokenizer.token_to_id(PAD)).save_pretrained(folder)


def put(storage: Storage, folder: Path, run: int, **more: Any) -> Part:
    """A folder as the stored checkpoint ``checkpoint:<run>/0``."""
    checkpoint = Checkpoint(
        run=run,
        step=0,
        stage="pretrain",
        holds="model",
        tokenizer_hash=tokenizer_hash(folder),
        template_hash=template_hash(folder),
        licence="CC0-1.0",
        **more,
    )
    stored = store(storage, folder, checkpoint, 1)
    return Part(stored.reference, stored.folder)


def conversations(count: int) -> list[dict[str, Any]]:
    """What does the x do? - It verbs."""
    rows = []
    for n in range(count):
        noun, verb = NOUNS[n % 12], VERBS[n % 8]
        question = f"Story {n}. What does the {noun} do?"
        rows.append(
            {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": f"The {noun} {verb}."},
                ]
            }
        )
    return rows


def pairs(count: int) -> list[dict[str, Any]]:
    """Polite answers are better than rude ones, by strength."""
    rows = []
    for n in range(count):
        noun = NOUNS[n % 12]
        rows.append(
            {
                "prompt": [{"role": "user", "content": f"Story {n}. Tell me of the {noun}."}],
                "chosen": [{"role": "assistant", "content": f"The {noun} likes the garden."}],
                "rejected": [{"role": "assistant", "content": f"{noun}, stone {noun}!"}],
                "strength": n % 3 + 1,
                "group": f"g{n}",
            }
        )
    return rows
