"""Personal data taken out of texts: e-mail addresses, public IP addresses and, if asked for, phone numbers.

As FineWeb does (arXiv:2406.17557, section 3.7; arXiv:2306.01116 leaves them in): each find is replaced by one
of a few addresses that belong to nobody, in turn. Every search is linear in the text: addresses are found
from their ``@`` outwards, since a pattern that begins with "any run of name characters" takes quadratic time
on a page of nothing but such characters.

Departures from datatrove's formatter: the turn begins anew with each document, so that the result does not
depend on which documents a worker saw before; and four numbers inside a longer dotted number (a section
number, an object identifier) are no IP address.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from curation.pipeline.document import Document
from curation.pipeline.step import Apply, Drop, Resources, setting

NAME = "pii"
TITLE = "Personal data (replaced)"
SOURCE = "FineWeb, arXiv:2406.17557, section 3.7"
REASONS: dict[str, str] = {}
SIGNALS = {
    "pii_emails": "E-mail addresses replaced",
    "pii_ip_addresses": "IP addresses replaced",
    "pii_phones": "Phone numbers replaced",
}

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_HOST = re.compile(rf"@(?:(?:{_LABEL}\.)+{_LABEL}|\[(?:{_OCTET}\.){{3}}{_OCTET}\])")
_NAME_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-."
)
# The look-behind stands second, so that the search may skip to the next digit.
_IP = re.compile(r"[0-9](?<![0-9.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
# With a country code; with an area code in brackets or after a zero; in North America's groups of 3, 3 and 4.
_PHONE = re.compile(
    r"(?<![\w.+/-])(?<![0-9] )(?:\+[0-9](?:[ .()-]{0,2}[0-9]){7,14}"
    r"|(?:\([0-9]{2,5}\) ?|0[0-9]{1,4}[ /-])[0-9]{2,5}(?:[ .-][0-9]{2,5}){1,3}"
    r"|[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-][0-9]{4})(?![\w/-]|\.[0-9])"
)
_PHONE_DIGITS = range(8, 16)

Find = tuple[int, int]


@dataclass(frozen=True)
class Settings:
    """What to replace, and by what. The defaults are FineWeb's: nobody's mailboxes, and hosts that do not answer."""

    emails: bool = setting(True, "Replace e-mail addresses")
    ip_addresses: bool = setting(True, "Replace IP addresses")
    public_only: bool = setting(True, "Leave private and reserved IP addresses as they are")
    phones: bool = setting(False, "Replace phone numbers")
    email_replacements: tuple[str, ...] = setting(
        ("email@example.com", "firstname.lastname@example.org"), "Put in place of e-mail addresses, in turn"
    )
    ip_replacements: tuple[str, ...] = setting(
        (
            "22.214.171.124",
            "126.96.36.199",
            "188.8.131.52",
            "184.108.40.206",
            "220.127.116.11",
            "18.104.22.168",
        ),
        "Put in place of IP addresses, in turn",
    )
    phone_replacements: tuple[str, ...] = setting(
        ("+1 202-555-0134", "+1 202-555-0178"), "Put in place of phone numbers, in turn"
    )


def build(settings: Settings, resources: Resources) -> Apply:
    """The step; it drops nothing."""

    def apply(document: Document) -> Drop | None:
        text, counts = document.text, dict.fromkeys(SIGNALS, 0)
        if settings.emails and "@" in text:
            text, counts["pii_emails"] = replace(text, find_emails(text), settings.email_replacements)
        if settings.ip_addresses:
            finds = find_ip_addresses(text, settings.public_only)
            text, counts["pii_ip_addresses"] = replace(text, finds, settings.ip_replacements)
        if settings.phones:
            text, counts["pii_phones"] = replace(text, find_phones(text), settings.phone_replacements)
        document.text = text
        document.signals.update(counts)
        return None

    return apply


def replace(text: str, finds: list[Find], replacements: tuple[str, ...]) -> tuple[str, int]:
    """The text with each find replaced, the replacements taken in turn; and how many there were."""
    if not finds:
        return text, 0
    parts, last = [], 0
    for number, (start, end) in enumerate(finds):
        parts += [text[last:start], replacements[number % len(replacements)] if replacements else ""]
        last = end
    return "".join([*parts, text[last:]]), len(finds)


def find_emails(text: str) -> list[Find]:
    """Where e-mail addresses stand (RFC 5322's unquoted form), in order."""
    finds: list[Find] = []
    last = 0  # nothing before this is looked at again, so that the whole search is linear
    at = text.find("@")
    while at >= 0:
        host = _HOST.match(text, at)
        start = _local_part(text, last, at) if host else -1
        if host and start >= 0:
            finds.append((start, host.end()))
            last = host.end()
        else:
            last = at + 1
        at = text.find("@", last)
    return finds


def _local_part(text: str, floor: int, at: int) -> int:
    """Where the name before an ``@`` begins, not before ``floor``; -1 when there is none."""
    start = at
    while start > floor and text[start - 1] in _NAME_CHARACTERS:
        start -= 1
    start = max(start, text.rfind("..", start, at) + 1)
    if start >= at or text[at - 1] == ".":
        return -1
    while start < at and not (_begins_word(text, start) and text[start] != "."):
        start += 1
    return start if start < at else -1


def _begins_word(text: str, at: int) -> bool:
    """Whether a word begins or ends at this place."""
    before = at > 0 and (text[at - 1].isalnum() or text[at - 1] == "_")
    return before != (text[at].isalnum() or text[at] == "_")


def find_ip_addresses(text: str, public_only: bool) -> list[Find]:
    """Where IPv4 addresses stand, in order."""
    return _valid(_IP, text, lambda found: _is_address(found, public_only))


def _is_address(found: str, public_only: bool) -> bool:
    try:
        return ipaddress.ip_address(found).is_global or not public_only
    except ValueError:  # a number above 255, or a leading zero
        return False


def find_phones(text: str) -> list[Find]:
    """Where phone numbers stand: eight to fifteen digits, grouped as phone numbers are."""
    return _valid(_PHONE, text, lambda found: sum(map(str.isdigit, found)) in _PHONE_DIGITS)


def _valid(pattern: re.Pattern[str], text: str, is_valid: Callable[[str], bool]) -> list[Find]:
    return [match.span() for match in pattern.finditer(text) if is_valid(match.group())]
