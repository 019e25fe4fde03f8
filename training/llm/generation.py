"""Writing with a model: completions of prompts given as ids, in batches, the same for the same seed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
import torch
from transformers import GenerationConfig

from training.llm.chat import Chat
from training.llm.chat_template import Message
from training.llm.program import Workspace
from training.llm.student import WRITES, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn; temperature 0 takes the likeliest, ``top_k`` 0 sets no limit. Named as in ``sampling``
    of ``completions`` rows."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256
    seed: int = 0

    def of_round(self, number: int, room: int) -> "Sampling":
        """The same for a later turn (from 0) of a completion that has room for so many tokens."""
        return replace(self, max_tokens=room, seed=self.seed + number)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def loaded(folder: Path, kind: Kind = WRITES) -> Any:
    """A model to use and not to train: on the device, in bf16 where that has it."""
    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else torch.float32
    return kind.load(folder, dtype=dtype).eval().to("cuda" if cuda else "cpu")


def write(
    model: Any, prompts: Sequence[Sequence[int]], stops: Sequence[int], pad: int, sampling: Sampling
) -> list[list[int]]:
    """What the model writes after each prompt, with the stop where it came to one."""
    width = max(map(len, prompts))
    ids = [[*[pad] * (width - len(prompt)), *prompt] for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    greedy = sampling.temperature == 0
    drawing = (
        {}
        if greedy
        else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    )
    settings = GenerationConfig(
        do_sample=not greedy,
        max_new_tokens=sampling.max_tokens,
        eos_token_id=list(stops),
        pad_token_id=pad,
        **drawing,
    )
    with torch.no_grad(), own_random_numbers(sampling.seed):
        written = model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            generation_config=settings,
        )
    return [_until_stop(row, stops) for row in written[:, width:].tolist()]


def samples(
    model: Any, chat: Chat, asked: Sequence[Sequence[Message]], stops: Sequence[int], pad: int, tokens: int
) -> list[dict[str, Any]]:
    """What a model in training answers now by its likeliest tokens: ``prompt``, ``text``, whether it ``ended`` itself.

    Prompts that leave no room for ``tokens`` are left out.
    """
    was_training = model.training
    model.eval()
    try:
        prompts = [chat.encode(messages, prompt=True) for messages in asked]
        room = longest(model) - tokens
        prompts = [prompt for prompt in prompts if len(prompt.ids) <= room]
        if not prompts:
            return []
        sampling = Sampling(temperature=0, max_tokens=tokens)
        written = write(model, [prompt.ids for prompt in prompts], stops, pad, sampling)
    finally:
        model.train(was_training)
    return [
        {
            "prompt": prompt.text,
            "text": chat.tokenizer.decode(_without_stop(ids, stops), skip_special_tokens=False),
            "ended": ids[-1] in stops,
        }
        for prompt, ids in zip(prompts, written, strict=True)
    ]


def longest(model: Any) -> int:
    """Tokens that a model takes at most."""
    return int(model.config.get_text_config().max_position_embeddings)


def asked(work: Workspace, count: int) -> list[list[Message]]:
    """The first prompts of a run's validation versions, where it has none of its training versions."""
    found: list[list[Message]] = []
    for source in work.spec.with_role("validation") or work.spec.with_role("train"):
        if len(found) >= count:
            break
        for row in work.inputs.rows(source):
            if len(found) >= count:
                break
            found.append(before_answer(row["prompt"] if "prompt" in row else row["messages"]))
    return found


def before_answer(messages: Sequence[Message]) -> list[Message]:
    """The messages up to the first that an assistant wrote."""
    roles = [message["role"] for message in messages]
    return list(messages[: roles.index("assistant") if "assistant" in roles else None])


def _until_stop(ids: list[int], stops: Sequence[int]) -> list[int]:
    end = next((place for place, id in enumerate(ids) if id in stops), len(ids) - 1)
    return ids[: end + 1]


def _without_stop(ids: list[int], stops: Sequence[int]) -> list[int]:
    return ids[:-1] if ids[-1] in stops else ids


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw from a seed and leave the process's own random numbers as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
