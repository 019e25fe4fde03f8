"""The broker as a server to be asked: is it there, and which socket does it listen on?"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from django.conf import settings

from tilth.errors import TilthError

SOCKET_SCHEME = "redis+socket"


class BrokerAway(TilthError):
    """The broker does not answer."""

    code = "broker_away"
    status = 503
    retryable = True


def socket_path(url: str) -> Path | None:
    """The unix socket of a ``redis+socket://`` URL; ``None`` for a server on the network."""
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == SOCKET_SCHEME else None


def client() -> redis.Redis:
    """A redis-py client of the broker. (Celery says ``redis+socket://`` where redis-py says ``unix://``.)"""
    url = settings.REDIS_URL.replace(f"{SOCKET_SCHEME}://", "unix://", 1).replace("virtual_host=", "db=")
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5)


def redis_settings() -> dict[str, Any]:
    """The broker's address for libraries that make their own redis-py client."""
    url = urlsplit(settings.REDIS_URL)
    if path := socket_path(settings.REDIS_URL):
        return {"unix_socket_path": str(path)}
    database = int(url.path.strip("/") or 0)
    password = {"password": unquote(url.password)} if url.password else {}
    return {"host": url.hostname or "127.0.0.1", "port": url.port or 6379, "db": database, **password}


def ping() -> None:
    """Raise :class:`BrokerAway` unless the broker answers."""
    try:
        with client() as server:
            server.ping()
    except redis.RedisError as error:
        raise BrokerAway(f"The broker does not answer ({error}); is it running?") from error
