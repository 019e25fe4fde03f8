"""aiohttp under the guard: a resolver and a connector that refuse what :class:`tilth.guards.outbound.Guard` refuses."""

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tilth.guards.outbound import Guard


def session(guard: Guard, inner: AbstractResolver | None, **options: Any) -> aiohttp.ClientSession:
    """A session whose every connection passes the guard; ``inner`` is the resolver that is asked."""
    return aiohttp.ClientSession(connector=GuardedConnector(guard, inner), trust_env=False, **options)


class GuardedResolver(AbstractResolver):
    """Asks another resolver, and refuses the whole answer when one address of it is refused."""

    def __init__(self, guard: Guard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name, each of them judged; these are the ones aiohttp connects to."""
        if self._inner is None:
            self._inner = aiohttp.ThreadedResolver()
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            self._guard.check_address(host.rstrip(".").lower(), port, answer["host"])
        return answers

    async def close(self) -> None:
        """Release the resolver that was asked."""
        if self._inner is not None:
            await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """Judges every request it is given, so also each hop of a redirect and hosts that are bare addresses."""

    def __init__(self, guard: Guard, inner: AbstractResolver | None = None) -> None:
        super().__init__(resolver=guard.resolver(inner), use_dns_cache=False)
        self._guard = guard

    async def connect(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        """Connect for a request whose URL passes the guard."""
        self._guard.check_url(str(req.url))
        return await super().connect(req, *args, **kwargs)
