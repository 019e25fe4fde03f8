"""WARC files, whole and damaged: what becomes a document, what is named instead, and where it lies."""

import gzip
import io
import random
import tracemalloc
import zlib
from collections import Counter
from datetime import UTC, datetime

import brotli
import pytest
from fastwarc.stream_io import ZstdWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.pipeline.document import Document
from curation.pipeline.warc import (
    INNER,
    REASONS,
    BadRecord,
    Limits,
    NotWarc,
    raw_records,
    read_warc,
    read_wet,
)
from tests.curation.warcs import crawl_file, http, info, members, page, record, response


def read(data: bytes, **options) -> tuple[list[Document], Counter]:
    found = list(read_warc(io.BytesIO(data), "file:x.warc.gz", **options))
    bad = [one for one in found if isinstance(one, BadRecord)]
    assert {one.reason for one in bad} <= set(REASONS)
    return [one for one in found if isinstance(one, Document)], Counter(one.reason for one in bad)


def test_a_page_carries_where_it_came_from():
    documents, bad = read(crawl_file(2))
    assert [d.url for d in documents] == ["https://site0.example.org/page", "https://site1.example.org/page"]
    assert bad == {"not_response": 5}
    first = documents[0]
    assert first.date == datetime(2026, 5, 12, 3, 4, 5, tzinfo=UTC)
    assert (first.crawl, first.content_type, first.charset) == ("CC-MAIN-2026-21", "text/html", "utf-8")
    assert first.content == page("Report 0")


def test_a_given_crawl_wins_over_the_file_s_own():
    assert read(crawl_file(1), crawl="CC-MAIN-2026-20")[0][0].crawl == "CC-MAIN-2026-20"


def test_offset_and_length_are_the_member_s_span():
    data = crawl_file(5)
    for document in read(data)[0]:
        span = data[document.record_offset : document.record_offset + document.record_length]
        assert gzip.decompress(span).startswith(b"WARC/1.0")
        (again,) = read(span)[0]
        assert (again.url, again.content) == (document.url, document.content)


def test_an_uncompressed_file_has_plain_spans():
    data = info() + response("https://a.example.org/") + response("https://b.example.org/")
    documents, _ = read(data)
    assert [d.url for d in documents] == ["https://a.example.org/", "https://b.example.org/"]
    for document in documents:
        span = data[document.record_offset : document.record_offset + document.record_length]
        assert read(span)[0][0].content == document.content


def test_one_member_for_the_whole_file_still_reads():
    records = [response(f"https://s{n}.example.org/") for n in range(6)]
    documents, _ = read(gzip.compress(info() + b"".join(records)))
    assert len(documents) == 6
    offsets = [d.record_offset for d in documents]
    assert min(offsets) >= INNER and offsets == sorted(set(offsets))
    assert offsets[0] - INNER == len(info()) and documents[0].record_length == len(records[0])


def test_records_that_span_members_are_joined():
    whole = info() + b"".join(response(f"https://s{n}.example.org/") for n in range(20))
    blocks = b"".join(
        gzip.compress(whole[at : at + 1000]) for at in range(0, len(whole), 1000)
    ) + gzip.compress(b"")
    assert len(read(blocks)[0]) == 20


def test_a_corrupt_member_costs_only_itself():
    parts = [members(response(f"https://s{n}.example.org/")) for n in range(5)]
    broken = bytearray(parts[2])
    broken[40:60] = bytes(20)
    documents, bad = read(b"".join([*parts[:2], bytes(broken), *parts[3:]]))
    assert [d.url[9] for d in documents] == ["0", "1", "3", "4"]
    assert bad == {"corrupt": 1}


def test_a_member_whose_checksum_is_wrong_is_not_trusted():
    good, bad_one = (
        members(response("https://a.example.org/")),
        bytearray(members(response("https://b.example.org/"))),
    )
    bad_one[-6] ^= 255
    documents, bad = read(bytes(bad_one) + good)
    assert [d.url for d in documents] == ["https://a.example.org/"]
    assert bad == {"corrupt": 1}


