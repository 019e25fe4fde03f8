"""Shingles: the overlapping runs of words by which two texts are compared for near-duplication.

Words are lower-cased, brought to one Unicode form and stripped of punctuation first, so that copies
which differ in quoting or capitals still share their shingles.
"""

import re
import unicodedata

_WORD = re.compile(r"\w+")


def shingle_words(text: str) -> list[str]:
    """The words that shingles are made of: NFC, lower case, letters, digits and marks only."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def shingles(text: str, size: int = 5) -> list[bytes]:
    """The distinct runs of ``size`` words, joined by one space, as UTF-8, in order of first appearance.

    A text with fewer words than ``size`` is one shingle (its whole word list); without words, none.
    """
    words = shingle_words(text)
    if not words:
        return []
    count = max(1, len(words) - size + 1)
    runs = (" ".join(words[i : i + size]) for i in range(count))
    return [run.encode("utf-8", "surrogatepass") for run in dict.fromkeys(runs)]
