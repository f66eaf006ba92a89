"""Connections with limits, for whatever speaks HTTP.

A peer can hold us in three ways: it takes a document slowly (a printer that is out of paper: patience, with a beat), it
answers slowly (one deadline for the whole answer, however it drips), it answers without end (the reader's to limit, and
no part of an answer is ever read at once).
"""

from __future__ import annotations

import http.client
import io
import logging
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import NewConnectionError

from agent.upload import STALL_SECONDS, Upload

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of hostile peers with the URL, which may be secret

BEAT_SECONDS = 5.0
SHORTEST_WAIT_SECONDS = 0.001
LINE_LIMIT_BYTES = 65_536
_ZONE = re.compile(rb"%[^\]]*")


class _TimedReader(io.RawIOBase):
    """What a socket receives until a deadline: the standard library's limit holds for each piece, never the whole.

    `watch` is called while nothing comes, ever more rarely, and with each piece that comes.
    """

    def __init__(self, sock: socket.socket, *, seconds: float, watch: Callable[[socket.socket], None]) -> None:
        self._sock = sock
        self._hold = sock.makefile("rb", buffering=0)  # keeps the socket open until the answer is closed
        self._deadline = time.monotonic() + seconds
        self._watch = watch
        self._pause_seconds = SHORTEST_WAIT_SECONDS

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive into `buffer`; TimeoutError when the deadline has passed."""
        while (left := self._deadline - time.monotonic()) > 0:
            self._sock.settimeout(min(left, self._pause_seconds))
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                self._pause_seconds = min(2 * self._pause_seconds, BEAT_SECONDS)
                self._watch(self._sock)
            else:
                self._watch(self._sock)
                return count
        raise TimeoutError("the answer took too long")

    def close(self) -> None:
        """Let go of the socket."""
        self._hold.close()
        super().close()


class _PiecewiseReader(io.BufferedReader):
    """An answer that is never read at once: a chunk of -1 bytes, or a line without an end, would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes."""
        if size is None or size < 0:
            raise http.client.HTTPException("a size below zero")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line, and of a longer one than a head may have just the beginning."""
        return super().readline(LINE_LIMIT_BYTES if size is None or size < 0 else size)


@dataclass(frozen=True, slots=True)
class _TimedSocket:
    """The one method of a socket that `http.client.HTTPResponse` calls."""

    reader: _TimedReader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return _PiecewiseReader(self.reader)


class PatientConnection(HTTPConnection):
    """A connection with the limits of this file; urllib3 has no other place for them than a subclass.

    Attributes:
        watch: is called while an answer comes and while none does; may be set between a request and its answer.
    """

    watch: Callable[[socket.socket], None] | None = None
    _document: Upload | None = None
    _is_used = False

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
        """Take a host as it stands in a URL, where the zone of an IPv6 address is escaped (RFC 6874)."""
        super().__init__(host.replace("%25", "%"), *args, **kwargs)

    def connect(self) -> None:
        """Connect; every failure, of the TLS handshake and the proxy as well, is NewConnectionError."""
        self.response_class = http.client.HTTPResponse
        self._is_used = False
        try:
            super().connect()
        except (OSError, http.client.HTTPException, Urllib3Error) as exc:
            raise NewConnectionError(self, str(exc)) from exc

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Send a request; a document never rides on a kept connection, whose death would leave its fate unknown."""
        self._document = body if isinstance(body, Upload) else None
        self.watch = None if self._document is None else self._document.watch
        if self._document is not None and self._is_used:
            self.close()
        super().request(method, url, body, *args, **kwargs)

    def putheader(self, header: Any, *values: Any) -> None:
        """Write a header; the zone of an address means something on this machine only, and no peer is told it."""
        super().putheader(header, *(_without_zone(value) if header == "Host" else value for value in values))

    def send(self, data: Any) -> None:
        """Send `data`, waiting as long as the peer takes some of it every now and then."""
        if self.sock is None:
            self.connect()
        if self._document is not None:
            self._document.before_sending(self.sock)
        _send_patiently(self.sock, data, self._document)

    def getresponse(self) -> Any:
        """Read the head of the answer, with one deadline for the head and the body together."""
        self._is_used = True
        seconds, watch = cast("float", self.timeout), self.watch or _watch_nothing

        def timed(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            reader = _TimedReader(sock, seconds=seconds, watch=watch)
            return http.client.HTTPResponse(cast("socket.socket", _TimedSocket(reader)), *args, **kwargs)

        self.response_class = cast("type[http.client.HTTPResponse]", timed)
        return super().getresponse()


class PatientTlsConnection(PatientConnection, HTTPSConnection):
    """The same over TLS."""


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = PatientConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = PatientTlsConnection


def limited(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Have a pool manager make its connections of these."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return manager


def _without_zone(host: Any) -> Any:
    return _ZONE.sub(b"", host) if isinstance(host, bytes) else host


def _watch_nothing(_sock: socket.socket) -> None:
    """Stand in for `watch`."""


def _send_patiently(sock: socket.socket, data: bytes, document: Upload | None) -> None:
    view = memoryview(data)
    sock.settimeout(BEAT_SECONDS)
    stalled_at = time.monotonic() + STALL_SECONDS
    while view:
        try:
            view = view[sock.send(view) :]
            stalled_at = time.monotonic() + STALL_SECONDS
        except TimeoutError:
            if document is not None:
                document.on_progress()
            if time.monotonic() > stalled_at:
                raise
