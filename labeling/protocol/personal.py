"""Personal and patient data in what a labeler wrote, shown before submitting.

Addresses that documentation reserves (example.org, 192.0.2.0/24, 555 numbers) belong to nobody.
"""

from collections.abc import Callable

from labeling.protocol.finding import Finding
from tilth.text import personal

Finder = Callable[[str], list[personal.Find]]

KINDS: dict[str, tuple[str, Finder]] = {
    "email": ("This looks like somebody's e-mail address.", personal.find_emails),
    "phone": ("This looks like a phone number.", personal.find_phones),
    "ip": ("This looks like the address of a computer.", lambda text: personal.find_ip_addresses(text, True)),
    "card": ("This looks like a payment card number.", personal.find_cards),
    "iban": ("This looks like a bank account.", personal.find_ibans),
    "ssn": ("This looks like a social security number.", personal.find_social_security_numbers),
    "health": ("This looks like the number of a patient or a medical record.", personal.find_health_numbers),
    "birth": ("This looks like somebody's date of birth.", personal.find_birth_dates),
}
_RESERVED = (".example", ".test", ".invalid", "example.org", "example.com", "example.net")


def find(text: str, path: str) -> list[Finding]:
    """Every find in one text; a place that two patterns match is reported once."""
    found: list[Finding] = []
    for code, (message, finder) in KINDS.items():
        for start, end in finder(text):
            passage = text[start:end]
            if not _nobodys(code, passage) and not any(f.start < end and start < f.end for f in found):
                full = f"{message} Take it out, or replace it with one that is nobody's."
                found.append(Finding("personal", code, full, path, start, end, passage[:80], before=True))
    return found


def _nobodys(code: str, passage: str) -> bool:
    if code == "email":
        return passage.lower().endswith(_RESERVED)
    return code == "phone" and "555" in passage
