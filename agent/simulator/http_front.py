"""The HTTP server of a pretended printer: connections, bodies and limits; what is said is up to its routes."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from agent.simulator.tcp_listener import TcpListener

log = logging.getLogger(__name__)

BLOCK_BYTES = 262_144
IDLE_SECONDS = 60.0
FAREWELL_SECONDS = 2.0
CHUNK_LINE_LIMIT = 256
CHUNK_BYTES = 512


class DropConnectionError(Exception):
    """Raised by a route that takes the request and hangs up without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body is still on its way. `path` is decoded; the names of `headers` are case-insensitive."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: RequestBody


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; it goes in chunks where `headers` have that Transfer-Encoding."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Response | None]
"""Answers a request; None where its path is none of the route's."""


class RequestBody(io.RawIOBase):
    """A body, by Content-Length or in chunks (RFC 9112), read as it comes.

    Attributes:
        length: bytes, None where it comes in chunks.
        is_complete: whether it has been read to its end.
    """

    def __init__(self, stream: BinaryIO, length: int | None) -> None:
        self.length = length
        self.is_complete = length == 0
        self._stream = stream
        self._left = length or 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some; ConnectionError where the peer breaks off, ValueError where a chunk is malformed."""
        if not self.is_complete and not self._left:
            self._left = self._next_chunk()
        if self.is_complete:
            return 0
        got = self._stream.readinto1(memoryview(buffer)[: self._left])  # type: ignore[attr-defined]
        if not got:
            raise ConnectionError("the body ends early")
        self._left -= got
        if not self._left and self.length is None:
            self._stream.readline(CHUNK_LINE_LIMIT)
        self.is_complete = not self._left and self.length is not None
        return int(got)

    def chunks(self) -> Iterator[bytes]:
        """Give the body piece by piece."""
        return iter(lambda: self.read(BLOCK_BYTES) or b"", b"")

    def _next_chunk(self) -> int:
        size = int(self._stream.readline(CHUNK_LINE_LIMIT).partition(b";")[0], 16)
        if size:
            return size
        while self._stream.readline(CHUNK_LINE_LIMIT).strip():
            log.debug("a trailer was ignored")
        self.is_complete = True
        return 0


class HttpFront:
    """Answers requests by the first of `routes` that knows the path, over TLS where it is given a context."""

    def __init__(self, *, host: str, port: int, routes: Sequence[Route], tls: ssl.SSLContext | None = None) -> None:
        self._routes = tuple(routes)
        self._tls = tls
        self._listener = TcpListener(self._serve, host=host, port=port, name="http-front")

    @property
    def port(self) -> int:
        """The TCP port, the real one once it has started."""
        return self._listener.port

    def start(self) -> None:
        """Listen. OSError where the port is taken."""
        self._listener.start()

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._listener.stop()

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        for route in self._routes:
            if (response := route(request)) is not None:
                return response
        return Response(HTTPStatus.NOT_FOUND, b"not found\n")

    def _serve(self, sock: socket.socket, address: Any) -> None:
        if self._tls is None:
            _Handler(sock, address, cast("BaseServer", self))
            return
        with self._tls.wrap_socket(sock, server_side=True) as secure:
            _Handler(secure, address, cast("BaseServer", self))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "printos-agent-simulator"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = 65_536

    def _serve(self) -> None:
        length = self._length()
        if length == _MALFORMED:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        parts = urlsplit(self.path)
        body = RequestBody(cast("BinaryIO", self.rfile), length)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = cast("Mapping[str, str]", self.headers)
        try:
            front = cast("HttpFront", self.server)
            self._send(front.answer(Request(self.command, unquote(parts.path), query, headers, body)), body)
        except DropConnectionError:
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # the base class looks for `do_GET` and the like; which method fits, the routes know
            return self._serve
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Say at once that the body is wanted."""
        wanted = super().handle_expect_100()
        self.wfile.flush()
        return wanted

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log to our own log."""
        log.debug(format, *args)

    def _length(self) -> int | None:
        """Give the body's length, None where it comes in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return None
        text = self.headers.get("Content-Length", "0")
        return int(text) if text.isascii() and text.isdigit() else _MALFORMED

    def _send(self, response: Response, body: RequestBody) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.body:
            self.send_header("Content-Type", response.content_type)
        is_chunked = response.headers.get("Transfer-Encoding") == "chunked"
        if response.status != HTTPStatus.NO_CONTENT and not is_chunked:
            self.send_header("Content-Length", str(len(response.body)))
        if not body.is_complete:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"".join(_in_chunks(response.body)) if is_chunked else response.body)
        self.wfile.flush()
        if not body.is_complete:
            self._say_farewell()

    def _say_farewell(self) -> None:
        """Close after an early answer so that the peer gets to read it: a reset would take it back."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(FAREWELL_SECONDS)
        with contextlib.suppress(OSError):  # however it ends, it has ended
            while self.connection.recv(BLOCK_BYTES):
                log.debug("more of a refused body")


def _in_chunks(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), CHUNK_BYTES):
        piece = body[at : at + CHUNK_BYTES]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


_MALFORMED = -1
