"""Which files have stopped changing, by a clock that only goes forward, and which look whole; pure.

A share's clock may be wrong, and a file's time may lie in the future: a time only counts as the same as before, or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PDF_HEAD = b"%PDF-"
PDF_END = b"%%EOF"
TAIL_BYTES = 1024
"""PDF readers look for the end of a PDF within so many bytes."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What tells that a file has changed: its size in bytes and its time of change in nanoseconds."""

    size: int
    changed_ns: int


class Settling:
    """How long each file has been as it is."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Trace, float]] = {}

    def observe(self, files: Mapping[str, Trace], at: float) -> dict[str, float]:
        """Give for how many seconds each file has not changed, the first to have come first.

        Args:
            files: all that are there; of those that came together, the oldest first.
            at: seconds that only rise.
        """
        known = {name: self._since[name] for name in self._since if name in files}
        for name, trace in files.items():
            if name not in known or known[name][0] != trace:
                known[name] = (trace, at)
        self._since = known
        return {name: at - since for name, (_, since) in known.items()}


def why_incomplete(size: int, head: bytes, tail: bytes) -> str | None:
    """Say what a document lacks that is not whole; None where nothing shows.

    A share makes room for a file before it is written: until then it is full of zeros.

    Args:
        size: its bytes.
        head: the first of them.
        tail: the last `TAIL_BYTES`.
    """
    if size == 0:
        return "it is empty"
    if not head.strip(b"\0"):
        return "nothing has been written at its beginning"
    if head.startswith(PDF_HEAD) and PDF_END not in tail:
        return "it breaks off: a PDF ends with %%EOF"
    return None
