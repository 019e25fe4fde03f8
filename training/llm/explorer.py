"""The tokenizer explorer's child process: one question on stdin, its answer on stdout.

A published tokenizer brings regular expressions, a chat template brings loops, and both may come from
strangers. Web processes therefore load neither: they ask this program, which the kernel ends when its time or
memory is used up. Started as ``python -m training.llm.explorer``.

Question: ``{"folders": [path, …], "text": "…" | null, "messages": [{"role", "content"}, …] | null}``, one of
the two given. Answer: ``{"answers": [Explored as JSON, …]}``, or ``{"fault": message}``.
"""

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InvalidInput
from training.llm import pretokens
from training.llm.chat import Chat, stored_template
from training.llm.chat_template import TEMPLATE
from training.llm.explore import Token, explore_conversation, explore_text

CPU_SECONDS = 10
MEMORY = 4 << 30
MOST_SHOWN = 1500
"""Tokens that are given one by one; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Explored:
    """A text under one tokenizer. ``tokens`` are the first ones: ``{id, text, hex, whole, special}``.

    ``count`` counts all tokens, ``distinct`` different ids, ``special`` those that are no text, ``partial``
    those that are only a part of a character. ``bytes`` and ``characters`` are of the text as it was encoded,
    the chat template's words included; ``vocabulary`` counts the ids there are. ``template`` is "own", or
    "ours" where the checkpoint has none; empty for a text.
    """

    tokens: list[dict[str, Any]]
    count: int
    distinct: int
    special: int
    partial: int
    bytes: int
    characters: int
    vocabulary: int
    template: str = ""


def explored(folder: Path, text: str | None, messages: Sequence[dict[str, Any]] | None) -> Explored:
    """The text, else the conversation, under the tokenizer of a checkpoint's folder.

    Raises :class:`InvalidInput` where the folder has no tokenizer or its template refuses the conversation.
    """
    if messages is None:
        tokenizer = pretokens.load(folder)
        return _counted(explore_text(tokenizer, text or ""), tokenizer.get_vocab_size())
    own = bool(stored_template(folder))
    chat = Chat.of(folder, None if own else TEMPLATE)
    tokens = explore_conversation(chat, messages)
    return _counted(tokens, chat.tokenizer.get_vocab_size(), "own" if own else "ours")


def _counted(tokens: list[Token], vocabulary: int, template: str = "") -> Explored:
    whole = b"".join(token.raw for token in tokens)
    return Explored(
        tokens=[_shown(token) for token in tokens[:MOST_SHOWN]],
        count=len(tokens),
        distinct=len({token.id for token in tokens}),
        special=sum(token.special for token in tokens),
        partial=sum(not token.whole for token in tokens),
        bytes=len(whole),
        characters=len(whole.decode(errors="replace")),
        vocabulary=vocabulary,
        template=template,
    )


def _shown(token: Token) -> dict[str, Any]:
    shown = {name: getattr(token, name) for name in ("id", "text", "whole", "special")}
    return {**shown, "hex": token.raw.hex(" ")}


def main() -> None:
    """Answer the question on stdin."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    question = json.load(sys.stdin)
    try:
        found = [
            explored(Path(folder), question["text"], question["messages"]) for folder in question["folders"]
        ]
    except InvalidInput as error:
        json.dump({"fault": error.message}, sys.stdout)
        return
    json.dump({"answers": [asdict(one) for one in found]}, sys.stdout)


if __name__ == "__main__":
    main()