def test_a_file_cut_short_keeps_what_came_before():
    data = members(response("https://a.example.org/"), response("https://b.example.org/"))
    documents, bad = read(data[:-200])
    assert [d.url for d in documents] == ["https://a.example.org/"]
    assert bad == {"truncated": 1}


def test_a_plain_file_goes_on_after_a_damaged_header():
    broken = (
        response("https://b.example.org/")
        .replace(b"WARC/1.0", b"WARC/1.x", 1)
        .replace(b"Content-Length: ", b"Content-Length: x")
    )
    documents, bad = read(response("https://a.example.org/") + broken + response("https://c.example.org/"))
    assert [d.url for d in documents][0] == "https://a.example.org/"
    assert documents[-1].url == "https://c.example.org/"
    assert sum(bad.values()) >= 1 and len(documents) == 2


def test_a_length_that_lies_is_contained_in_its_member():
    lying = record("https://b.example.org/", http(page("b")), length=9_000_000)
    documents, bad = read(
        members(response("https://a.example.org/"), lying, response("https://c.example.org/"))
    )
    assert [d.url for d in documents] == ["https://a.example.org/", "https://c.example.org/"]
    assert bad == {"truncated": 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_no_damage_stops_the_reading(seed: int, flips: int):
    dice = random.Random(seed)
    data = bytearray(members(info(), *(response(f"https://s{n}.example.org/") for n in range(8))))
    for _ in range(flips):
        data[dice.randrange(len(data))] = dice.randrange(256)
    data = data[: dice.randrange(len(data))]
    try:
        documents, _ = read(bytes(data))
    except NotWarc:
        return
    for document in documents:
        assert document.content == page(document.url)


def test_padding_between_members_is_skipped():
    data = (
        members(response("https://a.example.org/"))
        + bytes(5000)
        + members(response("https://b.example.org/"))
    )
    assert len(read(data)[0]) == 2 and not read(data)[1]


@pytest.mark.parametrize(
    "data",
    [
        b"This is not a WARC file",
        gzip.compress(b"<html>an error page</html>", mtime=0),
        b"\x1f\x8b\x08" + bytes(500),
    ],
)
def test_a_file_that_is_no_warc_says_so(data: bytes):
    with pytest.raises(NotWarc, match=r"file:x\.warc\.gz"):
        read(data)


def test_an_empty_file_has_no_records():
    assert read(b"") == ([], {})


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (record("https://a.example.org/", http(b"x", status="404 Not Found")), "status"),
        (record("https://a.example.org/", http(b"", status="301 Moved")), "status"),
        (record("https://a.example.org/", http(b"\n  \t")), "empty"),
        (record("https://a.example.org/", b""), "empty"),
        (record("https://a.example.org/", b"garbage without a status line\r\n\r\n<html>"), "bad_http"),
        (record("https://a.example.org/", http(b"{}", content_type="application/json")), "not_html"),
        (record("https://a.example.org/", http(b"plain", content_type="")), "not_html"),
        (record("https://a.example.org/", http(b"\x89PNG\r\n\x1a\n" + bytes(900))), "binary"),
        (record("https://a.example.org/", http(random.Random(1).randbytes(5000))), "binary"),
        (record("dns:example.org", b"20260512\nexample.org. 600 IN A 1.2.3.4"), "not_http"),
        (record("javascript:alert(1)", http(page("a"))), "bad_url"),
        (record("http://", http(page("a"))), "bad_url"),
        (record("http://a.example.org/" + "a" * 5000, http(page("a"))), "bad_url"),
        (record("http://a.example.org/" + "a" * 100_000, http(page("a"))), "bad_url"),
        (record("https://a.example.org/", http(page("a")), "revisit"), "not_response"),
        (record("https://a.example.org/", page("a"), "resource"), "not_response"),
    ],
)
def test_what_is_no_page_is_named(one: bytes, reason: str):
    documents, bad = read(members(one, response("https://after.example.org/")))
    assert bad == {reason: 1}
    assert [d.url for d in documents] == ["https://after.example.org/"]


