"""How completions are sampled while a model is rewarded: prompts by our template, and turns with tools.

TRL writes prompts by the tokenizer's template and reads answers as text; here both go by tokens, as everywhere.
With tools, a completion goes on after each answer of a tool; what a tool says is no word of the model's and is
left out of the loss.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilth.verify.tools import Tool, answer
from training.llm.chat import Chat
from training.llm.configs.grpo import GrpoConfig
from training.llm.trl_adapter import ours

Messages = Sequence[Mapping[str, Any]]


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
        turns = [_Turns(chat, tools, json.loads(prompt), config.completion_tokens) for prompt in prompts]
        going = turns
        for left in range(config.tool_rounds, -1, -1):
            if not going:
                break
            asked = [one.prompt + one.body for one in going]
            written, _ = trainer._generate_single_turn(asked, None, {}, trainer.num_generations)
            going = [one for one, ids in zip(going, written, strict=True) if one.add(ids, bool(left))]
        return {
            "prompt_ids": [one.prompt for one in turns],
            "completion_ids": [one.body for one in turns],
            "logprobs": None,
            "env_mask": [one.mask for one in turns],
            "final": [one.final for one in turns],
        }

    return roll


class _Turns:
    """One completion as it grows: ``body`` of at most ``longest`` ids, ``mask`` 1 where the model wrote."""

    def __init__(self, chat: Chat, tools: Sequence[Tool], messages: Messages, longest: int) -> None:
        self.chat, self.tools, self.longest = chat, tools, longest
        self.schemas = [tool.schema for tool in tools]
        self.messages = list(messages)
        self.prompt = chat.encode(messages, self.schemas, prompt=True).ids
        self.body: list[int] = []
        self.mask: list[int] = []
        self.final: list[int] = []

    def add(self, ids: Sequence[int], may_call: bool) -> bool:
        """Take what the model wrote and answer its calls; says whether it is the model's turn again."""
        self.final = list(ids[: self.longest - len(self.body)])
        self.body += self.final
        self.mask += [1] * len(self.final)
        message = self.chat.read(self.final)
        ended = bool(self.final) and self.final[-1] in self.chat.stops
        if not (may_call and ended and message.get("tool_calls")):
            return False
        said = [
            {"role": "tool", "tool_call_id": call["id"], "content": answer(self.tools, call["function"])}
            for call in message["tool_calls"]
        ]
        suffix = self._between(message, said)
        if len(self.body) + len(suffix) >= self.longest:
            return False
        self.messages += [message, *said]
        self.body += suffix
        self.mask += [0] * len(suffix)
        return True

    def _between(self, message: Mapping[str, Any], said: Messages) -> list[int]:
        """The ids from the end of the model's turn to the beginning of its next one."""
        before = self.chat.encode([*self.messages, message], self.schemas)
        whole = self.chat.encode([*self.messages, message, *said], self.schemas, prompt=True)
        end = max(number for number, learn in enumerate(before.trained) if learn)
        return whole.ids[end + 1 :]
