"""WARC files made in a test: records, gzip members, damage."""

import gzip

PAGE = (
    "<!DOCTYPE html><html lang='en'><head><title>{title}</title></head><body><nav><a href='/'>Home</a></nav>"
    "<article><h1>{title}</h1>{body}</article><footer>All rights reserved</footer></body></html>"
)


def page(title: str, paragraphs: int = 5) -> bytes:
    """An article of some length that extraction finds."""
    body = "".join(
        f"<p>Paragraph {number} of {title} says that the council met in the morning, and that its members "
        "talked about the budget of the coming year at length.</p>"
        for number in range(paragraphs)
    )
    return PAGE.format(title=title, body=body).encode()


def http(
    body: bytes, status: str = "200 OK", content_type: str = "text/html; charset=utf-8", extra: str = ""
) -> bytes:
    """An HTTP response block."""
    head = f"HTTP/1.1 {status}\r\n" + (f"Content-Type: {content_type}\r\n" if content_type else "") + extra
    return head.encode() + b"\r\n" + body


def record(
    url: str,
    block: bytes,
    kind: str = "response",
    length: int | None = None,
    date: str = "2026-05-12T03:04:05Z",
) -> bytes:
    """One uncompressed WARC record; ``length`` lies about the block's."""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: {date}\r\n"
        "WARC-Record-ID: <urn:uuid:602c352f-acd4-4b84-b829-93d62c67aefc>\r\n"
        f"WARC-Target-URI: {url}\r\nContent-Type: application/http; msgtype={kind}\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def response(url: str, title: str = "") -> bytes:
    """A record that becomes a document."""
    return record(url, http(page(title or url)))


def info(crawl: str = "CC-MAIN-2026-21") -> bytes:
    """The record that a WARC file begins with."""
    return record("", f"software: x\r\nisPartOf: {crawl}\r\n".encode(), "warcinfo")


def members(*records: bytes) -> bytes:
    """A ``.warc.gz`` with one gzip member per record."""
    return b"".join(gzip.compress(one, mtime=0) for one in records)


def crawl_file(count: int, start: int = 0) -> bytes:
    """A WARC file of ``count`` pages, each with its request and metadata, as Common Crawl writes them."""
    records = [info()]
    for number in range(start, start + count):
        url = f"https://site{number}.example.org/page"
        records += [
            record(url, b"GET / HTTP/1.1\r\n\r\n", "request"),
            response(url, f"Report {number}"),
            record(url, b"fetchTimeMs: 3\r\n", "metadata"),
        ]
    return members(*records)
