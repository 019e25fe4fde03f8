"""Documents a second of each filter against datatrove's, over the same texts in the same run.

    python bench/filters.py FILE…

FILE: WARC files (extracted first, not timed) or JSONL with a "text" field.

Both sides are given their words beforehand, so that a line shows the filter alone; the line "words" is the
tokenisation, against spaCy's English tokeniser (which datatrove uses) where that is installed. One process.
"""

# ruff: noqa: E402
import argparse
import importlib.util
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# The project's root in place of this folder, whose curation.py would hide the package of that name.
ROOT = Path(__file__).resolve().parents[1]
sys.path[0:1] = [str(ROOT), str(ROOT / "platform")]

from datatrove.data import Document as TheirDocument
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters.pii import PIIFormatter
from datatrove.utils import text as their_text
from datatrove.utils import word_tokenizers

from curation.pipeline import extract, language, pii
from curation.pipeline.document import Document
from curation.pipeline.filters import c4, fineweb, gopher_quality, gopher_repetition, url
from curation.pipeline.step import Resources
from curation.pipeline.warc import BadRecord, read_warc
from tilth.text.tokens import tokenise

HAS_SPACY = importlib.util.find_spec("spacy") is not None


def pages(path: Path) -> Iterator[tuple[str, str]]:
    """Address and text of every page of a file that has a text."""
    if path.suffix == ".jsonl":
        with path.open() as lines:
            for row in map(json.loads, lines):
                yield row.get("url", "https://example.com/"), row["text"]
        return
    apply = extract.build(extract.Settings(), Resources())
    with path.open("rb") as handle:
        for page in read_warc(handle, f"file:{path.name}"):
            if not isinstance(page, BadRecord) and apply(page) is None and page.text:
                yield page.url, page.text


class Prepared(word_tokenizers.WordTokenizer):
    """datatrove's interface over words and sentences made beforehand."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__("en")
        self.words = {text: tokenise(text).words for text in texts}

    def word_tokenize(self, text: str) -> list[str]:
        return self.words[text]

    def sent_tokenize(self, text: str) -> list[str]:
        return text.split(". ")

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(part)) for part in text.split(". ")]


def seconds(function: Callable[[Any], Any], items: list[Any]) -> float:
    """CPU seconds that the function takes over all items, after a first call that loads and compiles."""
    function(items[0])
    start = time.process_time()
    for item in items:
        function(item)
    return time.process_time() - start


def ours(texts: list[tuple[str, str]], step: Any, **settings: Any) -> float:
    """Seconds of one of our steps over pages whose words are there."""
    apply = step.build(step.Settings(**settings), Resources())
    documents = []
    for number, (address, text) in enumerate([texts[0], *texts]):
        document = Document(address, "bench", number, 0)
        document.text = text
        _ = document.tokens
        documents.append(document)
    return seconds(apply, documents)


def theirs(texts: list[tuple[str, str]], function: Callable[[Any], Any]) -> float:
    """Seconds of one of datatrove's over the same pages."""

    def call(document: TheirDocument) -> None:
        their_text.split_into_parts.cache_clear()
        try:
            function(document)
        except ZeroDivisionError:  # it divides by a number of words that may be none
            return

    return seconds(call, [TheirDocument(text=t, id="", metadata={"url": u}) for u, t in [texts[0], *texts]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=2000)
    options = parser.parse_args()
    every = itertools.chain.from_iterable(map(pages, options.files))
    texts = list(itertools.islice(every, options.limit))
    if not texts:
        sys.exit("no page of these files has a text")
    size = sum(len(text) for _, text in texts)
    print(f"{len(texts)} pages, {size / len(texts):.0f} characters a page, one process\n")
    print(f"{'':<20}{'ours':>12}{'datatrove':>12}{'ratio':>8}   documents a second")
    plain = [text for _, text in texts]
    spacy = seconds(word_tokenizers.SpaCyTokenizer("en").word_tokenize, plain) if HAS_SPACY else None
    report("words", len(texts), seconds(tokenise, plain), spacy)
    prepared, formatter = Prepared(plain), PIIFormatter()
    word_tokenizers.load_word_tokenizer = lambda language: prepared
    for step, function, settings in (
        (url, None, {}),
        (language, None, {"languages": ()}),
        (gopher_repetition, GopherRepetitionFilter().filter, {}),
        (gopher_quality, GopherQualityFilter().filter, {}),
        (c4, C4QualityFilter(filter_no_terminal_punct=False).filter, {"terminal_punctuation": False}),
        (fineweb, FineWebQualityFilter().filter, {}),
        (pii, lambda document: formatter.format(document.text), {}),
    ):
        other = theirs(texts, function) if function else None
        report(step.NAME, len(texts), ours(texts, step, **settings), other)


def report(name: str, count: int, our_seconds: float, their_seconds: float | None) -> None:
    """One line."""
    other = (
        f"{count / their_seconds:>12,.0f}{their_seconds / our_seconds:>7.1f}×"
        if their_seconds
        else f"{'–':>12}"
    )
    print(f"{name:<20}{count / our_seconds:>12,.0f}{other}", flush=True)


if __name__ == "__main__":
    main()
