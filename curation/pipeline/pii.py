"""Personal data taken out of texts: e-mail addresses, public IP addresses and, if asked for, phone numbers.

As FineWeb does (arXiv:2406.17557, section 3.7; arXiv:2306.01116 leaves them in): each find is replaced by one
of a few addresses that belong to nobody, in turn. The searches are ``tilth.text.personal``'s.

Departures from datatrove's formatter: the turn begins anew with each document, so that the result does not
depend on which documents a worker saw before; and four numbers inside a longer dotted number (a section
number, an object identifier) are no IP address.
"""

from dataclasses import dataclass

from curation.pipeline.document import Document
from curation.pipeline.step import Apply, Drop, Resources, setting
from tilth.text.personal import Find, find_emails, find_ip_addresses, find_phones

NAME = "pii"
TITLE = "Personal data (replaced)"
SOURCE = "FineWeb, arXiv:2406.17557, section 3.7"
REASONS: dict[str, str] = {}
SIGNALS = {
    "pii_emails": "E-mail addresses replaced",
    "pii_ip_addresses": "IP addresses replaced",
    "pii_phones": "Phone numbers replaced",
}


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
