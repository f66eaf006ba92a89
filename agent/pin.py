"""PINs are kept only as salted slow hashes; pure."""

from __future__ import annotations

import hashlib
import hmac
import os

SALT_BYTES = 16
COST = 2**12
BLOCK = 8


def hash_pin(pin: str) -> bytes:
    """Give what is kept of a PIN: a random salt and its scrypt hash; takes some 15 ms and 4 MB on purpose.

    It is made while a ticket is taken in, and a gateway is several times slower: more would let a flood of tickets with
    PINs hold up all others for minutes, and would still not keep four digits from whoever has the card.
    """
    salt = os.urandom(SALT_BYTES)
    return salt + _scrypt(pin, salt)


def matches(pin: str, kept: bytes) -> bool:
    """Tell whether `pin` is the one that `kept` was made of, in a time that tells nothing."""
    return hmac.compare_digest(_scrypt(pin, kept[:SALT_BYTES]), kept[SALT_BYTES:])


def _scrypt(pin: str, salt: bytes) -> bytes:
    # half a surrogate pair, which JSON can bring, is as wrong as any other PIN
    return hashlib.scrypt(pin.encode(errors="surrogatepass"), salt=salt, n=COST, r=BLOCK, p=1, dklen=32)