@pytest.mark.parametrize("status", ["200 OK", "203 Non-Authoritative", "206"])
def test_every_success_is_a_page(status: str):
    assert len(read(members(record("https://a.example.org/", http(page("a"), status=status))))[0]) == 1


@pytest.mark.parametrize(
    "content_type", ["application/xhtml+xml", "Text/HTML;charset=x", "", "text/xml", "unknown"]
)
def test_html_is_known_by_type_or_by_look(content_type: str):
    assert (
        len(read(members(record("https://a.example.org/", http(page("a"), content_type=content_type))))[0])
        == 1
    )


def zstd(data: bytes) -> bytes:
    out = io.BytesIO()
    with ZstdWriter(out) as writer:
        writer.write(data)
    return out.getvalue()


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODED = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", deflate),
    ("br", brotli.compress),
    ("zstd", zstd),
]


@pytest.mark.parametrize(("coding", "pack"), ENCODED)
def test_a_content_encoding_is_undone(coding, pack):
    block = http(pack(page("a")), extra=f"Content-Encoding: {coding}\r\n")
    (document,) = read(members(record("https://a.example.org/", block)))[0]
    assert document.content == page("a")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "nonsense", "chunked"])
def test_an_encoding_that_was_not_used_is_ignored(coding: str):
    name = "Transfer-Encoding" if coding == "chunked" else "Content-Encoding"
    (document,) = read(
        members(record("https://a.example.org/", http(page("a"), extra=f"{name}: {coding}\r\n")))
    )[0]
    assert document.content == page("a")


def test_chunks_are_joined_and_several_encodings_undone():
    packed = gzip.compress(page("a"))
    chunks = (
        b"".join(b"%x;ext=1\r\n%s\r\n" % (len(p), p) for p in (packed[:100], packed[100:])) + b"0\r\n\r\n"
    )
    block = http(chunks, extra="Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n")
    assert read(members(record("https://a.example.org/", block)))[0][0].content == page("a")


@pytest.mark.parametrize(("coding", "pack"), ENCODED)
def test_a_bomb_is_refused_within_its_limit(coding, pack):
    bomb = members(
        record(
            "https://a.example.org/", http(pack(bytes(60_000_000)), extra=f"Content-Encoding: {coding}\r\n")
        )
    )
    tracemalloc.start()
    assert read(bomb, limits=Limits(body=1_000_000)) == ([], {"too_large": 1})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000


def test_a_huge_record_is_passed_over_without_being_held():
    huge = members(
        record("https://a.example.org/", http(b"<html>" + bytes(80_000_000))),
        response("https://b.example.org/"),
    )
    tracemalloc.start()
    documents, bad = read(huge)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [d.url for d in documents] == ["https://b.example.org/"] and bad == {"too_large": 1}
    assert peak < 12_000_000


def test_a_file_that_breaks_off_with_an_error_raises_that_error():
    class Broken(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() >= 2000:
                raise ConnectionResetError("peer")
            return super().read(2000)

    found = read_warc(Broken(crawl_file(20)), "file:x")
    with pytest.raises(ConnectionResetError):
        list(found)


def test_wet_texts_are_documents_with_text_and_no_page():
    data = members(info(), record("https://a.example.org/", "Grüße aus Köln".encode(), "conversion"))
    found = [d for d in read_wet(io.BytesIO(data), "cc:x") if isinstance(d, Document)]
    assert [(d.text, d.content, d.url, d.crawl) for d in found] == [
        ("Grüße aus Köln", b"", "https://a.example.org/", "CC-MAIN-2026-21")
    ]


def test_raw_records_name_every_type():
    kinds = [str(raw.kind).split(".")[-1] for raw in raw_records(io.BytesIO(crawl_file(1)), "x")]
    assert kinds == ["warcinfo", "request", "response", "metadata"]
