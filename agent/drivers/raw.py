"""Print through a raw TCP port, mostly 9100: the document's bytes and nothing else.

The port tells nothing back that means anything on every printer, so nothing is ever sent to it to look, and the end of
a job stays unconfirmed. What can be known is known: whether the printer's own TCP has taken every byte.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from agent.errors import NotFoundError, OutcomeUnknownError, PrinterUnreachableError, StorageError
from agent.model import Document, Job, JobReading, Journal
from agent.upload import BLOCK_BYTES, untaken_bytes

DEFAULT_PORT = 9100
BEAT_SECONDS = 5.0
STALL_SECONDS = 300.0
FAREWELL_SECONDS = 1.0
SHORTEST_WAIT_SECONDS = 0.001


class Raw:
    """Sends documents to `socket://host[:port]`.

    Args:
        uri: where to.
        timeout_seconds: for connecting.
        stall_seconds: how long the printer may take nothing in the middle: out of paper, it stops reading.
        farewell_seconds: how long to wait for the printer to hang up, once it has taken everything.
    """

    name = "raw"
    options: frozenset[str] = frozenset()

    def __init__(
        self,
        uri: str,
        *,
        timeout_seconds: float = 30.0,
        stall_seconds: float = STALL_SECONDS,
        farewell_seconds: float = FAREWELL_SECONDS,
    ) -> None:
        parts = urlsplit(uri)
        self._address = ((parts.hostname or "").replace("%25", "%"), parts.port or DEFAULT_PORT)
        self._timeout_seconds = timeout_seconds
        self._stall_seconds = stall_seconds
        self._farewell_seconds = farewell_seconds

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Send the job's document; its state stays unknown, since nothing tells it.

        Raises:
            PrinterUnreachableError: no byte of the document left.
            OutcomeUnknownError: some of it left, and the printer broke off or took no more.
            StorageError: the document can't be read.
        """
        with _open(job.document.path) as file, self._connected() as sock:
            journal.sending()
            line = _Line(sock, stall_seconds=self._stall_seconds, beat=journal.beat)
            try:
                line.send(file, job.document)
                line.end()
                journal.left()
                line.listen_out(self._farewell_seconds)
            except OSError as exc:
                if not line.sent:
                    raise PrinterUnreachableError(self._told(exc)) from exc
                raise OutcomeUnknownError(f"{self._told(exc)}, after {line.sent} bytes") from exc
        return JobReading(state=None)

    def read_job(self, device_job_id: str) -> JobReading:
        """Say that nobody can know.

        Raises:
            NotFoundError: always; a raw port can't be asked.
        """
        raise NotFoundError(f"a raw port can't be asked about job {device_job_id}")

    def cancel_job(self, device_job_id: str) -> None:
        """Say that it can't be called back.

        Raises:
            NotFoundError: always; a raw port can't be told.
        """
        raise NotFoundError(f"a raw port can't cancel job {device_job_id}")

    def _told(self, error: OSError | UnicodeError) -> str:
        """Say what went wrong as a person would: the address, and the reason without its number."""
        return f"{self._address[0]}:{self._address[1]}: {getattr(error, 'strerror', None) or error}"

    def _connected(self) -> socket.socket:
        try:
            sock = socket.create_connection(self._address, self._timeout_seconds)
        except (OSError, UnicodeError) as exc:
            raise PrinterUnreachableError(self._told(exc)) from exc
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock


class _Line:
    """One connection that carries one document. `sent` counts the document's bytes that have left."""

    def __init__(self, sock: socket.socket, *, stall_seconds: float, beat: Callable[[], None]) -> None:
        self.sent = 0
        self._sock = sock
        self._stall_seconds = stall_seconds
        self._beat = beat
        self._is_open = True

    def send(self, file: BinaryIO, document: Document) -> None:
        """Send the document straight from the disk; OSError where the printer breaks off or takes none for long."""
        stalled_at = time.monotonic() + self._stall_seconds
        while self.sent < document.size:
            count = min(BLOCK_BYTES, document.size - self.sent)
            try:
                sent = os.sendfile(self._sock.fileno(), file.fileno(), self.sent, count)
            except BlockingIOError:
                self._wait(select.POLLOUT, _left(stalled_at))
                continue
            if not sent:
                raise OSError("the document is shorter than it was")
            self.sent += sent
            self._beat()
            stalled_at = time.monotonic() + self._stall_seconds

    def end(self) -> None:
        """Say that this was all, and wait until the printer's TCP has every byte; OSError where it never has."""
        self._sock.shutdown(socket.SHUT_WR)
        wait_seconds = SHORTEST_WAIT_SECONDS
        left, stalled_at = self._untaken(), time.monotonic() + self._stall_seconds
        while left:
            self._listen(min(wait_seconds, _left(stalled_at)))
            wait_seconds = min(2 * wait_seconds, BEAT_SECONDS)
            before, left = left, self._untaken()
            if left < before:
                stalled_at = time.monotonic() + self._stall_seconds

    def listen_out(self, farewell_seconds: float) -> None:
        """Wait a little for the printer's own goodbye; OSError where it throws away what it had taken (a reset)."""
        deadline = time.monotonic() + farewell_seconds
        while self._is_open and (rest := deadline - time.monotonic()) > 0:
            self._listen(rest)

    def _listen(self, seconds: float) -> None:
        """Take what the printer says, which is only for its own drivers; OSError where it breaks off."""
        if not self._is_open:
            time.sleep(seconds)
        elif self._wait(select.POLLIN, seconds):
            self._is_open = bool(self._sock.recv(4096))

    def _wait(self, event: int, seconds: float) -> bool:
        self._beat()
        poll = select.poll()
        poll.register(self._sock, event)
        return bool(poll.poll(1000 * min(seconds, BEAT_SECONDS)))

    def _untaken(self) -> int:
        """Count the bytes that the printer's TCP has not acknowledged; OSError where it has broken off."""
        queued = untaken_bytes(self._sock)
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        return queued


def _left(stalled_at: float) -> float:
    left = stalled_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the printer takes no more")
    return left


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise StorageError(f"can't read the document: {exc.strerror}") from exc
