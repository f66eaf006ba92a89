"""Runs `printos-agent` as it is, and stops it where it is told to: before or after it writes, tells, sends or deletes.

The product knows nothing of it. What is watched is where the process meets the world: SQLite's COMMIT, named by what it
makes of a job; the files of documents; PUBACK and PUBLISH; and every send to a printer.

It reads commands from standard input, a line each: `watch` has it name on standard output each point that it passes
from then on, `before|after NUMBER POINT` has it stop dead at the NUMBER-th time, to be looked at and killed. `MARK`
says that a command is obeyed.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client

from agent.__main__ import main
from agent.config import load_config
from agent.job import JobState
from tests.crash.documents import MARK as DOCUMENT_MARK

MARK = "=\n"
WRITTEN = re.compile(r"\s*(?:INSERT OR \w+ INTO|INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
JOBS_EXIST = "SELECT 1 FROM sqlite_schema WHERE name = 'jobs'"
TRIGGER = """
    CREATE TEMP TRIGGER note_{verb} AFTER {verb} ON main.jobs BEGIN SELECT note_job(NEW.stage, NEW.state); END"""
IPP_HEAD = b"attributes-charset"
WAKE_BYTES = 1
"""What paho sends to itself, over a socket of its own, to wake its thread."""


class KillPoints:
    """The points that were passed since the last command, and the one to stop at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_watching = False
        self._fatal: tuple[str, int, str] | None = None
        self._passed: Counter[tuple[str, str]] = Counter()

    def command(self, line: str) -> None:
        """Obey a line."""
        with self._lock:
            self._passed.clear()
            os.write(1, MARK.encode())
            if line == "watch":
                self._is_watching = True
                return
            when, number, point = line.split(" ", 2)
            self._fatal = (when, int(number), point)

    def pass_by(self, when: str, point: str) -> None:
        """Note that a point is passed; the end, where it is the one to stop at."""
        with self._lock:
            self._passed[when, point] += 1
            if self._fatal == (when, self._passed[when, point], point):
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread does not go one step further
            if self._is_watching and when == "before":
                os.write(1, f"{point}\n".encode())

    def around(self, owner: Any, name: str, point_of: Callable[..., str | None]) -> None:
        """Make a point of every call of a function; `point_of` names it by its arguments."""
        original = getattr(owner, name)

        @wraps(original)
        def passing(*arguments: Any, **named: Any) -> Any:
            point = point_of(*arguments)
            if point is None:
                return original(*arguments, **named)
            self.pass_by("before", point)
            result = original(*arguments, **named)
            self.pass_by("after", point)
            return result

        setattr(owner, name, passing)


POINTS = KillPoints()


class WatchedConnection(sqlite3.Connection):
    """A connection that knows what a transaction has made of jobs, by a trigger of its own."""

    _is_watched = False
    _changes_before = 0

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Run a statement; a COMMIT that changes something is a point."""
        if sql == "BEGIN IMMEDIATE":
            self._begin()
        if sql != "COMMIT" or self.total_changes == self._changes_before:
            self._note_table(sql)
            return super().execute(sql, *parameters)
        point = f"commit {', '.join(dict.fromkeys(self._jobs or self._tables))}"
        POINTS.pass_by("before", point)
        cursor = super().execute(sql)
        POINTS.pass_by("after", point)
        return cursor

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Run a statement many times."""
        self._note_table(sql)
        return super().executemany(sql, *parameters)

    def _begin(self) -> None:
        self._jobs: list[str] = []
        self._tables: list[str] = []
        self._changes_before = self.total_changes
        if not self._is_watched and super().execute(JOBS_EXIST).fetchone():
            self._is_watched = True
            self.create_function("note_job", 2, self._note_job)
            for verb in ("INSERT", "UPDATE"):
                super().execute(TRIGGER.format(verb=verb))

    def _note_job(self, stage: str, state: int) -> None:
        self._jobs.append(f"{stage} {JobState(state).keyword}")

    def _note_table(self, sql: str) -> None:
        if self.in_transaction and (found := WRITTEN.match(sql)):
            self._tables.append(found[1])


def watch(broker_port: int) -> None:
    """Put a point wherever the agent meets the world."""

    def sent(sock: socket.socket, data: Any, *_more: Any) -> str | None:
        port = sock.getpeername()[1] if sock.family == socket.AF_INET and len(data) > WAKE_BYTES else broker_port
        return None if port == broker_port else name_of_send(bytes(data), port)

    sqlite3.connect = partial(sqlite3.connect, factory=WatchedConnection)  # type: ignore[assignment]
    for name in ("fsync", "rename", "unlink"):
        POINTS.around(os, name, lambda *_, name=name: f"file {name}")
    POINTS.around(os, "sendfile", lambda *_: "document")
    POINTS.around(socket.socket, "sendall", sent)
    POINTS.around(socket.socket, "send", sent)
    POINTS.around(Client, "ack", lambda *_: "PUBACK")
    POINTS.around(Client, "publish", lambda *_: "PUBLISH")


def name_of_send(data: bytes, port: int) -> str:
    """Name what is sent to a printer: a piece of a document, an IPP operation, or the first words of something else."""
    if DOCUMENT_MARK in data:
        return "document"
    words = re.sub(r"\b[0-9a-f]*[0-9][0-9a-f]*\b", "N", " ".join(data.decode("latin-1").partition("?")[0].split()[:2]))
    return f"{f'IPP 0x{data[2:4].hex()}' if IPP_HEAD in data[:64] else words} to {port}"


def obey() -> None:
    """Take commands until there are no more."""
    for line in sys.stdin:
        POINTS.command(line.rstrip("\n"))


def run(arguments: Sequence[str]) -> int:
    """Be the agent of a configuration; a command may be given with it, to be obeyed from the start."""
    config, *commands = arguments
    for command in commands:
        POINTS.command(command)
    watch(load_config(Path(config)).mqtt.port)
    threading.Thread(target=obey, name="obey", daemon=True).start()
    return main(["--config", config, "run"])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
