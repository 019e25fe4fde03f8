"""Secrets at rest: encrypted before they reach the database, with keys that can be rotated.

``TILTH_ENCRYPTION_KEYS`` lists Fernet keys, newest first. The first encrypts; all decrypt. To retire a
key: put a new one in front, run ``manage.py rotate_secrets``, take the old one away.
"""

from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from tilth.errors import TilthError

ROTATIONS: list[Callable[[], int]] = []
"""What apps above keep encrypted: each rewrites its secrets by :func:`rotate` and answers how many there are."""


class CannotDecrypt(TilthError):
    """A stored secret was written with a key that is no longer given."""

    code = "cannot_decrypt"
    status = 500


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(text: str) -> str:
    """``text`` under the newest key, as printable characters."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """The text that :func:`encrypt` was given; raises :class:`CannotDecrypt` without the right key."""
    try:
        return _fernet().decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt(
            "A stored secret cannot be read: TILTH_ENCRYPTION_KEYS lacks the key it was written with. "
            "Put the old key back at the end of the list."
        ) from None


def rotate(encrypted: str) -> str:
    """The same secret under the newest key."""
    try:
        return _fernet().rotate(encrypted.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt(
            "A stored secret was written with a key that TILTH_ENCRYPTION_KEYS lacks."
        ) from None
