"""PINs are kept only as salted slow hashes; pure."""

from __future__ import annotations

import hashlib
import hmac
import os

SALT_BYTES = 16
COST = 2**14
BLOCK = 8


def hash_pin(pin: str) -> bytes:
    """Give what is kept of a PIN: a random salt and its scrypt hash; takes some 50 ms and 16 MB on purpose."""
    salt = os.urandom(SALT_BYTES)
    return salt + _scrypt(pin, salt)


def matches(pin: str, kept: bytes) -> bool:
    """Tell whether `pin` is the one that `kept` was made of, in a time that tells nothing."""
    return hmac.compare_digest(_scrypt(pin, kept[:SALT_BYTES]), kept[SALT_BYTES:])


def _scrypt(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=COST, r=BLOCK, p=1, dklen=32)
