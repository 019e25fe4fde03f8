"""Sources as people type them: files found, named the same everywhere, and refused with a reason."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.pipeline.access import Access
from curation.pipeline.document import Document
from curation.pipeline.sources import SourceFile, open_source, resolve_sources
from tests.curation.cc_server import CommonCrawlServer, common_crawl_server
from tests.curation.warcs import crawl_file, info, members, record
from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.guards.outbound import Guard, OutboundRefused
from tilth.guards.paths import PathRefused
from tilth.storage import Storage

SHELL = Access.for_shell(patience=0.001, attempts=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.warc.gz").write_bytes(crawl_file(2))
    (tmp_path / "in" / "deep" / "b.warc.gz").write_bytes(crawl_file(1, start=5))
    (tmp_path / "in" / "notes.txt").write_text("not a source")
    return tmp_path / "in"


@pytest.fixture
def server():
    with common_crawl_server() as running:
        running.add_crawl(
            "CC-MAIN-2026-20",
            {f"CC-MAIN-{n:05d}.warc.gz": crawl_file(2, start=2 * n) for n in range(4)},
            {
                f"CC-MAIN-{n:05d}.warc.wet.gz": members(
                    info(), record(f"https://w{n}.example.org/", f"text {n}".encode(), "conversion")
                )
                for n in range(2)
            },
        )
        yield running


def ids(*spelled: str, access: Access = SHELL) -> list[str]:
    return [source.id for source in resolve_sources(spelled, access)]


def documents(source: SourceFile, access: Access = SHELL, **options) -> list[Document]:
    return [one for one in open_source(source, access, **options) if isinstance(one, Document)]


def test_a_file_a_folder_and_a_glob(folder: Path):
    assert ids(str(folder / "a.warc.gz")) == ["file:a.warc.gz"]
    assert ids(str(folder)) == ["file:a.warc.gz", "file:deep/b.warc.gz"]
    assert ids(f"{folder}/**/*.warc.gz") == ["file:a.warc.gz", "file:deep/b.warc.gz"]
    assert ids(f"{folder}/*/*.warc.gz") == ["file:deep/b.warc.gz"]


def test_an_id_does_not_depend_on_where_the_folder_lies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "moved").mkdir()
    elsewhere = folder.rename(tmp_path / "moved" / "in")
    before = ids(str(elsewhere))
    monkeypatch.chdir(elsewhere.parent)
    assert ids("in") == ids("./in/") == before == ["file:a.warc.gz", "file:deep/b.warc.gz"]
    assert all(str(tmp_path) not in one for one in before)


def test_the_same_file_named_twice_counts_once(folder: Path):
    assert ids(str(folder), str(folder / "a.warc.gz"), str(folder)) == [
        "file:a.warc.gz",
        "file:deep/b.warc.gz",
    ]


def test_two_files_of_one_name_are_refused(folder: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.warc.gz").write_bytes(crawl_file(1))
    with pytest.raises(InvalidInput, match="two sources have the name file:a.warc.gz"):
        ids(str(folder), str(tmp_path / "other"))
    assert ids(str(tmp_path)) == ["file:in/a.warc.gz", "file:in/deep/b.warc.gz", "file:other/a.warc.gz"]


def test_documents_of_a_file_carry_its_id_and_crawl(folder: Path):
    (source,) = resolve_sources([str(folder / "a.warc.gz")], SHELL)
    found = documents(source)
    assert [d.url for d in found] == ["https://site0.example.org/page", "https://site1.example.org/page"]
    assert {(d.source, d.crawl) for d in found} == {("file:a.warc.gz", "CC-MAIN-2026-21")}
    assert len({d.id for d in found}) == 2 and source.size == (folder / "a.warc.gz").stat().st_size


@pytest.mark.parametrize(
    ("typed", "error", "message"),
    [
        ("nowhere.warc.gz", NotFound, "no file nowhere"),
        ("", InvalidInput, "empty"),
        ("{folder}/empty", NotFound, "holds no WARC"),
        ("{folder}/in/notes.txt", InvalidInput, "neither WARC"),
        ("{folder}/*.nothing", NotFound, "no file matches"),
        ("cc:CC-MAIN-20-26", InvalidInput, "looks like cc:CC-MAIN-2026-20"),
        ("cc:CC-MAIN-2026-20:9-2", InvalidInput, "backwards"),
        ("cc:CC-MAIN-2026-20:n=0", InvalidInput, "no file at all"),
        ("cc:CC-MAIN-2026-20:x/wet", InvalidInput, "looks like"),
        ("upload:abc", InvalidInput, "64 hexadecimal"),
        ("upload:" + "0" * 64, NotFound, "no upload"),
        ("ftp://a.example.org/x.warc.gz", OutboundRefused, "http"),
        ("s3://A_B/x", TilthError, "s3://bucket"),
    ],
)
def test_a_bad_source_says_what_is_wrong(folder: Path, tmp_path: Path, typed: str, error: type, message: str):
    (tmp_path / "empty").mkdir()
    access = Access.for_shell(storage=str(tmp_path / "storage"))
    with pytest.raises(error, match=message):
        resolve_sources([typed.format(folder=tmp_path)], access)


def test_no_source_at_all_is_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        resolve_sources([], SHELL)


def test_the_web_reads_only_below_its_roots(folder: Path, tmp_path: Path):
    web = Access(roots=(folder,))
    assert ids("a.warc.gz", access=web) == ["file:a.warc.gz"]
    assert ids(str(folder), access=web) == ["file:a.warc.gz", "file:deep/b.warc.gz"]
    (tmp_path / "secret.warc.gz").write_bytes(crawl_file(1))
    (folder / "link.warc.gz").symlink_to(tmp_path / "secret.warc.gz")
    for typed in (
        "../secret.warc.gz",
        str(tmp_path / "secret.warc.gz"),
        f"{tmp_path}/*.warc.gz",
        str(folder),
        "link.warc.gz",
    ):
        with pytest.raises(PathRefused):
            ids(typed, access=web)
    with pytest.raises(PathRefused, match="TILTH_SOURCE_ROOTS"):
        ids(str(folder), access=Access())
    outside = SourceFile("file:secret.warc.gz", str(tmp_path / "secret.warc.gz"), "", "warc")
    with pytest.raises(PathRefused):
        documents(outside, web)


def test_an_upload_is_named_by_its_hash_and_known_by_its_bytes(tmp_path: Path):
    storage = Storage(str(tmp_path / "storage"))
    uploads = {
        "a" * 64: crawl_file(2),
        "b" * 64: gzip.compress(b'{"text": "hello"}\n'),
        "c" * 64: b"what is this",
    }
    for digest, data in uploads.items():
        storage.write_bytes(f"uploads/{digest}", data)
    access = Access(storage=storage.url)
    sources = resolve_sources([f"upload:{'a' * 64}", f"upload:{'b' * 64}"], access)
    assert [(s.id, s.format) for s in sources] == [
        (f"upload:{'a' * 64}", "warc"),
        (f"upload:{'b' * 64}", "jsonl"),
    ]
    assert len(documents(sources[0], access)) == 2
    assert documents(sources[1], access)[0].text == "hello"
    with pytest.raises(InvalidInput, match="neither WARC"):
        ids(f"upload:{'c' * 64}", access=access)


def crawl_access(server: CommonCrawlServer, **changes) -> Access:
    return Access(
        common_crawl=server.url, guard=Guard(("127.0.0.1",)), **{"patience": 0.001, "attempts": 4} | changes
    )


@pytest.mark.parametrize(
    ("spelling", "numbers"),
    [
        ("cc:CC-MAIN-2026-20", [0, 1, 2, 3]),
        ("cc:latest", [0, 1, 2, 3]),
        ("cc:CC-MAIN-2026-20:1-2", [1, 2]),
        ("cc:CC-MAIN-2026-20:3,0", [3, 0]),
        ("cc:CC-MAIN-2026-20:0-1,1-2", [0, 1, 2]),
        ("cc:CC-MAIN-2026-20:n=2", [0, 1]),
        ("cc:CC-MAIN-2026-20:n=99", [0, 1, 2, 3]),
    ],
)
def test_a_crawl_is_read_by_name(server: CommonCrawlServer, spelling: str, numbers: list[int]):
    sources = resolve_sources([spelling], crawl_access(server))
    assert [s.id for s in sources] == [
        f"cc:CC-MAIN-2026-20/segments/1700000000000.1/warc/CC-MAIN-{n:05d}.warc.gz" for n in numbers
    ]
    assert {s.crawl for s in sources} == {"CC-MAIN-2026-20"}
    found = documents(sources[0], crawl_access(server))
    assert found[0].url == f"https://site{2 * numbers[0]}.example.org/page"


def test_a_mirror_gives_the_same_ids(server: CommonCrawlServer):
    with common_crawl_server() as mirror:
        mirror.files = server.files
        assert ids("cc:latest", access=crawl_access(server)) == ids("cc:latest", access=crawl_access(mirror))


def test_wet_texts_of_a_crawl(server: CommonCrawlServer):
    sources = resolve_sources(["cc:CC-MAIN-2026-20:1/wet"], crawl_access(server))
    assert [s.format for s in sources] == ["wet"]
    assert [d.text for d in documents(sources[0], crawl_access(server))] == ["text 1"]


@pytest.mark.parametrize(
    ("spelling", "message"),
    [("cc:CC-MAIN-1999-01", "no crawl CC-MAIN-1999-01"), ("cc:latest:4", "files 0 to 3")],
)
def test_what_a_crawl_does_not_have_is_named(server: CommonCrawlServer, spelling: str, message: str):
    with pytest.raises(TilthError, match=message):
        resolve_sources([spelling], crawl_access(server))


def test_a_damaged_list_is_named(server: CommonCrawlServer):
    server.files["crawl-data/CC-MAIN-2026-20/warc.paths.gz"] = b"<html>busy</html>"
    server.files["collinfo.json"] = b"<html>"
    with pytest.raises(TilthError, match="list of files"):
        resolve_sources(["cc:CC-MAIN-2026-20"], crawl_access(server))
    with pytest.raises(TilthError, match="list of crawls"):
        resolve_sources(["cc:latest"], crawl_access(server))


def test_a_busy_cutting_crawl_gives_the_same_documents(server: CommonCrawlServer):
    access = crawl_access(server, attempts=20)
    (source, *_) = resolve_sources(["cc:CC-MAIN-2026-20"], access)
    calm = [(d.id, d.content) for d in documents(source, access)]
    server.mood.busy, server.mood.cut, server.mood.cut_after = 3, 5, 700
    assert [(d.id, d.content) for d in documents(source, access)] == calm
    assert server.answers[503] == 3


def test_a_url_is_known_by_its_name_or_its_bytes(server: CommonCrawlServer):
    server.files |= {"x/data.warc.gz": crawl_file(1), "download": crawl_file(1), "page": b"<html>"}
    access = crawl_access(server)
    first, second = resolve_sources(
        [f"{server.url}/x/data.warc.gz?signature=s3cret", f"{server.url}/download"], access
    )
    assert first.id == f"{server.url}/x/data.warc.gz" and (first.format, second.format) == ("warc", "warc")
    assert len(documents(first, access)) == len(documents(second, access)) == 1
    with pytest.raises(InvalidInput, match="neither WARC"):
        resolve_sources([f"{server.url}/page"], access)
    with pytest.raises(NotFound, match="404"):
        resolve_sources([f"{server.url}/gone.warc.gz"], access)
    with pytest.raises(OutboundRefused):
        resolve_sources([f"{server.url}/x/data.warc.gz"], Access())


ROWS = [
    {"text": "one", "url": "https://a.example.org/"},
    {"text": "", "url": "https://b.example.org/"},
    {"text": 5},
    {"text": "four\nlines", "other": 1},
]


@pytest.mark.parametrize("packed", [False, True])
def test_jsonl_rows_are_documents_with_text(tmp_path: Path, packed: bool):
    text = "\n".join([*(json.dumps(row) for row in ROWS), "not json", "[1]", ""]).encode()
    path = tmp_path / ("x.jsonl.gz" if packed else "x.jsonl")
    path.write_bytes(gzip.compress(text) if packed else text)
    (source,) = resolve_sources([str(path)], SHELL)
    everything = list(open_source(source, SHELL))
    assert [(d.text, d.url, d.record_offset) for d in everything if isinstance(d, Document)] == [
        ("one", "https://a.example.org/", 0),
        ("four\nlines", "", 3),
    ]
    assert [d.reason for d in everything if not isinstance(d, Document)] == [
        "empty",
        "bad_row",
        "bad_row",
        "bad_row",
    ]


def test_parquet_rows_are_documents_with_text_even_from_afar(server: CommonCrawlServer, tmp_path: Path):
    rows = {"body": ["eins", None, "drei"], "link": ["https://a.example.org/", None, None], "n": [1, 2, 3]}
    pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    server.files["x.parquet"] = (tmp_path / "x.parquet").read_bytes()
    for spelled in (str(tmp_path / "x.parquet"), f"{server.url}/x.parquet"):
        (source,) = resolve_sources([spelled], SHELL)
        found = documents(source, text_column="body", url_column="link")
        assert [(d.text, d.url, d.record_offset) for d in found] == [
            ("eins", "https://a.example.org/", 0),
            ("drei", "", 2),
        ]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_a_missing_text_column_names_the_columns(tmp_path: Path, name: str):
    if name == "x.jsonl":
        (tmp_path / name).write_text('{"content": "x", "url": "y"}\n')
    else:
        pq.write_table(pa.table({"content": ["x"], "url": ["y"]}), tmp_path / name)
    (source,) = resolve_sources([str(tmp_path / name)], SHELL)
    with pytest.raises(InvalidInput, match="no column 'text'; its columns are content, url"):
        documents(source)


def test_a_file_named_parquet_that_is_none_says_so(tmp_path: Path):
    (tmp_path / "x.parquet").write_bytes(b"hello")
    (source,) = resolve_sources([str(tmp_path / "x.parquet")], SHELL)
    with pytest.raises(InvalidInput, match="not a Parquet file"):
        documents(source)


def test_a_cache_folder_serves_the_second_reading(server: CommonCrawlServer, tmp_path: Path):
    access = crawl_access(server, cache=tmp_path / "cache", cache_budget=10_000_000)
    (source, *_) = resolve_sources(["cc:latest:0"], access)
    first = [d.id for d in documents(source, access)]
    asked = len(server.requests)
    assert [d.id for d in documents(source, access)] == first and len(server.requests) == asked


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch):
    """An S3 service with one bucket, ``crawls``."""
    from moto.server import ThreadedMotoServer

    service = ThreadedMotoServer(port=0, verbose=False)
    service.start()
    host, port = service.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    client.create_bucket(Bucket="crawls")
    for name in ("deep/a.warc.gz", "deep/b.warc.gz", "readme.txt"):
        client.put_object(Bucket="crawls", Key=name, Body=crawl_file(2) if name.endswith("gz") else b"hi")
    yield f"http://127.0.0.1:{port}"
    service.stop()


def test_s3_files_folders_and_globs(bucket: str):
    access = Access.for_shell(s3_endpoint=bucket, patience=0.001, attempts=2)
    assert ids("s3://crawls/deep/a.warc.gz", access=access) == ["s3://crawls/deep/a.warc.gz"]
    both = ["s3://crawls/deep/a.warc.gz", "s3://crawls/deep/b.warc.gz"]
    assert ids("s3://crawls", access=access) == ids("s3://crawls/deep/", access=access) == both
    sources = resolve_sources(["s3://crawls/deep/*.warc.gz"], access)
    assert [s.id for s in sources] == both
    assert len(documents(sources[1], access)) == 2
    with pytest.raises(NotFound):
        ids("s3://crawls/deep/gone.warc.gz", access=access)
    with pytest.raises(NotFound, match="holds no WARC"):
        ids("s3://crawls/nothing/", access=access)


def test_an_inner_s3_service_must_be_allowed(bucket: str):
    with pytest.raises(OutboundRefused):
        ids("s3://crawls/deep/a.warc.gz", access=Access(s3_endpoint=bucket, s3_anonymous=False))
    port = bucket.rpartition(":")[2]
    allowed = Access(s3_endpoint=bucket, s3_anonymous=False, guard=Guard((f"127.0.0.1:{port}",)))
    assert ids("s3://crawls/deep/a.warc.gz", access=allowed) == ["s3://crawls/deep/a.warc.gz"]
