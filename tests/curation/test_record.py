"""The page as crawled: exactly one record, from wherever the file lies."""

import gzip
from pathlib import Path

import pytest

from curation.pipeline.access import Access
from curation.pipeline.document import Document
from curation.pipeline.record import read_record
from curation.pipeline.sources import SourceFile, open_source, resolve_sources
from tests.curation.cc_server import common_crawl_server
from tests.curation.warcs import crawl_file, http, info, members, page, record, response
from tilth.errors import InvalidInput, NotFound
from tilth.storage import Storage

SHELL = Access.for_shell(patience=0.001, attempts=3)


def only(path: Path) -> SourceFile:
    return resolve_sources([str(path)], SHELL)[0]


def documents(source: SourceFile, access: Access = SHELL) -> list[Document]:
    return [one for one in open_source(source, access) if isinstance(one, Document)]


@pytest.mark.parametrize("shape", ["members", "plain", "solid"])
def test_every_document_s_record_opens_again(tmp_path: Path, shape: str):
    records = [info(), *(response(f"https://s{n}.example.org/", f"Title {n}") for n in range(6))]
    name, data = {
        "members": ("x.warc.gz", members(*records)),
        "plain": ("x.warc", b"".join(records)),
        "solid": ("x.warc.gz", gzip.compress(b"".join(records))),
    }[shape]
    (tmp_path / name).write_bytes(data)
    source = only(tmp_path / name)
    found = documents(source)
    assert len(found) == 6
    for number, document in enumerate(found):
        again = read_record(source, document.record_offset, document.record_length, SHELL)
        assert (again.url, again.status, again.body) == (document.url, 200, page(f"Title {number}"))
        assert again.date == document.date and again.media_type == "text/html"


def test_from_afar_only_the_span_is_asked_for():
    with common_crawl_server() as server:
        server.files["x.warc.gz"] = crawl_file(200)
        (source,) = resolve_sources([f"{server.url}/x.warc.gz"], SHELL)
        document = documents(source)[150]
        server.requests.clear()
        assert read_record(source, document.record_offset, document.record_length, SHELL).body == page(
            "Report 150"
        )
        end = document.record_offset + document.record_length - 1
        assert server.requests == [("x.warc.gz", f"bytes={document.record_offset}-{end}")]


def test_from_an_upload(tmp_path: Path):
    Storage(str(tmp_path)).write_bytes("uploads/" + "a" * 64, crawl_file(3))
    access = Access(storage=str(tmp_path))
    (source,) = resolve_sources(["upload:" + "a" * 64], access)
    document = documents(source, access)[2]
    assert read_record(source, document.record_offset, document.record_length, access).body == page(
        "Report 2"
    )


def test_the_body_comes_without_its_encodings_and_decoded(tmp_path: Path):
    block = http(
        gzip.compress("<p>Grüße".encode("cp1252")),
        content_type="text/html; charset=iso-8859-1",
        extra="Content-Encoding: gzip\r\n",
    )
    (tmp_path / "x.warc.gz").write_bytes(members(record("https://a.example.org/", block)))
    source = only(tmp_path / "x.warc.gz")
    (document,) = documents(source)
    again = read_record(source, document.record_offset, document.record_length, SHELL)
    assert again.text == "<p>Grüße" and again.headers["content-encoding"] == "gzip"


def test_a_place_without_a_record_says_so(tmp_path: Path):
    (tmp_path / "x.warc.gz").write_bytes(crawl_file(3))
    source = only(tmp_path / "x.warc.gz")
    document = documents(source)[1]
    for offset, length in ((document.record_offset + 7, 300), (10**9, 100)):
        with pytest.raises((NotFound, InvalidInput)):
            read_record(source, offset, length, SHELL)
    with pytest.raises(NotFound, match="damaged"):
        read_record(source, document.record_offset, document.record_length - 20, SHELL)
    with pytest.raises(InvalidInput, match="no span"):
        read_record(source, 0, 10**12, SHELL)


def test_rows_of_text_have_no_page(tmp_path: Path):
    (tmp_path / "x.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(InvalidInput, match="no page as crawled"):
        read_record(only(tmp_path / "x.jsonl"), 0, 0, SHELL)
