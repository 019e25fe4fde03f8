"""One tokenisation of a page that every filter shares: its words, found once.

Words are kept as arrays of character offsets, marks and hashes, so that filters count over numbers in
compiled loops (``word_counts``, ``ngrams``) and cut strings only where a person will read them. The
rules for what a word is stand in ``word_kernels``; they are the same for every language.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tilth.text import characters

BYTES_PER_TOKEN = 4.0

# Abbreviations that keep their full stop (lower case and capitalised), so that "Mr. Smith" is no sentence end.
_ABBREVIATIONS = (
    "adm. apr. aug. bros. calif. co. colo. conn. corp. dec. dr. feb. fla. gen. gov. inc. jan. jr. jul. jun. "
    "ltd. mass. messrs. mich. minn. mont. mr. mrs. ms. mt. nev. nov. oct. okla. ore. ph.d. prof. rep. rev. "
    "sen. sep. sept. st. tenn. vs. v.s. wash. wis. a.m. p.m. e.g. i.e. "
    "ak. ala. ariz. ark. del. ga. ia. id. ill. ind. kan. kans. ky. la. mar. md. miss. mo. neb. nebr. pa. va."
)

_UNITS = (
    "km m dm cm mm ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K "
    "km² km³ m² m³ dm² dm³ cm² cm³ mm² mm³"
)


@dataclass(slots=True)
class Tokens:
    """The words of one text, and the text's code points.

    ``codes``   uint32, one a character.
    ``starts``, ``ends``  int32: word ``i`` is ``text[starts[i]:ends[i]]``. Punctuation marks are words of
    their own, as in the tokenisers that the published thresholds were set with.
    ``marks``   uint8 bits of ``word_counts``: whether a word has text, letters, ends a sentence.
    ``hashes``, ``powers``  uint64: polynomial hashes of the words, which add up to hashes of runs.
    """

    text: str
    codes: NDArray[np.uint32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    marks: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    powers: NDArray[np.uint64]
    _words: list[str] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def words(self) -> list[str]:
        """The words as written."""
        if self._words is None:
            text = self.text
            pairs = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
            self._words = [text[a:b] for a, b in pairs]
        return self._words

    def span(self, first: int, count: int) -> tuple[int, int]:
        """The characters from word ``first`` to the end of the last of ``count`` words."""
        return int(self.starts[first]), int(self.ends[first + count - 1])


def tokenise(text: str) -> Tokens:
    """Find the words of a text, in time proportional to its length whatever it holds."""
    from tilth.text import word_counts, word_kernels  # numba: only a process that reads texts pays for it

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = characters.table()
    starts, ends = word_kernels.split_words(codes, kinds, *_known_words())
    marks, hashes, powers = word_counts.describe_words(codes, kinds, starts, ends)
    return Tokens(text, codes, starts, ends, marks, hashes, powers)


def estimate_tokens(text: str) -> int:
    """How many language-model tokens the text will make, estimated from its UTF-8 bytes.

    Four bytes a token is what byte-pair vocabularies of 50,000 entries reach on English web text
    (GPT-2: 4.2 to 4.6); a count shown to people must say that it is "estimated from bytes".
    """
    return round(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


@cache
def word_hash(word: str) -> int:
    """The hash that ``Tokens.hashes`` holds for this word."""
    from tilth.text.lookups import BASE

    value = 0
    for character in word:
        value = (value * int(BASE) + ord(character) + 1) & 0xFFFFFFFFFFFFFFFF
    return value


def hash_words(words: frozenset[str]) -> NDArray[np.uint64]:
    """The hashes of a set of words, sorted, for a compiled look-up."""
    return np.array(sorted(word_hash(word) for word in words), dtype=np.uint64)


@cache
def _known_words() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of the abbreviations and of the units."""
    plain = _ABBREVIATIONS.split() + [f"{chr(letter)}." for letter in range(ord("a"), ord("z") + 1)]
    capitalised = [word[0].upper() + word[1:] for word in _ABBREVIATIONS.split()]
    abbreviations = frozenset(plain + capitalised + ["Ph.D.", "E.G.", "I.E."])
    return hash_words(abbreviations), hash_words(frozenset(_UNITS.split()))
