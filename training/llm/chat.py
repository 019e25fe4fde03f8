"""Conversations as token ids with the assistant's share marked, and what a model wrote as a message again.

Text is encoded piece by piece between the marks and at the border of what an assistant writes. So the ids of a
prompt are always the beginning of the ids of prompt and answer (a line end never melts into the answer's first
token), and nobody's text becomes a special token.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tilth.errors import InvalidInput
from training.llm import pretokens
from training.llm.chat_template import Message, Rendered, Span, Template
from training.llm.special_tokens import END, END_OF_TEXT, TOOL_CALL, TOOL_CALL_END

_NAMED = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as ids. ``trained`` says of each id whether the assistant wrote it; ``offsets`` are the
    tokens' places in ``text`` (characters)."""

    text: str
    ids: list[int]
    trained: list[bool]
    offsets: list[Span]

    @property
    def labels(self) -> list[int]:
        """The ids that are trained on; -100 where none is."""
        return [id if learn else -100 for id, learn in zip(self.ids, self.trained, strict=True)]


@dataclass(frozen=True)
class Chat:
    """A tokenizer together with its chat template."""

    tokenizer: Tokenizer
    template: Template

    @classmethod
    def of(cls, folder: Path, source: str | None = None) -> "Chat":
        """The chat of a checkpoint's folder, with ``source`` as its template where given.

        Raises :class:`InvalidInput` where there is no template.
        """
        tokenizer = pretokens.load(folder)
        source = source or stored_template(folder)
        if not source:
            raise InvalidInput(
                "This checkpoint has no chat template: fine-tune it on conversations first.", code="template"
            )
        specials = tuple(token.content for token in specials_of(tokenizer).values())
        return cls(tokenizer, Template(source, specials, named_tokens(folder)))

    def encode(
        self, messages: Sequence[Message], tools: Sequence[Message] | None = None, *, prompt: bool = False
    ) -> Encoded:
        """A conversation as ids; with ``prompt`` it ends where the assistant begins to write."""
        return self._encode(self.template.render(messages, tools, prompt=prompt))

    def encode_row(self, row: Mapping[str, Any], *, prompt: bool = False) -> Encoded:
        """A row of ``conversations`` (``messages``, ``tools``) or of ``prompts`` as ids."""
        return self.encode(row["messages"], tools_of(row), prompt=prompt)

    @cached_property
    def stops(self) -> tuple[int, ...]:
        """The ids that end an answer: the end of a turn, then the end of a text."""
        named = [END, self.template.variables.get("eos_token", ""), END_OF_TEXT]
        found = [self.tokenizer.token_to_id(name) for name in named if name]
        return tuple(dict.fromkeys(id for id in found if id is not None))

    def read(self, ids: Sequence[int]) -> dict[str, Any]:
        """What a model wrote, as a message: text up to the stop, and calls of tools where they are whole.

        A call is one by its mark's id, never by what the text looks like; a call that is no JSON stays text.
        """
        end = next((place for place, id in enumerate(ids) if id in self.stops), len(ids))
        written = list(ids[:end])
        opened, closed = self.tokenizer.token_to_id(TOOL_CALL), self.tokenizer.token_to_id(TOOL_CALL_END)
        content: list[int] = []
        calls: list[dict[str, Any]] = []
        while written:
            call, rest = self._call(written, opened, closed)
            if call is None:
                content.append(written.pop(0))
            else:
                calls.append({"id": f"call_{len(calls)}", "type": "function", "function": call})
                written = rest
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.tokenizer.decode(content, skip_special_tokens=False),
        }
        return message | {"tool_calls": calls} if calls else message

    def _call(
        self, ids: list[int], opened: int | None, closed: int | None
    ) -> tuple[dict[str, Any] | None, list[int]]:
        """The call that begins here and what follows it, or ``None``."""
        if opened is None or ids[0] != opened or closed not in ids:
            return None, ids
        end = ids.index(closed)
        try:
            call = json.loads(self.tokenizer.decode(ids[1:end], skip_special_tokens=False))
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None, ids
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None, ids
        return {"name": name, "arguments": arguments}, ids[end + 1 :]

    def _encode(self, rendered: Rendered) -> Encoded:
        marks = dict(rendered.marks)
        pieces = list(_pieces(rendered))
        plain = [(start, end) for start, end in self._trimmed(rendered.text, pieces, marks) if start < end]
        encodings = self.tokenizer.encode_batch(
            [rendered.text[start:end] for start, end in plain], add_special_tokens=False
        )
        tokens = [
            (start + first, start + last, id)
            for (start, _), encoding in zip(plain, encodings, strict=True)
            for id, (first, last) in zip(encoding.ids, encoding.offsets, strict=True)
        ]
        specials = {token.content: id for id, token in specials_of(self.tokenizer).items()}
        tokens += [(start, end, specials[rendered.text[start:end]]) for start, end in marks.items()]
        tokens.sort(key=lambda token: token[0])
        learned = [any(a <= start < b for a, b in rendered.trained) for start, _, _ in tokens]
        return Encoded(
            rendered.text, [id for _, _, id in tokens], learned, [(start, end) for start, end, _ in tokens]
        )

    def _trimmed(self, text: str, pieces: list[Span], marks: dict[int, int]) -> list[Span]:
        """The pieces of plain text, without the spaces that a special token beside them takes as its own."""
        tokens = {token.content: token for token in specials_of(self.tokenizer).values()}
        before = {end: tokens[text[start:end]] for start, end in marks.items()}
        after = {start: tokens[text[start:end]] for start, end in marks.items()}
        found = []
        for start, end in pieces:
            if start in marks:
                continue
            if start in before and before[start].rstrip:
                start += len(text[start:end]) - len(text[start:end].lstrip())
            if end in after and after[end].lstrip:
                end -= len(text[start:end]) - len(text[start:end].rstrip())
            found.append((start, end))
        return found


def tools_of(row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The tools on offer in a row, decoded; ``None`` where there are none."""
    stored = row.get("tools")
    if not stored:
        return None
    try:
        tools = json.loads(stored) if isinstance(stored, str) else stored
    except ValueError:
        tools = None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise InvalidInput("The tools of a conversation are a JSON list of function schemas.", field="tools")
    return tools or None


def stored_template(folder: Path) -> str:
    """The chat template of a checkpoint's folder, empty where it has none."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    found = _settings(folder).get("chat_template")
    if isinstance(found, list):  # several by name, as older checkpoints have
        found = next((item["template"] for item in found if item["name"] == "default"), "")
    return found or ""


def named_tokens(folder: Path) -> dict[str, str]:
    """The special tokens that a checkpoint's folder gives a name (``eos_token``), which templates may read."""
    settings = _settings(folder)
    values = {name: settings.get(name) for name in _NAMED}
    return {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in values.items()
        if value
    }


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def specials_of(tokenizer: Tokenizer) -> dict[int, Any]:
    """The tokens that are no text, by id."""
    return {id: token for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def _pieces(rendered: Rendered) -> list[Span]:
    """The text cut at every mark and every border of what is trained."""
    edges = {0, len(rendered.text)}
    for start, end in [*rendered.marks, *rendered.trained]:
        edges |= {start, end}
    cuts = sorted(edges)
    return [(start, end) for start, end in pairwise(cuts) if start < end]
