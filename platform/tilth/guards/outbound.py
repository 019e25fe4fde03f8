"""The one guard for every URL that a person can type: the server fetches nothing inside its own network.

A URL is judged three times. ``check_url`` looks at what was typed (scheme, user info, port, an address
in any spelling); the connector looks again at every hop of a redirect; and the resolver looks at the
addresses themselves and hands exactly those to the socket, so that a name which changes its answer
between the check and the connection (DNS rebinding) gains nothing.

``allow`` opens what an operator wants reached all the same (an internal mirror): host names,
``host:port`` pairs and networks in CIDR form. The caller passes it; this module reads no settings.
"""

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tilth.errors import InvalidInput, TilthError

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from aiohttp.abc import AbstractResolver

    from tilth.guards.guarded import GuardedResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SCHEMES = {"http": 80, "https": 443}
PORTS = {80, 443, 8080, 8443}
MAX_URL = 4096

# Python's is_global knows the IANA registries; these are the cases that it or an older table lets pass.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(net)
    for net in (
        "100.64.0.0/10",  # carrier-grade NAT; also Alibaba Cloud's metadata
        "168.63.129.16/32",  # Azure's platform address: public by number, internal by use
        "192.0.0.0/24",  # IETF assignments; also Oracle Cloud's metadata
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarking
        "64:ff9b::/96",  # NAT64: any IPv4 address in IPv6 clothes
        "64:ff9b:1::/48",  # local-use NAT64
        "2001::/23",  # Teredo and other IETF assignments
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)


class OutboundRefused(TilthError):
    """The server will not fetch this URL."""

    code = "outbound_refused"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: scheme, host name or address (lower case, no brackets) and port."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class Guard:
    """What may be fetched: public addresses on web ports, and what ``allow`` adds."""

    allow: Sequence[str] = ()
    _hosts: frozenset[tuple[str, int | None]] = field(init=False, repr=False, compare=False)
    _networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", tuple(self.allow))
        hosts, networks = _read_allow(self.allow)
        object.__setattr__(self, "_hosts", hosts)
        object.__setattr__(self, "_networks", networks)

    def check_url(self, url: str) -> Target:
        """Judge a URL as typed, without looking its name up; raises :class:`OutboundRefused`."""
        target = _split(url)
        address = as_address(target.host)
        if address is not None:
            self.check_address(target.host, target.port, address)
        return target

    def check_address(self, host: str, port: int, address: str | Address) -> None:
        """Judge the address that a connection to ``host:port`` would use; raises :class:`OutboundRefused`."""
        found = ipaddress.ip_address(address.split("%")[0]) if isinstance(address, str) else address
        if (host, port) in self._hosts or (host, None) in self._hosts:
            return
        if any(found in network for network in self._networks):
            return
        if not is_public(found):
            raise OutboundRefused(
                f"{host} leads to {found}, which is not on the public internet. If the server should fetch from it, "
                "the operator adds it to TILTH_OUTBOUND_ALLOW."
            )
        if port not in PORTS:
            raise OutboundRefused(
                f"port {port} of {host} is not a web port ({', '.join(map(str, sorted(PORTS)))}). "
                f"The operator can add {host}:{port} to TILTH_OUTBOUND_ALLOW."
            )

    def check(self, url: str) -> list[str]:
        """Judge a URL and every address its name has now; returns the addresses.

        For forms, so that the person hears at once. The fetch itself must still go through
        :meth:`client`: the name can answer differently a moment later.
        """
        target = self.check_url(url)
        try:
            answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise OutboundRefused(f"there is no host called {target.host}", code="unknown_host") from None
        addresses = sorted({str(answer[4][0]) for answer in answers})
        for address in addresses:
            self.check_address(target.host, target.port, address)
        return addresses

    def resolver(self, inner: "AbstractResolver | None" = None) -> "GuardedResolver":
        """A resolver for aiohttp (and aiobotocore's ``connector_args``) that refuses what the guard refuses."""
        from tilth.guards.guarded import GuardedResolver  # aiohttp: only a process that fetches pays for it

        return GuardedResolver(self, inner)

    def client(
        self, inner: "Callable[[], AbstractResolver] | None" = None
    ) -> "Callable[..., Awaitable[ClientSession]]":
        """A ``get_client`` for fsspec's HTTP file system whose every connection passes this guard.

        ``inner`` makes the resolver that is asked (tests give one that lies).
        """
        from tilth.guards.guarded import session  # as above

        async def get_client(loop: Any = None, **options: Any) -> "ClientSession":
            return session(self, inner() if inner else None, **options)

        return get_client


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, and is no other address in disguise."""
    if any(address in network for network in _NEVER):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def as_address(host: str) -> Address | None:
    """The address that a host is, in any spelling a socket understands (``2130706433``, ``0x7f.1``, ``0177.0.0.1``)."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    if not _NUMBERS.fullmatch(host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        raise OutboundRefused(f"{host} is neither a host name nor an address") from None


def _split(url: str) -> Target:
    """Take a URL apart, refusing what no honest source needs."""
    if len(url) > MAX_URL or any(character in url for character in "\\\r\n\t\x00 "):
        raise OutboundRefused("the URL is too long, or has spaces, control characters or backslashes in it")
    try:
        parts = urlsplit(url)
        host = unicodedata.normalize("NFKC", parts.hostname or "").replace("。", ".").lower().rstrip(".")
        port = parts.port
    except ValueError as fault:
        raise OutboundRefused(f"{url!r} is not a URL: {fault}") from None
    if parts.scheme.lower() not in SCHEMES:
        raise OutboundRefused(f"{url!r} must begin with http:// or https://")
    if "@" in parts.netloc:
        raise OutboundRefused("the URL has a user name or password in it; leave them out")
    if not host or any(character in host for character in "/?#@"):
        raise OutboundRefused(f"{url!r} names no host")
    return Target(parts.scheme.lower(), host, SCHEMES[parts.scheme.lower()] if port is None else port)


def _read_allow(entries: Iterable[str]) -> tuple[frozenset[tuple[str, int | None]], tuple[Network, ...]]:
    """Hosts (with or without port) and networks out of an allow-list."""
    hosts: set[tuple[str, int | None]] = set()
    networks: list[Network] = []
    for entry in (entry.strip().lower() for entry in entries):
        try:
            networks.append(ipaddress.ip_network(entry))
            continue
        except ValueError:
            pass
        match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^\s/:\[\]]+)(?::([0-9]{1,5}))?", entry)
        if not match:
            raise InvalidInput(
                f"{entry!r} in the outbound allow-list is no host, host:port or network such as 10.0.0.0/8",
                field="TILTH_OUTBOUND_ALLOW",
            )
        hosts.add((match[1].strip("[]"), int(match[2]) if match[2] else None))
    return frozenset(hosts), tuple(networks)


EVERYWHERE = Guard(("0.0.0.0/0", "::/0"))
"""For the shell command, whose user owns the machine."""
