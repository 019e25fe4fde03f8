"""Tell-tale words of chatbot prose, as a rate against what the campaign usually shows.

The words are those whose use rose most after chat models came into use (Kobak et al. 2024,
arXiv:2406.07016; Liang et al. 2024, arXiv:2403.07183), and phrases that only a chat model says. A single
text proves nothing: a flag needs the lower end of the interval above twice the campaign's base rate.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

VERSION = 1
WORDS = [
    "delve",
    "delves",
    "delving",
    "delved",
    "showcasing",
    "underscores",
    "underscoring",
    "underscore",
    "intricate",
    "intricacies",
    "meticulous",
    "meticulously",
    "pivotal",
    "realm",
    "tapestry",
    "multifaceted",
    "commendable",
    "noteworthy",
    "invaluable",
    "comprehensive",
    "crucially",
    "seamlessly",
    "garnered",
    "bolster",
    "fostering",
    "elucidate",
    "nuanced",
]
PHRASES = (
    "as an ai language model",
    "as an ai",
    "as a large language model",
    "i cannot browse",
    "my knowledge cutoff",
    "my training data",
    "it's important to note",
    "it is important to note",
    "it's worth noting",
    "i hope this helps",
    "certainly! here",
    "great question",
    "in today's fast-paced",
    "a testament to",
)
_PATTERN = re.compile(
    r"\b(?:" + "|".join(map(re.escape, sorted([*WORDS, *PHRASES], key=len, reverse=True))) + r")\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
RATIO = 2.0
FEWEST = 3
"""Fewer tell-tale words than this say nothing, however short the text."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tell-tale words, and all words, of one or many texts."""

    hits: int
    words: int

    @property
    def per_thousand(self) -> float:
        """Tell-tale words per 1,000 words."""
        return 1000 * self.hits / self.words if self.words else 0.0

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.hits + other.hits, self.words + other.words)


def rate(text: str) -> Rate:
    """The tell-tale rate of a text."""
    return Rate(len(_PATTERN.findall(text)), len(_WORD.findall(text)))


def is_high(mine: Rate, base: Rate) -> bool:
    """Whether ``mine`` lies above twice the base rate, at the lower end of its 95 % interval.

    The interval of a Poisson count n is (sqrt(n) ± 1)², near enough from three counts on. A campaign that
    has shown none so far is taken to show 1 per 1,000 words.
    """
    if mine.hits < FEWEST or not mine.words:
        return False
    lowest = (sqrt(mine.hits) - 1) ** 2 / mine.words
    usual = max(base.hits / base.words if base.words else 0.0, 0.001)
    return lowest > RATIO * usual


def found(text: str) -> Mapping[str, int]:
    """The tell-tale words of a text with their counts, most frequent first."""
    counts: dict[str, int] = {}
    for match in _PATTERN.findall(text):
        counts[match.lower()] = counts.get(match.lower(), 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
