"""A small web server with Common Crawl's layout and its moods, for tests and benchmarks.

It serves ``collinfo.json``, ``crawl-data/<crawl>/warc.paths.gz`` and ``wet.paths.gz`` and the files they
name, honours ranges, and can be told to be busy (503 SlowDown), to cut connections and to ignore ranges.
"""

import gzip
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mood:
    """How the server misbehaves; counters go down as it does, -1 means always."""

    busy: int = 0
    busy_status: int = 503
    retry_after: str = ""
    cut: int = 0
    cut_after: int = 5000
    cut_when: threading.Event | None = None
    ignore_ranges: bool = False
    etag: str = ""
    content_encoding: str = ""
    redirect: dict[str, str] = field(default_factory=dict)


class CommonCrawlServer:
    """Files by path, the requests seen, and the mood."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.answers: Counter[int] = Counter()
        self.mood = Mood()
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients that hang up are part of the game
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def add_crawl(
        self, crawl: str, warcs: dict[str, bytes], wets: dict[str, bytes] | None = None
    ) -> list[str]:
        """Publish a crawl; ``warcs`` maps file names to bytes. Returns the paths as ``warc.paths.gz`` has them."""
        base = f"crawl-data/{crawl}/segments/1700000000000.1"
        paths = {f"{base}/warc/{name}": data for name, data in warcs.items()}
        texts = {f"{base}/wet/{name}": data for name, data in (wets or {}).items()}
        self.files |= paths | texts
        self.files[f"crawl-data/{crawl}/warc.paths.gz"] = gzip.compress(
            "".join(f"{p}\n" for p in paths).encode()
        )
        self.files[f"crawl-data/{crawl}/wet.paths.gz"] = gzip.compress(
            "".join(f"{p}\n" for p in texts).encode()
        )
        known = json.loads(self.files.get("collinfo.json", b"[]"))
        known.insert(0, {"id": crawl, "name": f"{crawl} Index", "cdx-api": f"{self.url}/{crawl}-index"})
        self.files["collinfo.json"] = json.dumps(known).encode()
        return list(paths)

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path, asked = request.path.split("?")[0].lstrip("/"), request.headers.get("Range", "")
        with self.lock:
            self.requests.append((path, asked))
            busy = self.mood.busy != 0
            self.mood.busy -= self.mood.busy > 0
        if busy:
            headers = {"Retry-After": self.mood.retry_after} if self.mood.retry_after else {}
            self._send(request, self.mood.busy_status, b"<Error><Code>SlowDown</Code></Error>", headers)
        elif path in self.mood.redirect:
            self._send(request, 302, b"", {"Location": self.mood.redirect[path]})
        elif path not in self.files:
            self._send(request, 404, b"not here", {})
        else:
            self._send_file(request, self.files[path], asked)

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes, asked: str) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        if not match or self.mood.ignore_ranges:
            self._send(request, 200, data, {"Accept-Ranges": "bytes"})
            return
        start, end = int(match[1]), int(match[2] or len(data) - 1)
        if start >= len(data):
            self._send(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        end = min(end, len(data) - 1)
        self._send(request, 206, data[start : end + 1], {"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        with self.lock:
            self.answers[status] += 1
            cut = status in {200, 206} and self.mood.cut != 0 and len(body) > self.mood.cut_after
            self.mood.cut -= cut and self.mood.cut > 0
        headers = headers | {
            k: v for k, v in (("ETag", self.mood.etag), ("Content-Encoding", self.mood.content_encoding)) if v
        }
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "HEAD":
            return
        try:
            request.wfile.write(body[: self.mood.cut_after] if cut else body)
        except OSError:
            cut = True
        if cut:
            if self.mood.cut_when is not None:
                self.mood.cut_when.wait(60)
            request.close_connection = True
            request.connection.close()


@contextmanager
def common_crawl_server() -> Iterator[CommonCrawlServer]:
    """A running server, stopped at the end."""
    server = CommonCrawlServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
