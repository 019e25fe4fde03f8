"""One tokenisation of a page that every filter shares: its words and its lines, found once.

Positions are kept as arrays of character offsets into the text, so that a filter counts over numbers
and cuts strings only where a person will read them.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
BYTES_PER_TOKEN = 4.0


@dataclass(slots=True)
class Tokens:
    """The words and lines of one text.

    ``starts[i]:ends[i]`` is word ``i`` of ``text`` (characters, not bytes). Punctuation marks are words
    of their own, as in the tokenisers that the published thresholds were set with.
    """

    text: str
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    _words: list[str] | None = field(default=None, repr=False)
    _lines: list[str] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def words(self) -> list[str]:
        """The words as written."""
        if self._words is None:
            pairs = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
            self._words = [self.text[a:b] for a, b in pairs]
        return self._words

    @property
    def lines(self) -> list[str]:
        """The text split at every line feed; empty lines stay, so that offsets add up."""
        if self._lines is None:
            self._lines = self.text.split("\n")
        return self._lines


def tokenise(text: str) -> Tokens:
    """Find the words of a text."""
    spans = np.array([m.span() for m in _WORD.finditer(text)], dtype=np.int32).reshape(-1, 2)
    return Tokens(text, spans[:, 0], spans[:, 1])


def estimate_tokens(text: str) -> int:
    """How many language-model tokens the text will make, estimated from its UTF-8 bytes.

    Four bytes a token is what byte-pair vocabularies of 50,000 entries reach on English web text
    (GPT-2: 4.2 to 4.6); a count shown to people must say that it is "estimated from bytes".
    """
    return round(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)
