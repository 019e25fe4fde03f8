"""One file to read, and how its name or its first bytes tell what it holds."""

from dataclasses import dataclass
from typing import Literal

from curation.pipeline.members import MAGIC, WARC, Window, opening, probe
from tilth.errors import InvalidInput

Format = Literal["warc", "wet", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".warc.wet.gz": "wet",
    ".wet.gz": "wet",
    ".wet": "wet",
    ".warc.gz": "warc",
    ".warc": "warc",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
    ".parquet": "parquet",
}
KNOWN = "WARC, WET, JSONL or Parquet"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read: its id, where it lies (a path, URL or ``upload:<sha256>``), its crawl and format."""

    id: str
    url: str
    crawl: str
    format: Format
    size: int | None = None


def sniff(window: Window, name: str) -> Format:
    """The format of a file by its first bytes, where its name does not tell."""
    start = window.get(0, 4096)
    if start.startswith(b"PAR1"):
        return "parquet"
    inner = (probe(window, 0) or b"") if start.startswith(MAGIC) else start
    if inner.lstrip().startswith(WARC):
        return "warc"
    if inner.lstrip().startswith(b"{"):
        return "jsonl"
    unpacked = ", unpacked," if start.startswith(MAGIC) and inner else ""
    raise InvalidInput(
        f"{name} is neither WARC, WET, JSONL nor Parquet; it begins{unpacked} with {opening(inner or start)}",
        field="sources",
    )


def format_of(name: str) -> Format | None:
    """The format that a file name tells; the longest suffix wins."""
    lower = name.lower()
    return next((kind for suffix, kind in FORMATS.items() if lower.endswith(suffix)), None)
