"""How completions are sampled while a model is rewarded: prompts by our template, and turns with tools.

TRL writes prompts by the tokenizer's template and reads answers as text; here both go by tokens, as everywhere.
With tools, a completion goes on after each answer of a tool; what a tool says is no word of the model's and is
left out of the loss.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tilth.verify.tools import Tool
from training.llm.chat import Chat
from training.llm.configs.grpo import GrpoConfig
from training.llm.trl_adapter import ours
from training.llm.turns import Turns, play


def sampler(trainer: type, chat: Chat) -> Any:
    """A TRL trainer for RL whose prompts are JSON messages, encoded by ``chat``."""

    class Sampler(ours(trainer, ordered=False)):  # type: ignore[misc]
        def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
            return [chat.encode(json.loads(prompt), prompt=True).ids for prompt in prompts], None, {}

    Sampler.__name__ = trainer.__name__
    return Sampler


def with_tools(
    chat: Chat, tools: Sequence[Tool], config: GrpoConfig
) -> Callable[[list[str], Any], dict[str, Any]]:
    """TRL's ``rollout_func``: completions of several turns. ``env_mask`` is 1 where the model wrote, ``final``
    holds what it wrote last."""

    def roll(prompts: list[str], trainer: Any) -> dict[str, Any]:
        def write(asked: list[list[int]], room: int, number: int) -> list[list[int]]:
            written: list[list[int]] = trainer._generate_single_turn(
                asked, None, {}, trainer.num_generations
            )[0]
            return written

        turns = [Turns(chat, tools, json.loads(prompt), config.completion_tokens) for prompt in prompts]
        play(turns, config.tool_rounds, write)
        return {
            "prompt_ids": [one.prompt for one in turns],
            "completion_ids": [one.body for one in turns],
            "logprobs": None,
            "env_mask": [one.mask for one in turns],
            "final": [one.final for one in turns],
        }

    return roll
