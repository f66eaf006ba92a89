"""Print through a raw TCP port, mostly 9100: the document, wrapped in PJL where the printer is known to speak it.

Nothing is ever sent to the port to look. Without PJL it tells nothing that means anything on every printer: what can
be known is whether the printer's own TCP has taken every byte. With PJL the connection stays open behind the document,
since many printers hang up as soon as the other side does, and the printer tells the job's end on it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from agent.document_format import media_type
from agent.drivers.pjl_channels import BackChannels
from agent.drivers.pjl_message import LANGUAGES, UEL, encode_head, encode_tail, is_wrapped
from agent.drivers.pjl_options import OPTIONS, carried, settings
from agent.drivers.pjl_status import Listener
from agent.errors import NotFoundError, OutcomeUnknownError, PrinterUnreachableError, StorageError
from agent.job import Document, Job, JobReading, Journal
from agent.upload import BLOCK_BYTES, untaken_bytes

DEFAULT_PORT = 9100
BEAT_SECONDS = 5.0
STALL_SECONDS = 300.0
FAREWELL_SECONDS = 1.0
SHORTEST_WAIT_SECONDS = 0.001
MOST_LAST_WORDS = 16
"""Reads of 4 KiB each."""


class Raw:
    """Sends documents to `socket://host[:port]`.

    Args:
        uri: where to.
        wrapped: the media types, in lower case, of the documents that are wrapped in PJL.
        channels: where connections stay on which printers tell of jobs.
        timeout_seconds: for connecting.
        stall_seconds: how long the printer may take nothing in the middle: out of paper, it stops reading.
        farewell_seconds: how long to wait for a printer without PJL to hang up, once it has taken everything.
    """

    name = "raw"

    def __init__(
        self,
        uri: str,
        *,
        wrapped: frozenset[str] = frozenset(),
        channels: BackChannels | None = None,
        timeout_seconds: float = 30.0,
        stall_seconds: float = STALL_SECONDS,
        farewell_seconds: float = FAREWELL_SECONDS,
    ) -> None:
        parts = urlsplit(uri)
        self._address = ((parts.hostname or "").replace("%25", "%"), parts.port or DEFAULT_PORT)
        self._wrapped = wrapped
        self._channels = channels or BackChannels()
        self._timeout_seconds = timeout_seconds
        self._stall_seconds = stall_seconds
        self._farewell_seconds = farewell_seconds

    @property
    def options(self) -> frozenset[str]:
        """What it can carry of the options of any job."""
        return OPTIONS if self._wrapped else frozenset()

    def carried(self, job: Job) -> frozenset[str]:
        """Name what it can carry of this job's options: nothing for a document without PJL, or with PJL of its own.

        Raises:
            StorageError: the document can't be read.
        """
        if not self._wraps(job.document):
            return frozenset()
        with _open(job.document.path) as file:
            return frozenset() if is_wrapped(file.read(len(UEL))) else carried(job.options)

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Send the job's document; without PJL its state stays unknown, since nothing tells it.

        Raises:
            PrinterUnreachableError: no byte of the document left.
            OutcomeUnknownError: some of it left, and the printer broke off or took no more.
            StorageError: the document can't be read.
        """
        with _open(job.document.path) as file:
            self._channels.release(self._address)
            sock = self._connected()
            if self._wraps(job.document):
                return self._print_wrapped(job, file, sock, journal)
            return self._print_bare(job, file, sock, journal)

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:  # noqa: ARG002 - as PrintTarget
        """Say what the printer has told of a job since it was sent.

        Raises:
            NotFoundError: nobody can tell; a raw port can't be asked.
        """
        return self._channels.read(device_job_id)

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:  # noqa: ARG002 - as PrintTarget
        """Say that it can't be called back.

        Raises:
            NotFoundError: always; a raw port can't be told.
        """
        raise NotFoundError(f"a raw port can't cancel job {device_job_id}")

    def _wraps(self, document: Document) -> bool:
        return media_type(document.format) in self._wrapped

    def _print_bare(self, job: Job, file: BinaryIO, sock: socket.socket, journal: Journal) -> JobReading:
        line = _Line(sock, stall_seconds=self._stall_seconds, beat=journal.beat)
        with sock, self._sending(line, sock):
            journal.sending()
            line.send_document(file, job.document)
            sock.shutdown(socket.SHUT_WR)
            line.wait_until_taken()
            journal.left()
            line.listen_out(self._farewell_seconds)
        return JobReading(state=None)

    def _print_wrapped(self, job: Job, file: BinaryIO, sock: socket.socket, journal: Journal) -> JobReading:
        """Send head, document and tail, and leave the connection to whoever asks what the printer says on it."""
        listener = Listener(job.attempt_token)
        line = _Line(sock, stall_seconds=self._stall_seconds, beat=journal.beat, on_said=listener.feed)
        try:
            with self._sending(line, sock):
                journal.sending()
                line.say(_head(job, file))
                line.send_document(file, job.document)
                line.say(encode_tail(job))
                listener.is_whole = True
                line.wait_until_taken()
                journal.left()
        except OutcomeUnknownError:
            if listener.told.state is None:
                raise
            return listener.told.reading()  # the printer has said the end before it broke off
        self._channels.keep(self._address, sock, listener)
        try:
            return self._channels.read(job.attempt_token)
        except NotFoundError as exc:
            raise OutcomeUnknownError(str(exc)) from exc

    @contextlib.contextmanager
    def _sending(self, line: _Line, sock: socket.socket) -> Iterator[None]:
        """Translate what goes wrong, and break the connection off then: nothing of the rest is sent by the kernel."""
        try:
            yield
        except OSError as exc:
            line.take_in()
            _break_off(sock)
            if not line.sent:
                raise PrinterUnreachableError(self._told(exc)) from exc
            raise OutcomeUnknownError(f"{self._told(exc)}, after {line.sent} bytes") from exc
        except BaseException:
            _break_off(sock)
            raise

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

    def __init__(
        self,
        sock: socket.socket,
        *,
        stall_seconds: float,
        beat: Callable[[], None],
        on_said: Callable[[bytes], None] = lambda _data: None,
    ) -> None:
        self.sent = 0
        self._sock = sock
        self._stall_seconds = stall_seconds
        self._beat = beat
        self._on_said = on_said
        self._is_open = True

    def say(self, data: bytes) -> None:
        """Send something that is no part of the document; OSError as with that."""
        self._send(len(data), lambda at, _count: self._sock.send(data[at:]))

    def send_document(self, file: BinaryIO, document: Document) -> None:
        """Send the document straight from the disk; OSError where the printer breaks off or takes none for long."""

        def send(at: int, count: int) -> int:
            sent = os.sendfile(self._sock.fileno(), file.fileno(), at, count)
            if not sent:
                raise OSError("the document is shorter than it was")
            self.sent += sent
            return sent

        self._send(document.size, send)

    def wait_until_taken(self) -> None:
        """Wait until the printer's TCP has every byte; OSError where it never has."""
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

    def take_in(self) -> None:
        """Take in what the printer had said before it broke off."""
        with contextlib.suppress(OSError):
            for _ in range(MOST_LAST_WORDS):
                self._hear()

    def _send(self, size: int, send: Callable[[int, int], int]) -> None:
        done, stalled_at = 0, time.monotonic() + self._stall_seconds
        while done < size:
            try:
                done += send(done, min(BLOCK_BYTES, size - done))
            except BlockingIOError:
                self._wait(select.POLLOUT, _left(stalled_at))
                continue
            self._beat()
            stalled_at = time.monotonic() + self._stall_seconds

    def _listen(self, seconds: float) -> None:
        """Take what the printer says; OSError where it breaks off."""
        if self._is_open:
            self._wait(0, seconds)
        else:
            time.sleep(seconds)

    def _wait(self, event: int, seconds: float) -> None:
        """Wait for an event, and for what the printer says, which is taken in whatever else is waited for."""
        self._beat()
        poll = select.poll()
        poll.register(self._sock, event | (select.POLLIN if self._is_open else 0))
        ready = poll.poll(1000 * min(seconds, BEAT_SECONDS))
        if ready and ready[0][1] & ~select.POLLOUT:
            self._hear()

    def _hear(self) -> None:
        if self._is_open:
            data = self._sock.recv(4096)
            self._is_open = bool(data)
            self._on_said(data)

    def _untaken(self) -> int:
        """Count the bytes that the printer's TCP has not acknowledged; OSError where it has broken off."""
        queued = untaken_bytes(self._sock)
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        return queued


def _head(job: Job, file: BinaryIO) -> bytes:
    """Write what goes before the document; one that brings PJL of its own enters its language by itself."""
    if is_wrapped(file.read(len(UEL))):
        return encode_head(job, (), None)
    return encode_head(job, settings(job.options), LANGUAGES[media_type(job.document.format)])


def _break_off(sock: socket.socket) -> None:
    """Close by a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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
