"""The registered domain of an address: the part that somebody owns, by which pages are counted and erased.

Read off the Public Suffix List as it came with the ``tldextract`` package; nothing is fetched, so that the
same version of Tilth always gives the same domain.
"""

from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit


def registered_domain(url: str) -> str:
    """``example.co.uk`` for ``https://www.example.co.uk/page``; the host itself where nobody registers names.

    IP addresses and single names stand for themselves; "" when the address has no host.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # an unclosed bracket, or characters that turn into separators
        return ""
    return _of_host(host.rstrip("."))


@lru_cache(maxsize=10_000)
def _of_host(host: str) -> str:
    return str(_extractor()(host).top_domain_under_public_suffix) or host


@cache
def _extractor() -> Any:
    """The list, read once a process; no cache folder and no address to fetch a newer one from."""
    from tldextract import TLDExtract

    return TLDExtract(cache_dir=None, suffix_list_urls=())
