"""A text or a conversation token by token, down to the bytes: what the tokenizer explorer shows. No torch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from training.llm.chat import Chat, specials_of
from training.llm.chat_template import Message
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
    return list(_tokens(tokenizer, text, plain(tokenizer).encode(text, add_special_tokens=False)))


def explore_conversation(
    chat: Chat, messages: Sequence[Message], tools: Sequence[Message] | None = None
) -> list[Token]:
    """A conversation's tokens as its chat template writes it: the marks of turns are special tokens, and what
    looks like one in a message is plain text."""
    written, tokenizer = chat.encode(messages, tools), chat.tokenizer
    special = specials_of(tokenizer)
    return [
        _token(id, _raw(tokenizer, id, written.text[start:end]), start, end, id in special)
        for id, (start, end) in zip(written.ids, written.offsets, strict=True)
    ]


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


def _tokens(tokenizer: Tokenizer, text: str, encoding: Encoding) -> Iterator[Token]:
    special = specials_of(tokenizer)
    for id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        yield _token(id, _raw(tokenizer, id, text[start:end]), start, end, id in special)


def _raw(tokenizer: Tokenizer, id: int, written: str) -> bytes:
    """A token's bytes: those of the vocabulary, else the text where it stands."""
    known = token_bytes(tokenizer, tokenizer.id_to_token(id) or "")
    return written.encode() if known is None else known


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
