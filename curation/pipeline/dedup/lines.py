"""Line deduplication: lines that stand in many documents are removed from all but the first of them.

What is left of menus, notices and signatures after extraction repeats across a site and across sites.
Lines are compared by their normalised words (as MinHash compares texts), so that dates, numbers and
punctuation do not hide a repeat. It edits texts, hence it is the last step of a recipe, and looks only
at documents that the steps before it kept.

It is optional, and off in ``fineweb``: FineWeb found that global line deduplication removed more than
it gained.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.pipeline.dedup.scopes import SCOPE_HELP, SCOPES, KeysOf, Pass, key_of, seed_of
from curation.pipeline.document import Document
from curation.pipeline.step import Resources, setting

NAME = "lines"
TITLE = "Line deduplication"
SOURCE = "Wenzek et al. 2020, CCNet (arXiv:1911.00359), paragraph deduplication"
SCOPE = "corpus"
EDITS = True
VERSION = 1
REASONS = {"nothing_left": "Too few words are left once repeated lines are removed"}


@dataclass(frozen=True)
class Settings:
    """Which lines count as repeated, and how much must be left."""

    documents: int = setting(3, "In how many documents a line may stand before it is removed", minimum=1)
    line_words: int = setting(3, "Lines of fewer words are left alone", minimum=1)
    minimum_words: int = setting(20, "Fewest words that must be left of a document", minimum=0)
    scope: str = setting("per-crawl", SCOPE_HELP, choices=SCOPES)


def passes(settings: Settings) -> tuple[Pass, ...]:
    """No documents are copies of each other by this step."""
    return ()


def build(settings: Any, resources: Resources) -> KeysOf:
    """Documents have no keys of their own here; see :func:`line_keys`."""
    return lambda document: np.empty(0, dtype=np.uint64)


def line_keys(document: Document, settings: Settings) -> NDArray[np.uint64]:
    """One key per line of the text, 0 for lines that are left alone."""
    from tilth.text import minhash  # numba: only a process that reads texts pays for it

    seed = seed_of(document, settings.scope)
    found = np.zeros(document.text.count("\n") + 1, dtype=np.uint64)
    for place, line in enumerate(document.text.split("\n")):
        words = minhash.words(line)
        if len(words) >= settings.line_words:
            found[place] = key_of(" ".join(words).encode(), seed)
    return found


def without_lines(document: Document, settings: Settings, removed: NDArray[np.uint64]) -> str:
    """The text without the lines whose keys are in ``removed``."""
    gone = np.isin(line_keys(document, settings), removed[removed != 0])
    return "\n".join(
        line for line, out in zip(document.text.split("\n"), gone, strict=True) if not out
    ).strip("\n")
