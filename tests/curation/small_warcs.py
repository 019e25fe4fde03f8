"""Small WARC files made in the test: English pages with stable offsets, copies and near-copies among them."""

import gzip
import random
from collections.abc import Iterable
from pathlib import Path

SENTENCES = [
    "The {a} {b} that stood by the {c} was painted again in the spring.",
    "Nobody in the {c} could say why the {a} had been moved to the {b}.",
    "She wrote about the {b} and the {a}, and later about a {c} as well.",
    "When the {a} closed, people of the {b} met at the {c} instead.",
    "There is a {c} behind the {a}, and it is older than the {b}.",
]
NOUNS = [
    a + b
    for a in ("har", "win", "tol", "mer", "bal", "cor", "den", "fal", "gar", "lin")
    for b in ("bour", "dow", "ter", "chant", "cony", "ner", "tist", "con", "den", "guist", "mill", "ford")
]


def paragraphs(seed: int, count: int = 12) -> list[str]:
    """Paragraphs of English, the same for the same seed."""
    rng = random.Random(seed)
    return [
        " ".join(
            rng.choice(SENTENCES).format(a=rng.choice(NOUNS), b=rng.choice(NOUNS), c=rng.choice(NOUNS))
            for _ in range(4)
        )
        for _ in range(count)
    ]


def page(parts: Iterable[str], title: str = "A page") -> bytes:
    """An HTML page with the paragraphs as its main text."""
    body = "".join(f"<p>{part}</p>" for part in parts)
    return f"<html><head><title>{title}</title></head><body><article>{body}</article></body></html>".encode()


def record(url: str, html: bytes) -> bytes:
    """One gzip member with one response record."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2026-05-12T00:00:00Z\r\n"
        f"WARC-Target-URI: {url}\r\nWARC-Record-ID: <urn:uuid:{random.Random(url).randbytes(16).hex()}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 6, mtime=0)


def write_warc(path: Path, pages: Iterable[tuple[str, bytes]]) -> Path:
    """A WARC file of the (URL, HTML) pages."""
    path.write_bytes(b"".join(record(url, html) for url, html in pages))
    return path


def write_corpus(folder: Path, shards: int, pages: int = 4) -> list[Path]:
    """WARC files in which later shards hold copies and near-copies of pages of earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_warc(folder / f"part-{n:03d}.warc.gz", _pages(n, pages)) for n in range(shards)]


def _pages(number: int, count: int) -> list[tuple[str, bytes]]:
    found = []
    for place in range(count):
        url = f"https://www.example.org/{number}/{place}"
        text = paragraphs(1000 * number + place)
        if number and place == 0:  # the same text as a page of the shard before
            text = paragraphs(1000 * (number - 1) + 1)
        if number > 1 and place == 2:  # a near-copy of a page two shards before
            text = [*paragraphs(1000 * (number - 2) + 3)[:-1], "One closing line was changed here."]
        found.append((url, page(text)))
    return found
