"""A part of the terminal that is drawn again in place."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator

UP = "\x1b[{}F"
CLEAR_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"


class Live:
    """Draws lines over those that it drew before; nothing is drawn that the terminal has no room for."""

    def __init__(self) -> None:
        self._drawn = 0
        self._shown: list[str] = []

    def draw(self, text: str) -> None:
        """Show a text; where it is what is shown already, the terminal is left alone."""
        columns, rows = shutil.get_terminal_size()
        lines = [line[: columns - 1] for line in text.splitlines()]
        if len(lines) > rows - 1:
            lines = [*lines[: rows - 2], f"… and {len(lines) - rows + 2} lines more"]
        if lines == self._shown:
            return
        up = UP.format(self._drawn) if self._drawn else ""
        sys.stdout.write(up + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + CLEAR_BELOW)
        sys.stdout.flush()
        self._drawn, self._shown = len(lines), lines


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say at a terminal's standard error what is going on, for as long as it does."""
    is_seen = sys.stderr.isatty()
    if is_seen:
        print(f"… {what}", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_seen:
            print(f"\r{CLEAR_LINE}", end="", file=sys.stderr, flush=True)
