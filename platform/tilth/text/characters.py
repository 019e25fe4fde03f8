"""What kind of character each code point is, as one table that compiled loops look up.

The kinds are those that tokenisation and the published filters need; each is one bit, so that a single
load answers every question about a character.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

SPACE = 1  # str.isspace
LETTER = 2  # str.isalpha
UPPER = 4
DIGIT = 8  # 0-9
SYMBOL = 16  # in SYMBOLS or SENTENCE_ENDS: a word of nothing else is not counted as a word by Gopher's rules
SENTENCE_END = 32
OPENER = 64  # split off the front of a word
CLOSER = 128  # split off the end of a word
QUOTE = 256
ICON = 512  # pictures and dingbats: a word of their own wherever they stand
PUNCTUATION = 2048  # Unicode categories P*
IDEOGRAPH = 1024  # scripts written without spaces between words, one word a character

Table = NDArray[np.uint16]

# Code points from here on are unassigned, private or format characters and of no kind at all.
SIZE = 0x40000


def _ranges(text: str) -> frozenset[str]:
    """The characters named by hexadecimal ranges: ``"21 2E 61D-61F"``."""
    found: set[str] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return frozenset(found)


# Unicode's Sentence_Terminal characters, as FineWeb's line-punctuation rule and sentence counting use them.
SENTENCE_ENDS = _ranges(
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 "
    "17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F "
    "203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F "
    "A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 "
    "10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C "
    "112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C "
    "11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88"
)

# The punctuation of CCNet (arXiv:1911.00359), which FineWeb's Gopher filters take for symbols: ASCII
# marks, control characters, and the commonest marks of Western and Chinese print.
SYMBOLS = _ranges(
    "0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001-3002 "
    "3008-300D 3010-3011 FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E"
)

_QUOTES = frozenset("'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧")
_CLOSERS = _QUOTES | frozenset("—–…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪")
_OPENERS = _CLOSERS | frozenset("§%=$£€¥฿") | _ranges("20A0-20BF")
_IDEOGRAPHS = _ranges("3005-3007 3040-30FF 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9F 20000-323AF")


def _kind(character: str) -> int:
    """The bits of one character."""
    bits = 0
    if character.isalpha():
        bits |= LETTER | (UPPER if character.isupper() else 0)
    elif character.isspace():
        bits |= SPACE
    else:
        category = unicodedata.category(character)
        if category == "So":
            bits |= ICON | OPENER | CLOSER
        elif category[0] == "P":
            bits |= PUNCTUATION
    return bits


@cache
def table() -> Table:
    """The kinds of every code point below ``SIZE``, one ``uint16`` each; made once a process (0.1 s)."""
    kinds = np.fromiter((_kind(chr(code)) for code in range(SIZE)), dtype=np.uint16, count=SIZE)
    for characters, bit in (
        ("0123456789", DIGIT),
        (SYMBOLS | SENTENCE_ENDS, SYMBOL),
        (SENTENCE_ENDS, SENTENCE_END),
        (_OPENERS, OPENER),
        (_CLOSERS, CLOSER),
        (_QUOTES, QUOTE),
        (_IDEOGRAPHS, IDEOGRAPH),
    ):
        kinds[[ord(c) for c in characters]] |= bit
    kinds.flags.writeable = False
    return kinds
