"""Common Crawl by name: which crawls there are, and which files belong to one.

A spelling is ``cc:CRAWL`` or ``cc:latest``, then which of its files (``:0-9``, ``:3,5`` or ``:n=10`` for
the first ten; all without), then ``/wet`` for the extracted texts instead of the pages.
"""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any

from curation.pipeline.access import Access
from curation.pipeline.transfer import open_remote
from tilth.errors import InvalidInput, NotFound, TilthError

HOME = "https://data.commoncrawl.org"
INDEX = "https://index.commoncrawl.org"
"""Common Crawl keeps ``collinfo.json`` on its index host; a mirror keeps it beside the data."""

MAX_LIST = 64 << 20
_SPELLING = re.compile(
    r"cc:(?P<crawl>CC-MAIN-\d{4}(?:-\d{4})?-\d{2}|CC-MAIN-\d{4}|latest)"
    r"(?::(?:n=(?P<count>\d{1,6})|(?P<parts>\d{1,6}(?:-\d{1,6})?(?:,\d{1,6}(?:-\d{1,6})?)*)))?(?P<wet>/wet)?"
)
EXAMPLES = (
    "cc:CC-MAIN-2026-20, cc:CC-MAIN-2026-20:0-9, cc:CC-MAIN-2026-20:3,5, cc:latest:n=10, cc:latest:n=10/wet"
)


@dataclass(frozen=True, slots=True)
class CrawlFiles:
    """What a ``cc:`` spelling asks for; ``indices`` and ``count`` are both ``None`` for the whole crawl."""

    crawl: str
    wet: bool = False
    count: int | None = None
    indices: tuple[int, ...] | None = None


def parse_spelling(text: str) -> CrawlFiles:
    """Read a ``cc:`` source, or raise :class:`InvalidInput` that shows how one looks."""
    match = _SPELLING.fullmatch(text)
    if not match:
        raise InvalidInput(
            f"{text!r} is not a Common Crawl source; one looks like {EXAMPLES}", field="sources"
        )
    indices = None
    if match["parts"]:
        indices = tuple(dict.fromkeys(i for part in match["parts"].split(",") for i in _range(text, part)))
    count = int(match["count"]) if match["count"] else None
    if count == 0:
        raise InvalidInput(f"{text!r} asks for no file at all", field="sources")
    return CrawlFiles(match["crawl"], bool(match["wet"]), count, indices)


def list_crawls(access: Access) -> list[dict[str, Any]]:
    """Every crawl, newest first, as ``collinfo.json`` has them (``id``, ``name``)."""
    base = INDEX if access.common_crawl == HOME else access.common_crawl
    url = f"{base}/collinfo.json"
    try:
        found = json.loads(_read(url, access))
        return [crawl for crawl in found if isinstance(crawl["id"], str)]
    except (ValueError, TypeError, KeyError):
        raise TilthError(f"{url} is not Common Crawl's list of crawls; check the base URL") from None


def crawl_files(wanted: CrawlFiles, access: Access) -> tuple[str, list[str]]:
    """The crawl's id and the paths (below the base URL) of the files wanted, in the crawl's own order."""
    crawl = wanted.crawl
    if crawl == "latest":
        crawls = list_crawls(access)
        if not crawls:
            raise NotFound("the list of crawls is empty; name a crawl, such as cc:CC-MAIN-2026-20")
        crawl = crawls[0]["id"]
    url = f"{access.common_crawl}/crawl-data/{crawl}/{'wet' if wanted.wet else 'warc'}.paths.gz"
    try:
        paths = gzip.decompress(_read(url, access)).decode().split()
    except NotFound:
        raise NotFound(
            f"there is no crawl {crawl} at {access.common_crawl}; see {INDEX}/collinfo.json"
        ) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise TilthError(f"{url} is damaged or not Common Crawl's list of files") from None
    return crawl, _chosen(
        wanted, crawl, [path for path in paths if not path.startswith("/") and ".." not in path]
    )


def _chosen(wanted: CrawlFiles, crawl: str, paths: list[str]) -> list[str]:
    if wanted.count is not None:
        return paths[: wanted.count]
    if wanted.indices is None:
        return paths
    beyond = [index for index in wanted.indices if index >= len(paths)]
    if beyond:
        raise InvalidInput(
            f"{crawl} has files 0 to {len(paths) - 1}; there is no {beyond[0]}", field="sources"
        )
    return [paths[index] for index in wanted.indices]


def _range(text: str, part: str) -> range:
    first, _, last = part.partition("-")
    start, stop = int(first), int(last or first)
    if stop < start:
        raise InvalidInput(f"{text!r}: the range {part} runs backwards", field="sources")
    return range(start, stop + 1)


def _read(url: str, access: Access) -> bytes:
    with open_remote(url, access) as handle:
        found = handle.read(MAX_LIST) if (handle.size or 0) > MAX_LIST else handle.read()
    return bytes(found)
