"""How a conversation is written for a model: our chat template, and the rendering of any template.

Ours is ChatML with tools: each turn stands between the marks of ``special_tokens.py``, tools are described in
the system turn, calls and results stand in their own marks. What an assistant writes, its end mark included,
lies inside ``{% generation %}``: that is what training on answers alone learns from, and why the model learns
to stop.

What people wrote is hostile: ``<|im_end|>`` in a message is text and ends nothing. The names of special tokens
in messages are shielded while the template runs, so that afterwards a mark in the text is the template's own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from tilth.errors import InvalidInput
from training.llm.special_tokens import (
    END,
    START,
    TOOL_CALL,
    TOOL_CALL_END,
    TOOL_RESPONSE,
    TOOL_RESPONSE_END,
)

_SOURCE = """
{%- set ns = namespace(system='', rest=messages) -%}
{%- if messages and messages[0].role in ['system', 'developer'] -%}
    {%- set ns.system = messages[0].content -%}
    {%- set ns.rest = messages[1:] -%}
{%- endif -%}
{%- if tools or ns.system -%}
    {{- '@START@system\n' + ns.system -}}
    {%- if tools -%}
        {{- '\n\n' if ns.system else '' -}}
        {{- '# Tools\n\nTo use a tool, write its name and arguments as JSON: @TOOL_CALL@{"name": "...", "arguments": {...}}@TOOL_CALL_END@' -}}
        {%- for tool in tools -%}
            {{- '\n' -}}{{- tool | tojson -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '@END@\n' -}}
{%- endif -%}
{%- for message in ns.rest -%}
    {%- if message.role == 'assistant' -%}
        {{- '@START@assistant\n' -}}
        {%- generation -%}
            {{- message.content or '' -}}
            {%- for call in message.tool_calls or [] -%}
                {{- '@TOOL_CALL@{"name": ' -}}{{- call.function.name | tojson -}}
                {{- ', "arguments": ' -}}
                {{- call.function.arguments if call.function.arguments is string else call.function.arguments | tojson -}}
                {{- '}@TOOL_CALL_END@' -}}
            {%- endfor -%}
            {{- '@END@' -}}
        {%- endgeneration -%}
        {{- '\n' -}}
    {%- elif message.role == 'tool' -%}
        {{- '@START@tool\n@TOOL_RESPONSE@' + message.content + '@TOOL_RESPONSE_END@@END@\n' -}}
    {%- elif message.role in ['system', 'developer'] -%}
        {{- '@START@system\n' + message.content + '@END@\n' -}}
    {%- elif message.role == 'user' -%}
        {{- '@START@user\n' + message.content + '@END@\n' -}}
    {%- else -%}
        {{- raise_exception('there is no role ' + message.role) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '@START@assistant\n' -}}
{%- endif -%}
"""


def _with_marks(source: str) -> str:
    marks = {
        "START": START,
        "END": END,
        "TOOL_CALL": TOOL_CALL,
        "TOOL_CALL_END": TOOL_CALL_END,
        "TOOL_RESPONSE": TOOL_RESPONSE,
        "TOOL_RESPONSE_END": TOOL_RESPONSE_END,
    }
    return re.sub(r"@([A-Z_]+)@", lambda found: marks[found[1]], source.strip())


TEMPLATE = _with_marks(_SOURCE)
"""Our chat template (Jinja), as it stands in a checkpoint's ``chat_template.jinja``."""

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PRIVATE = range(0xF0000, 0xFFFFE)
Span = tuple[int, int]
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as a template writes it.

    ``marks`` are the places (character spans, in order) of special tokens that the template itself wrote;
    what looks like one elsewhere is text. ``trained`` are the spans that the assistant writes.
    """

    text: str
    marks: list[Span]
    trained: list[Span]


@dataclass(frozen=True)
class Template:
    """A chat template with the special tokens of its tokenizer, and the variables it may read (``bos_token``)."""

    source: str
    specials: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def has_marks(self) -> bool:
        """Whether the template says itself what an assistant writes (``{% generation %}``)."""
        return bool(_GENERATION.search(self.source))

    def render(
        self, messages: Sequence[Message], tools: Sequence[Message] | None = None, *, prompt: bool = False
    ) -> Rendered:
        """Write a conversation; with ``prompt`` an assistant's turn is opened at the end.

        ``messages`` are as :func:`training.llm.inputs.messages` gives them (tool arguments decoded). Raises
        :class:`InvalidInput` where the template refuses them.
        """
        shield = _Shield.of(self.specials, [messages, tools])
        chat, offered = shield.cover(list(messages)), shield.cover(list(tools)) if tools else None
        text, trained = self._write(chat, offered, prompt)
        marks = [found.span() for found in _finder(self.specials).finditer(text)] if self.specials else []
        if not self.has_marks:
            trained = self._by_turns(chat, offered, text, marks)
        return Rendered(shield.uncover(text), marks, trained)

    def _write(self, messages: Any, tools: Any, prompt: bool) -> tuple[str, list[Span]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        write: Any = render_jinja_template  # its annotation names one text; it returns texts and spans
        try:
            texts, spans = write(
                [messages],
                tools=tools,
                chat_template=self.source,
                return_assistant_tokens_mask=self.has_marks,
                add_generation_prompt=prompt,
                **self.variables,
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise InvalidInput(
                f"The chat template refuses this conversation: {error}", code="template"
            ) from None
        return texts[0], [(int(start), int(end)) for start, end in spans[0]] if spans else []

    def _by_turns(self, messages: Any, tools: Any, text: str, marks: list[Span]) -> list[Span]:
        """What an assistant writes, found by writing the conversation up to each of its turns.

        For templates without ``{% generation %}``. The turn ends with its last mark: a line end behind it is
        the template's. Raises :class:`InvalidInput` where the template writes earlier turns anew (some drop
        earlier thoughts): what was trained would not be what is read later.
        """
        spans = []
        for place, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before, _ = self._write(messages[:place], tools, True)
            after, _ = self._write(messages[: place + 1], tools, False)
            if not (text.startswith(after) and after.startswith(before)):
                raise InvalidInput(
                    "This chat template writes earlier turns differently as a conversation goes on, so the "
                    "assistant's words cannot be told from it: train with our template instead.",
                    code="template",
                )
            ends = [end for start, end in marks if start >= len(before) and end <= len(after)]
            spans.append((len(before), ends[-1] if ends else len(after)))
        return spans


@dataclass(frozen=True, slots=True)
class _Shield:
    """Names of special tokens in foreign text, hidden by one character that occurs nowhere else."""

    finder: re.Pattern[str] | None
    stand_ins: dict[str, str]

    @classmethod
    def of(cls, specials: Iterable[str], values: Any) -> "_Shield":
        """For these values; stand-ins are private characters that do not occur in them."""
        names = tuple(specials)
        used = {char for text in _texts(values) for char in text if ord(char) in _PRIVATE}
        free = (chr(code) for code in _PRIVATE if chr(code) not in used)
        firsts = sorted({name[0] for name in names})
        return cls(_finder(names) if names else None, dict(zip(firsts, free, strict=False)))

    def cover(self, value: Any) -> Any:
        """The value with every special token's name in its texts made harmless, of the same length."""
        if isinstance(value, str):
            return self.finder.sub(self._hide, value) if self.finder else value
        if isinstance(value, Mapping):
            return {self.cover(name): self.cover(inner) for name, inner in value.items()}
        return [self.cover(inner) for inner in value] if isinstance(value, list | tuple) else value

    def uncover(self, text: str) -> str:
        """The text as it was meant."""
        return text.translate({ord(char): first for first, char in self.stand_ins.items()})

    def _hide(self, found: re.Match[str]) -> str:
        return self.stand_ins[found[0][0]] + found[0][1:]


def _finder(specials: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(specials, key=len, reverse=True)
    return re.compile("|".join(re.escape(name) for name in longest_first))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(name)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
