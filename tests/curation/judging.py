"""What the filter tests share: one page through one step, and texts with known measurements."""

from typing import Any

from curation.pipeline.document import Document
from curation.pipeline.step import Drop, Resources

NOTHING = Resources()


def document(text: str, url: str = "https://example.com/page") -> Document:
    """A page with this text."""
    page = Document(url, "file:test", 0, 0)
    page.text = text
    return page


def judge(step: Any, page: str | Document, resources: Resources = NOTHING, **settings: Any) -> Drop | None:
    """What the step says about a page, under its default settings but for those named."""
    apply = step.build(step.Settings(**settings), resources)
    return apply(document(page) if isinstance(page, str) else page)


def reason(step: Any, page: str | Document, resources: Resources = NOTHING, **settings: Any) -> str | None:
    """The reason of the drop; None for a page that is kept."""
    drop = judge(step, page, resources, **settings)
    if drop:
        assert drop.reason in step.REASONS
    return drop.reason if drop else None


def marked(text: str, drop: Drop) -> list[str]:
    """The parts of the text that the drop marks."""
    return [text[start:end] for start, end in drop.spans]


def distinct_words(count: int, length: int = 5) -> list[str]:
    """Different words of letters, all of one length."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = []
    for number in range(count):
        word = ""
        for _ in range(length):
            number, digit = divmod(number, 26)
            word = letters[digit] + word
        words.append(word)
    return words
