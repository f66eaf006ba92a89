"""The documents of the crash suite: no two are alike, and any piece of one tells which it is a piece of."""

from __future__ import annotations

import re

HEAD = b"%PDF-1.4\n"
END = b"%%EOF\n"
LINE = b"%%%% crash document %08d\n"
MARK = b"%% crash document "
NUMBER = re.compile(MARK + rb"([0-9]{8})\n")


def make_document(number: int, size: int) -> bytes:
    """Give document `number`, of `size` bytes."""
    line = LINE % number
    return (HEAD + line * (size // len(line) + 1))[: size - len(END)] + END


def number_of(piece: bytes) -> int | None:
    """Tell which document a piece is of; None where it is too short to tell."""
    found = NUMBER.search(piece)
    return int(found[1]) if found else None
