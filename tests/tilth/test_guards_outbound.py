"""The outbound guard: nothing inside the network is reached, by whatever spelling, redirect or trick."""

import asyncio
import http.server
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from fsspec.implementations.http import HTTPFileSystem

from tilth.errors import InvalidInput
from tilth.guards.outbound import EVERYWHERE, Guard, OutboundRefused, is_public

INSIDE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "168.63.129.16",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1",
    "2001::1", "2001:db8::1", "3fff::1", "fec0::1", "100::1",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """What ``work`` gives, awaited in a thread of its own: a browser test before may have left a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", INSIDE)
def test_an_inner_address_is_refused(address: str):
    with pytest.raises(OutboundRefused, match="not on the public internet"):
        Guard().check_url(f"http://{literal(address)}/x")


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_let_through(address: str):
    assert Guard().check_url(f"https://{literal(address)}/x").port == 443
    assert Guard().check(f"https://{literal(address)}/x") == [address]


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "0177.1", "127.1", "127.0.1", "017700000001",
        "0x7F.1", "127.0.0.1.", "１２７.０.０.１", "127。0。0。1", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
        "[fe80::1%25eth0]", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "00000177.0.0.1",
    ],
)  # fmt: skip
def test_every_spelling_of_an_inner_address_is_refused(host: str):
    with pytest.raises(OutboundRefused):
        Guard().check_url(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://a.example.org/", "gopher://a.example.org/", "data:text/html,x", "//a.example.org/",
        "a.example.org", "http://", "http:///x", "http://user@a.example.org/", "http://u:p@a.example.org/",
        "http://a.example.org:22/", "http://a.example.org\\@b.example.org/", "http://a.example.org/ x",
        "http://a.example.org/\r\nHost: b", "http://[::1", "http://a.example.org:99999/", "http://999.1.1.1/",
        "http://a.example.org/" + "x" * 5000, "javascript:alert(1)", "http://1.2.3.4.5/",
    ],
)  # fmt: skip
def test_what_no_source_needs_is_refused(url: str):
    with pytest.raises(OutboundRefused):
        target = Guard().check_url(url)
        Guard().check_address(target.host, target.port, "8.8.8.8")


def test_a_name_is_judged_by_all_its_addresses(monkeypatch: pytest.MonkeyPatch):
    answers = [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.5", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answers)
    with pytest.raises(OutboundRefused, match=r"10\.0\.0\.5"):
        Guard().check("http://a.example.org/")
    with pytest.raises(OutboundRefused):
        Guard().check("http://localhost/")


@pytest.mark.parametrize(
    ("allow", "host", "port", "address"),
    [
        ("mirror.internal", "mirror.internal", 9000, "10.0.0.5"),
        ("mirror.internal:9000", "mirror.internal", 9000, "10.0.0.5"),
        ("10.0.0.0/8", "any.internal", 1234, "10.9.9.9"),
        ("[::1]:8080", "::1", 8080, "::1"),
        ("127.0.0.1:5000", "127.0.0.1", 5000, "127.0.0.1"),
    ],
)
def test_the_operator_can_open_a_place(allow: str, host: str, port: int, address: str):
    Guard((allow,)).check_address(host, port, address)


@pytest.mark.parametrize(
    ("allow", "host", "port", "address"),
    [
        ("mirror.internal:9000", "mirror.internal", 9001, "10.0.0.5"),
        ("mirror.internal", "other.internal", 80, "10.0.0.5"),
        ("10.0.0.0/24", "any.internal", 80, "10.0.1.9"),
    ],
)
def test_an_open_place_opens_nothing_else(allow: str, host: str, port: int, address: str):
    with pytest.raises(OutboundRefused):
        Guard((allow,)).check_address(host, port, address)


def test_a_bad_allow_list_is_refused():
    with pytest.raises(InvalidInput, match="TILTH_OUTBOUND_ALLOW|allow-list"):
        Guard(("http://mirror.internal/",))


def test_is_public_agrees_with_the_lists():
    import ipaddress

    assert not any(is_public(ipaddress.ip_address(a)) for a in INSIDE)
    assert all(is_public(ipaddress.ip_address(a)) for a in OUTSIDE)


class Secret(http.server.BaseHTTPRequestHandler):
    """An inner service that must never be reached, and a public page that redirects to it."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
        else:
            self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"secret")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def inner() -> Iterator[int]:
    """The port of an inner service."""
    Secret.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Secret)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Flipping(AbstractResolver):
    """A name server that answers with a public address first and an inner one after (DNS rebinding)."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list:
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET,
                "proto": 6,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        pass


def fetch(guard: Guard, url: str, resolver: AbstractResolver | None = None) -> bytes:
    async def run() -> bytes:
        session = await guard.client((lambda: resolver) if resolver else None)()
        async with session, session.get(url) as answer:
            return await answer.read()

    return in_a_loop(run())


def test_the_client_reaches_what_is_allowed(inner: int):
    assert fetch(Guard((f"127.0.0.1:{inner}",)), f"http://127.0.0.1:{inner}/x") == b"secret"
    assert fetch(EVERYWHERE, f"http://127.0.0.1:{inner}/x") == b"secret"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_the_client_reaches_nothing_inside(inner: int, host: str):
    with pytest.raises(OutboundRefused):
        fetch(Guard(), f"http://{host}:{inner}/x")
    assert Secret.asked == []


@pytest.mark.parametrize(
    "onward",
    [
        "http://127.0.0.1:{port}/private",
        "http://localhost:{port}/private",
        "http://2130706433:{port}/private",
    ],
)
def test_a_redirect_inside_is_not_followed(inner: int, onward: str):
    guard = Guard((f"front.example.org:{inner}",))
    with pytest.raises(OutboundRefused):
        fetch(
            guard, f"http://front.example.org:{inner}/to/{onward.format(port=inner)}", Flipping("127.0.0.1")
        )
    assert [path for path in Secret.asked if path == "/private"] == []
    assert len(Secret.asked) == 1


def test_a_redirect_to_another_scheme_is_not_followed(inner: int):
    guard = Guard((f"127.0.0.1:{inner}",))
    for onward in ("file:///etc/passwd", "gopher://127.0.0.1/x"):
        with pytest.raises((OutboundRefused, aiohttp.ClientError)):
            fetch(guard, f"http://127.0.0.1:{inner}/to/{onward}")


def test_a_name_that_changes_its_answer_gains_nothing(inner: int):
    class Ports(Guard):
        """The guard of a network where this test's port is a web port, so that only addresses matter."""

        def check_address(self, host: str, port: int, address) -> None:
            super().check_address(host, 80, address)

    rebinding = Flipping("93.184.216.34", "127.0.0.1")
    first = in_a_loop(rebinding.resolve("a.example.org"))[0]["host"]
    Ports().check_address("a.example.org", inner, first)
    with pytest.raises(OutboundRefused, match=r"127\.0\.0\.1"):
        fetch(Ports(), f"http://a.example.org:{inner}/private", rebinding)
    assert Secret.asked == []


def test_the_address_checked_is_the_address_connected_to(inner: int):
    """One look-up a connection: what was judged is what the socket gets."""
    lookups = Flipping("127.0.0.1", "93.184.216.34")
    assert fetch(Guard(("127.0.0.0/8",)), f"http://a.example.org:{inner}/x", lookups) == b"secret"
    assert lookups.answers == ["93.184.216.34"]


def test_fsspec_s_file_system_is_guarded(inner: int):
    system = HTTPFileSystem(get_client=Guard().client(), skip_instance_cache=True)
    with pytest.raises(OutboundRefused):
        system.cat_file(f"http://127.0.0.1:{inner}/x")
    assert Secret.asked == []
