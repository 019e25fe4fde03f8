"""A text or a conversation token by token, down to the bytes: what the tokenizer explorer shows. No torch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding, Tokenizer

from training.llm.pretokens import plain

_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text.

    ``raw`` are its bytes, ``text`` the same as characters, or hex such as ``e2 82`` where they are only a
    part of a character (``whole`` is false then). ``start`` and ``end`` are character places in the text;
    parts of one character share them. ``special`` tokens are no text.
    """

    id: int
    text: str
    raw: bytes
    start: int
    end: int
    whole: bool
    special: bool


def explore_text(tokenizer: Tokenizer, text: str) -> list[Token]:
    """A text's tokens; what looks like a special token in it is plain text."""
    return _tokens(tokenizer, text, plain(tokenizer).encode(text, add_special_tokens=False))


def explore_rendered(tokenizer: Tokenizer, rendered: str) -> list[Token]:
    """The tokens of a conversation as the chat template rendered it; marks of turns are special tokens."""
    tokenizer.encode_special_tokens = False
    try:
        return _tokens(tokenizer, rendered, tokenizer.encode(rendered, add_special_tokens=False))
    finally:
        plain(tokenizer)


def explore_conversation(
    tokenizer: Tokenizer,
    template: str,
    messages: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]] | None = None,
) -> list[Token]:
    """A conversation's tokens under a chat template (Jinja, rendered in a sandbox by transformers)."""
    from transformers.utils.chat_template_utils import render_jinja_template

    rendered = render_jinja_template(
        [list(messages)], tools=list(tools) if tools else None, chat_template=template
    )[0]
    return explore_rendered(tokenizer, rendered[0])


def token_bytes(tokenizer: Tokenizer, token: str) -> bytes | None:
    """The bytes that a token of the vocabulary stands for, or ``None`` where only its place in a text tells."""
    fallback = _FALLBACK.fullmatch(token)
    if fallback:
        return bytes([int(fallback[1], 16)])
    if not is_byte_level(tokenizer):
        return None
    try:
        return bytes(BYTES[character] for character in token)
    except KeyError:
        return token.encode()


def is_byte_level(tokenizer: Tokenizer) -> bool:
    """Whether the vocabulary is written in GPT-2's alphabet of bytes."""
    return "ByteLevel" in str(tokenizer.decoder)


def _tokens(tokenizer: Tokenizer, text: str, encoding: Encoding) -> list[Token]:
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    return [
        _token(id, raw, start, end, id in special)
        for id, raw, (start, end) in zip(
            encoding.ids, _bytes(tokenizer, text, encoding), encoding.offsets, strict=True
        )
    ]


def _bytes(tokenizer: Tokenizer, text: str, encoding: Encoding) -> Iterator[bytes]:
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        known = token_bytes(tokenizer, token)
        yield text[start:end].encode() if known is None else known


def _token(id: int, raw: bytes, start: int, end: int, special: bool) -> Token:
    try:
        return Token(id, raw.decode(), raw, start, end, True, special)
    except UnicodeDecodeError:
        return Token(id, raw.hex(" "), raw, start, end, False, special)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's characters for the 256 bytes: printable ones stand for themselves, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTES = _byte_alphabet()
