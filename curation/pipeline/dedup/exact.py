"""Exact deduplication: one document per URL, then one per text.

A crawl fetches a page again and again, and servers give the same page under many addresses. URLs are
compared without fragment, default port and letter case of scheme and host; texts byte by byte.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from curation.pipeline.dedup.scopes import SCOPE_HELP, SCOPES, KeysOf, Pass, key_of, seed_of
from curation.pipeline.document import Document
from curation.pipeline.step import Resources, setting

NAME = "exact"
TITLE = "Exact deduplication"
SOURCE = "Lee et al. 2022, Deduplicating Training Data Makes Language Models Better"
SCOPE = "corpus"
VERSION = 1
REASONS = {
    "same_url": "A document with the same URL comes earlier",
    "same_text": "A document with the same text comes earlier",
}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Settings:
    """Which copies count."""

    url: bool = setting(True, "Drop documents whose URL was seen")
    text: bool = setting(True, "Drop documents whose text was seen")
    scope: str = setting("per-crawl", SCOPE_HELP, choices=SCOPES)


def passes(settings: Settings) -> tuple[Pass, ...]:
    """URL first, then text among the survivors."""
    wanted = {"same_url": settings.url, "same_text": settings.text}
    return tuple(Pass(reason, 1) for reason, on in wanted.items() if on)


def build(settings: Any, resources: Resources) -> KeysOf:
    """Return the function that gives a document its keys."""

    def keys(document: Document) -> Any:
        seed = seed_of(document, settings.scope)
        found = []
        if settings.url:
            found.append(
                key_of(normal_url(document.url).encode("utf-8", "surrogatepass"), seed) if document.url else 0
            )
        if settings.text:
            found.append(key_of(document.text.encode("utf-8", "surrogatepass"), seed))
        return np.array(found, dtype=np.uint64)

    return keys


def normal_url(url: str) -> str:
    """The URL in the form that is compared; one that cannot be parsed stays as it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "") + (f":{port}" if port and port != _PORTS.get(parts.scheme) else "")
    return parts._replace(netloc=host, path=parts.path or "/", fragment="").geturl()
