"""An agent's hot folder that kills itself at a moment: `python -m tests.hot_folder_victim STATE HOT NUMBER`.

Every moment before and after it moves, makes, removes or syncs something, or commits to SQLite, has a number. Where the
number is never reached, the last line of standard output has how many there are.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from tests.conftest import FakeClock
from tests.hot_folder_parts import SETTLE_SECONDS, Hot, hot_folder

WATCHED = ("mkdir", "rename", "rmdir", "fsync", "unlink")


class Moments:
    """Counts the moments that are passed, and ends the process at one."""

    def __init__(self, fatal: int) -> None:
        self.passed = 0
        self._fatal = fatal

    def pass_by(self) -> None:
        """Count one; the end, where it is the one."""
        self.passed += 1
        if self.passed == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Make moments of before and after a call."""

        @wraps(original)
        def passing(*arguments: Any, **named: Any) -> Any:
            self.pass_by()
            result = original(*arguments, **named)
            self.pass_by()
            return result

        return passing


class WatchedConnection(sqlite3.Connection):
    """A connection whose commits are moments."""

    moments: Moments

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Run a statement."""
        if sql != "COMMIT":
            return super().execute(sql, *parameters)
        return self.moments.around(super().execute)(sql)  # type: ignore[no-any-return]


def live(hot: Hot) -> None:
    """Take what is there, print it, and put it away."""
    hot.settle()
    hot.look(SETTLE_SECONDS)
    hot.print_all()
    hot.look()
    hot.look()


def main(state: str, path: str, fatal: str) -> None:
    """Be the agent until that moment."""
    moments = Moments(int(fatal))
    WatchedConnection.moments = moments
    sqlite3.connect = partial(sqlite3.connect, factory=WatchedConnection)  # type: ignore[assignment]
    for name in WATCHED:
        setattr(os, name, moments.around(getattr(os, name)))
    with hot_folder(Path(state), Path(path), FakeClock()) as hot:
        live(hot)
    print(moments.passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
