"""Completions of several turns: the model calls tools, reads what they answer, and goes on. Light: no torch.

Everything goes by tokens: what a tool says is encoded as text, so that none of it passes for a mark of the template.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilth.verify.tools import Tool, answer
from training.llm.chat import Chat

Messages = Sequence[Mapping[str, Any]]
Write = Callable[[list[list[int]], int, int], Sequence[Sequence[int]]]
"""What a model writes after some prompts, given the room of the longest answer in tokens and the round from 0."""


class Turns:
    """One completion as it grows: ``body`` of at most ``longest`` ids, ``mask`` 1 where the model wrote.

    ``final`` is what it wrote last, ``said`` the messages of the whole exchange after the prompt, ``ended`` whether
    the model came to its end by itself.
    """

    def __init__(self, chat: Chat, tools: Sequence[Tool], messages: Messages, longest: int) -> None:
        self.chat, self.tools, self.longest = chat, tools, longest
        self.schemas = [tool.schema for tool in tools] or None
        self.messages = list(messages)
        self.prompt = chat.encode(messages, self.schemas, prompt=True).ids
        self.body: list[int] = []
        self.mask: list[int] = []
        self.final: list[int] = []
        self.said: list[Mapping[str, Any]] = []
        self.ended = False

    @property
    def room(self) -> int:
        """Tokens that may still be written."""
        return self.longest - len(self.body)

    def add(self, ids: Sequence[int], may_call: bool) -> bool:
        """Take what the model wrote and answer its calls; says whether it is the model's turn again."""
        self.final = list(ids[: self.room])
        self.body += self.final
        self.mask += [1] * len(self.final)
        message = self._numbered(self.chat.read(self.final))
        self.said.append(message)
        self.ended = bool(self.final) and self.final[-1] in self.chat.stops
        if not (may_call and self.ended and message.get("tool_calls")):
            return False
        answers = [
            {"role": "tool", "tool_call_id": call["id"], "content": answer(self.tools, call["function"])}
            for call in message["tool_calls"]
        ]
        suffix = self._between(message, answers)
        if len(suffix) >= self.room:
            self.ended = False
            return False
        self.messages += [message, *answers]
        self.said += answers
        self.body += suffix
        self.mask += [0] * len(suffix)
        return True

    def _numbered(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message with ids of calls that stand once in the exchange."""
        before = sum(len(one.get("tool_calls", ())) for one in self.said)
        for number, call in enumerate(message.get("tool_calls", ())):
            call["id"] = f"call_{before + number}"
        return message

    def _between(self, message: Mapping[str, Any], answers: Messages) -> list[int]:
        """The ids from the end of the model's turn to the beginning of its next one."""
        before = self.chat.encode([*self.messages, message], self.schemas)
        whole = self.chat.encode([*self.messages, message, *answers], self.schemas, prompt=True)
        end = max(number for number, learn in enumerate(before.trained) if learn)
        return whole.ids[end + 1 :]


def play(turns: Sequence[Turns], rounds: int, write: Write) -> None:
    """Let the model write until every completion is done or has called tools ``rounds`` times."""
    going = list(turns)
    for number in range(rounds + 1):
        if not going:
            break
        written = write([one.prompt + one.body for one in going], max(one.room for one in going), number)
        going = [one for one, ids in zip(going, written, strict=True) if one.add(ids, number < rounds)]
