"""Pages judged by their address alone, before anything dear is done: the URL rules of RefinedWeb and FineWeb.

Penedo et al., "The RefinedWeb Dataset", arXiv:2306.01116, appendix G.1: blocklists of hosts and addresses by
category (the University of Toulouse's, https://dsi.ut-capitole.fr/blacklists/), words that ban an address,
words of which two ban it, and strings that ban it wherever they stand. Hosts that are bare IP addresses go too.

Departures from datatrove, which compares hosts with the registered domain and the full host only and
words in the case they are written in: every parent host is looked up, so that a listed ``b.example.com``
also covers ``a.b.example.com``; listed addresses are compared without scheme and ``www.``, as the lists
spell them; and words are compared in lower case.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from curation.pipeline.document import Document
from curation.pipeline.filters.blocklists import Blocklist, bare_address, load_blocklist, missing, read_words
from curation.pipeline.step import Apply, Drop, Resources, setting

NAME = "url"
TITLE = "Address (blocklists and words)"
NEEDS_TEXT = False
SOURCE = "RefinedWeb, arXiv:2306.01116, appendix G.1"
CATEGORIES = (
    "adult",
    "agressif",
    "arjel",
    "chat",
    "dating",
    "ddos",
    "filehosting",
    "gambling",
    "mixed_adult",
    "phishing",
)
REASONS = {
    "bad_url": "The address cannot be read",
    "ip_host": "The host is a bare IP address",
    **{f"list_{name}": f"The host or the address is on the blocklist {name!r}" for name in CATEGORIES},
    "banned_word": "The address has a banned word",
    "soft_banned_words": "The address has too many suspicious words",
    "banned_substring": "The address contains a banned string",
}

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_BANNED = (
    "blowjob blowjobs bukkake camgirl camgirls camsex cumshot cumshots cunnilingus deepthroat dildo escorts fisting "
    "gangbang handjob hardcore hentai incest milf milfs nsfw nude nudes orgy porn porno pornos porns pornstar "
    "pornstars pussy sexcam sexcams shemale shemales threesome xnxx xvideos xxx"
)
_SOFT_BANNED = (
    "adult amateur anal ass babe babes bet bets betting bisexual bitch boobs busty casino casinos cam cams cock "
    "dating erotic erotica escort fetish fuck gambling gay girls horny hot hottest jackpot kinky lesbian lingerie "
    "lottery lust masturbation mature naked naughty nudity penis playboy poker pornography roulette sex sexual sexy "
    "shag slots slut sperm stripper strippers swinger swingers teen teens tits topless torrent viagra voyeur vibrator "
    "warez webcam whore"
)
_SUBSTRINGS = (
    "blowjob gangbang pornhub pornvideo pornotube redtube sexcam sexvideo xhamster xvideos xnxx youporn"
)


@dataclass(frozen=True)
class Settings:
    """Which lists are asked, and the words."""

    categories: tuple[str, ...] = setting(
        CATEGORIES, "Blocklist categories to ask (folders of TILTH_BLOCKLISTS)"
    )
    ip_hosts: bool = setting(True, "Drop pages whose host is an IP address")
    banned_words: tuple[str, ...] = setting(tuple(_BANNED.split()), "Words of which one bans an address")
    soft_banned_words: tuple[str, ...] = setting(tuple(_SOFT_BANNED.split()), "Words of which several ban it")
    soft_threshold: int = setting(2, "How many different such words ban an address", minimum=1)
    banned_substrings: tuple[str, ...] = setting(
        tuple(_SUBSTRINGS.split()), "Strings that ban an address anywhere in it, signs left out"
    )


def not_run(settings: Settings, resources: Resources) -> list[str]:
    """The categories whose files are not there."""
    absent = missing(resources.blocklists, settings.categories)
    return [f"blocklist {name}: no file in TILTH_BLOCKLISTS" for name in absent]


def build(settings: Settings, resources: Resources) -> Apply:
    """The filter; the first rule that is broken names the drop."""
    blocklist = load_blocklist(resources.blocklists, settings.categories)
    banned = _normal(settings.banned_words) | read_words(resources.blocklists, "banned_words")
    soft = _normal(settings.soft_banned_words) | read_words(resources.blocklists, "soft_banned_words")
    strings = _normal(settings.banned_substrings) | read_words(resources.blocklists, "banned_substrings")
    pattern = (
        re.compile("|".join(sorted(map(re.escape, strings), key=lambda s: (-len(s), s)))) if strings else None
    )

    def words(url: str) -> Drop | None:
        parts = _NOT_WORD.split(url.lower())
        if not banned.isdisjoint(parts):
            return Drop("banned_word", next(part for part in parts if part in banned))
        met = soft.intersection(parts)
        if len(met) >= settings.soft_threshold:
            return Drop("soft_banned_words", len(met), settings.soft_threshold)
        match = pattern.search("".join(parts)) if pattern else None
        return Drop("banned_substring", match.group()) if match else None

    def apply(document: Document) -> Drop | None:
        host = read_host(document.url)
        if not host:
            return Drop("bad_url", document.url[:200])
        if settings.ip_hosts and is_ip(host):
            return Drop("ip_host", host)
        return _listed(blocklist, host, document.url) or words(document.url)

    return apply


def read_host(url: str) -> str:
    """The host of an address, in lower case, without port; "" when there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # an unclosed bracket, or characters that turn into separators
        return ""


def is_ip(host: str) -> bool:
    """Whether a host is an IP address, in any of the spellings that browsers take (also ``0x7f.1`` and one number)."""
    if ":" in host:
        return True
    last = host.rsplit(".", 1)[-1]
    if not last.isdigit() and not last.startswith("0x"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return all(part.isdigit() or part.startswith("0x") for part in host.split("."))
    return True


def _listed(blocklist: Blocklist, host: str, url: str) -> Drop | None:
    """Look the host, its parents and the address up."""
    if not len(blocklist):
        return None
    name = host
    while "." in name:
        if category := blocklist.find(name):
            return Drop(f"list_{category}", name)
        name = name.split(".", 1)[1]
    address = bare_address(url)
    category = blocklist.find(address) if address != host else ""
    return Drop(f"list_{category}", address[:200]) if category else None


def _normal(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(None, (_NOT_WORD.sub("", word.lower()) for word in words)))
