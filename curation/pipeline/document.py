"""The one object that travels through a recipe: a page, from WARC record to kept text.

Slotted and small: a shard makes millions of them. Steps read and write it in place; what several
filters need (words) is computed once and kept until the text changes.
"""

from dataclasses import dataclass, field
from datetime import datetime

import xxhash

from tilth.text.domains import registered_domain
from tilth.text.tokens import Tokens, tokenise


@dataclass(slots=True)
class Document:
    """One page.

    ``source`` is the source id (scheme + path relative to the crawl or source root, or an upload's
    sha256; never an absolute path); ``record_offset`` and ``record_length`` are bytes in that file
    (compressed, as a WARC index counts them; for row formats the row number and 0).
    ``content`` holds the undecoded page until extraction, which empties it.
    ``signals`` are named measurements that end up in the published row.
    """

    url: str
    source: str
    record_offset: int
    record_length: int
    date: datetime | None = None
    crawl: str = ""
    content: bytes = b""
    content_type: str = ""
    charset: str = ""
    language: str = ""
    language_score: float = 0.0
    signals: dict[str, float] = field(default_factory=dict)
    _text: str = ""
    _tokens: Tokens | None = None

    @property
    def id(self) -> str:
        """The row id: xxh3-128 hex of source id + record offset (stable across runs and machines)."""
        return xxhash.xxh3_128_hexdigest(f"{self.source}\x00{self.record_offset}".encode())

    @property
    def domain(self) -> str:
        """The registered domain of the URL."""
        return registered_domain(self.url)

    @property
    def text(self) -> str:
        """The extracted text as it stands."""
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        if value != self._text:
            self._text = value
            self._tokens = None

    @property
    def tokens(self) -> Tokens:
        """The words of the text, computed at most once per text."""
        if self._tokens is None:
            self._tokens = tokenise(self._text)
        return self._tokens
