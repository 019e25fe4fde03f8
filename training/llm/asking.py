"""How a model is asked: by its chat template, or, where it has none, by plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from training.llm import pretokens
from training.llm.chat import Chat, stored_template
from training.llm.chat_template import Message
from training.llm.pairs import answer


class Asks(Protocol):
    """Prompts and answers as ids, and what was written as text."""

    @property
    def stops(self) -> Sequence[int]:
        """The ids that end what the model writes."""

    @property
    def begins(self) -> int:
        """The id that stands before a text, as it did in pretraining."""

    def text(self, text: str) -> list[int]:
        """A text as it stands, as ids."""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids after which the model writes; never empty."""

    def answer(self, messages: Sequence[Message], replies: Sequence[Message]) -> list[int]:
        """The ids of an answer to a prompt, with its stop where the format has one."""

    def read(self, ids: Sequence[int]) -> str:
        """The text of what a model wrote."""


@dataclass(frozen=True)
class ByChat:
    """By the chat template."""

    chat: Chat

    @property
    def stops(self) -> Sequence[int]:
        return self.chat.stops

    @property
    def begins(self) -> int:
        return self.chat.stops[-1]

    def text(self, text: str) -> list[int]:
        return list(self.chat.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        return self.chat.encode(messages, prompt=True).ids

    def answer(self, messages: Sequence[Message], replies: Sequence[Message]) -> list[int]:
        return answer(self.chat, messages, self.prompt(messages), replies)

    def read(self, ids: Sequence[int]) -> str:
        return str(self.chat.read(ids)["content"])


@dataclass(frozen=True)
class ByText:
    """By plain text: the contents of the messages as lines, then the answer, which an empty line ends."""

    tokenizer: Tokenizer
    end: int

    @property
    def stops(self) -> Sequence[int]:
        return (self.end,)

    @property
    def begins(self) -> int:
        return self.end

    def text(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        text = "\n".join(str(message.get("content") or "") for message in messages) + "\n"
        return [self.end, *self.text(text)]

    def answer(self, messages: Sequence[Message], replies: Sequence[Message]) -> list[int]:
        text = "\n".join(str(message.get("content") or "") for message in replies)
        return self.text(text)

    def read(self, ids: Sequence[int]) -> str:
        kept = [id for id in ids if id != self.end]
        text = str(self.tokenizer.decode(kept, skip_special_tokens=False))
        return text.lstrip("\n").partition("\n\n")[0]


def asking(folder: Path, format: str) -> Asks:
    """How the model of this folder is asked; raises ``InvalidInput`` where chat is wanted and it has no template."""
    if format == "chat" or (format == "auto" and stored_template(folder)):
        return ByChat(Chat.of(folder))
    tokenizer = pretokens.load(folder)
    return ByText(tokenizer, pretokens.end_of_text(tokenizer, folder))
