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
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import NewConnectionError

from agent.tls import lenient
from agent.upload import STALL_SECONDS, Upload

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of hostile peers with the URL, which may be secret

BEAT_SECONDS = 5.0
SHORTEST_WAIT_SECONDS = 0.001
LINE_LIMIT_BYTES = 65_536
_ZONE = re.compile(rb"%[^\]]*")
_PROXY_REFUSAL = re.compile(r"Tunnel connection failed: (\d+) ?(.*)", re.DOTALL)
LOGIN_WANTED = "407"


class UnconnectedError(NewConnectionError):
    """Raised when no connection was made, so that nothing was sent.

    Attributes:
        text: why, for a person.
    """

    def __init__(self, connection: Any, text: str) -> None:
        super().__init__(connection, text)
        self.text = text


def causes(exc: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    """Give an exception and what it came from, the first cause last.

    `before` is one that the caller was already dealing with, which had nothing to do with it.
    """
    found: BaseException | None = exc
    while found is not None and found is not before:
        yield found
        found = found.__cause__ or found.__context__


class _TimedReader(io.RawIOBase):
    """What a socket receives until a deadline: the standard library's limit holds for each piece, never the whole.

    `watch` is called while nothing comes, ever more rarely, and with each piece that comes.
    """

    def __init__(self, sock: socket.socket, *, seconds: float, watch: Callable[[socket.socket], None]) -> None:
        self._sock = sock
        self._hold = sock.makefile("rb", buffering=0)  # keeps the socket open until the answer is closed
        self._timeout_before = sock.gettimeout()
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
        """Let go of the socket, with the timeout that it had: after the answer of a proxy, TLS begins on it."""
        if not self.closed:
            self._sock.settimeout(self._timeout_before)
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
    _far_end = ""

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
        """Take a host as it stands in a URL, where the zone of an IPv6 address is escaped (RFC 6874)."""
        super().__init__(host.replace("%25", "%"), *args, **kwargs)

    def set_tunnel(self, host: str, port: int | None = None, *args: Any, **kwargs: Any) -> None:
        """Have the proxy connect to a place."""
        self._far_end = f"{host}:{port}"
        super().set_tunnel(host, port, *args, **kwargs)

    def connect(self) -> None:
        """Connect; every failure, of the TLS handshake and the proxy as well, is UnconnectedError."""
        before = sys.exception()
        self._limit_answer()
        self._is_used = False
        try:
            super().connect()
        except (OSError, http.client.HTTPException, Urllib3Error) as exc:
            *_, first = causes(exc, before)
            raise UnconnectedError(self, self._problem(first)) from exc

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
        self._limit_answer()
        return super().getresponse()

    def _limit_answer(self) -> None:
        seconds, watch = cast("float", self.timeout), self.watch or _watch_nothing

        def timed(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            reader = _TimedReader(sock, seconds=seconds, watch=watch)
            return http.client.HTTPResponse(cast("socket.socket", _TimedSocket(reader)), *args, **kwargs)

        self.response_class = cast("type[http.client.HTTPResponse]", timed)

    def _problem(self, first: BaseException) -> str:
        """Say why there is no connection, and whose fault it is."""
        text = str(first) or type(first).__name__
        if self.proxy is None:
            return text
        proxy = f"the proxy {self.proxy.host}:{self.proxy.port}"
        if refusal := _PROXY_REFUSAL.fullmatch(text):
            return _proxy_refusal(proxy, self._far_end, *refusal.groups())
        return f"through {proxy}: {text}" if self.has_connected_to_proxy else f"{proxy} can't be reached: {text}"


class PatientTlsConnection(PatientConnection, HTTPSConnection):
    """The same over TLS."""

    def _problem(self, first: BaseException) -> str:
        if isinstance(first, ssl.SSLCertVerificationError):
            from agent.certificate import told  # noqa: PLC0415 - 8 MB, only for who is presented a wrong one

            return told(first, self._presented())
        return super()._problem(first)

    def _presented(self) -> bytes | None:
        """Connect once more to see the certificate, which the standard library shows of no failed handshake."""
        again = HTTPSConnection(
            self.host,
            self.port,
            timeout=self.timeout,
            proxy=self.proxy,
            proxy_config=self.proxy_config,
            server_hostname=self.server_hostname,
            ssl_context=lenient(),
        )
        if self._tunnel_host is not None:
            login = self._tunnel_headers  # type: ignore[attr-defined]  # http.client keeps them
            again.set_tunnel(self._tunnel_host, self._tunnel_port, login, scheme="http")
        try:
            again.connect()
            return cast("ssl.SSLSocket", again.sock).getpeercert(binary_form=True)
        except (OSError, http.client.HTTPException, Urllib3Error):
            return None
        finally:
            again.close()


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = PatientConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = PatientTlsConnection


def limited(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Have a pool manager make its connections of these."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return manager


def wants_login(proxy: str) -> str:
    """Say that a proxy asks for a login, or for another one."""
    return (
        f"{proxy} asks for a login, or for another one (407): name the user in proxy and a file with the password in"
        " proxy_password_file; it must take both in the open (Basic)"
    )


def _proxy_refusal(proxy: str, place: str, status: str, reason: str) -> str:
    return wants_login(proxy) if status == LOGIN_WANTED else f"{proxy} does not connect to {place}: {status} {reason}"


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
