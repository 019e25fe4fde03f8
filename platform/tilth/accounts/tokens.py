"""Bearer secrets that people hand to scripts and links: 256 random bits, kept only as a hash.

A plain SHA-256 is enough for these: unlike a password, 256 random bits cannot be guessed offline.
"""

import hashlib
import secrets

PREFIX = "tilth_"


def new_token(prefix: str = PREFIX) -> str:
    """A fresh secret in URL-safe characters; the prefix lets secret scanners recognise API tokens."""
    return prefix + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the database keeps of a token: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()
