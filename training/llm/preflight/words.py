"""Texts brought to the form in which they are compared with others.

Numbers are kept: two sums that differ in a digit are two problems.
"""

import re
import unicodedata

_WORD = re.compile(r"\w+")
_LIGHT = re.compile(r"[\s.,;:!?\"'`´“”„‘’…()\[\]]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without any mark (the form of GPT-3's appendix C)."""
    return _WORD.findall(_lower(text))


def lightly(text: str) -> str:
    """A text without case, spaces and the marks of sentences; signs of arithmetic stay."""
    return _LIGHT.sub(" ", _lower(text)).strip()


def _lower(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
