"""Personal data in texts: where e-mail addresses, public IP addresses, phone numbers and the like stand.

Every search is linear in the text: addresses are found from their ``@`` outwards, since a pattern that
begins with "any run of name characters" takes quadratic time on a page of nothing but such characters.
Numbers that carry a check digit (cards, accounts, health records) are found by it. Pure: no Django.
"""

import ipaddress
import re
from collections.abc import Callable

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
"""Where a find starts and ends, in characters."""


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
    """Where IPv4 addresses stand, in order; with ``public_only`` not private and reserved ones."""
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


_CARD = re.compile(r"(?<![0-9.-])[0-9](?:[ -]?[0-9]){12,18}(?![0-9.-]?[0-9])")
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_SSN = re.compile(r"(?<![0-9-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9-])")
_NHS = re.compile(
    r"\bNHS\b[^0-9\n]{0,24}(?P<number>[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})(?![0-9])", re.IGNORECASE
)
_RECORD = re.compile(
    r"\b(?:MRN|medical record|patient (?:id|number|no\.?)|case number)\b[^0-9\n]{0,12}(?P<number>[0-9][0-9-]{4,14})",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"\b(?:born(?: on)?|date of birth|dob|d\.o\.b\.)[ :]{1,3}(?P<number>[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2} [A-Z][a-z]{2,8} [0-9]{4})",
    re.IGNORECASE,
)


def find_cards(text: str) -> list[Find]:
    """Where payment card numbers stand: 13 to 19 digits with the check digit of ISO/IEC 7812 (Luhn)."""
    return _valid(_CARD, text, lambda found: _luhn([int(c) for c in found if c.isdigit()]))


def _luhn(digits: list[int]) -> bool:
    if len(set(digits)) < 2:  # 0000 0000 0000 0000 passes, and is nobody's
        return False
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def find_ibans(text: str) -> list[Find]:
    """Where bank accounts stand (ISO 13616, remainder 1 modulo 97)."""
    return _valid(_IBAN, text, _is_iban)


def _is_iban(found: str) -> bool:
    plain = found.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def find_social_security_numbers(text: str) -> list[Find]:
    """Where numbers in the form of a US social security number stand; never-issued areas are left out."""
    return _valid(_SSN, text, lambda found: found != "078-05-1120")  # printed on a sample card since 1938


def find_health_numbers(text: str) -> list[Find]:
    """Where NHS numbers (check digit modulo 11) and numbers that are called a patient's or a record's stand."""
    nhs = [m.span("number") for m in _NHS.finditer(text) if _is_nhs(m["number"])]
    return sorted({*nhs, *(m.span("number") for m in _RECORD.finditer(text))})


def _is_nhs(found: str) -> bool:
    digits = [int(c) for c in found if c.isdigit()]
    check = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return digits[-1] == check % 11 and check != 10


def find_birth_dates(text: str) -> list[Find]:
    """Where a date stands that is called somebody's date of birth."""
    return [match.span("number") for match in _BIRTH.finditer(text)]
