"""The web listener: pages that other parts of the agent give, over plain HTTP/1.1.

A request is one connection. It has a limit of bytes and of seconds in all, however it drips, and there are as many at a
time as threads call `step`. There is no file behind any path: what is no page is not found.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from agent import __version__
from agent.errors import ConflictError

log = logging.getLogger(__name__)

HEAD_LIMIT_BYTES = 16_384
BODY_LIMIT_BYTES = 65_536
REQUEST_SECONDS = 10.0
ACCEPT_SECONDS = 1.0
FIELDS_LIMIT = 100
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What was asked. The names of `headers` are case-insensitive; of a repeated name in `query` the last counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[WebRequest], WebAnswer]


class RefusedRequestError(Exception):
    """Raised when a request can't be read; `status` is what it is answered with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WebServer:
    """Answers requests; several threads may call `step`.

    Args:
        listen: `address:port`, an IPv6 address in brackets; port 0 takes a free one.
        pages: what answers, by path.
        request_seconds: for a whole request.
    """

    def __init__(self, *, listen: str, pages: Mapping[str, Page], request_seconds: float = REQUEST_SECONDS) -> None:
        host, _, port = listen.rpartition(":")
        self.pages = pages
        self.request_seconds = request_seconds
        self._address = host.strip("[]"), int(port)
        self._listener: socket.socket | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it is open."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    def open(self) -> None:
        """Listen.

        Raises:
            ConflictError: it can't be listened there.
        """
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=16)
        except OSError as error:
            raise ConflictError(f"web.listen: {host}:{port}: {error.strerror}") from error
        self._listener.settimeout(ACCEPT_SECONDS)

    def step(self) -> float:
        """Wait up to a second for a request and answer it; gives the seconds until the next step."""
        assert self._listener is not None
        try:
            connection, peer = self._listener.accept()
        except TimeoutError:
            return 0.0
        except OSError:  # the listener is being closed, or there are too many open files
            return ACCEPT_SECONDS
        with connection, contextlib.suppress(OSError):  # whoever asked has gone, or took too long
            _Handler(connection, peer, cast("Any", self))
        return 0.0

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
            self._listener.close()


class _Reader(io.RawIOBase):
    """What a connection receives, up to a deadline and a number of bytes."""

    def __init__(self, connection: socket.socket, *, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._left = HEAD_LIMIT_BYTES + BODY_LIMIT_BYTES

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive into `buffer`; OSError where a limit is reached."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0 or self._left <= 0:
            raise TimeoutError("the request is too slow, or too long")
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    """Answers the one request of a connection."""

    protocol_version = "HTTP/1.1"
    server_version = f"printos-agent/{__version__}"
    sys_version = ""

    def setup(self) -> None:
        """Read by the limits, and write what is answered at the end."""
        self._web = cast("WebServer", self.server)
        self.connection = self.request
        self.rfile = io.BufferedReader(_Reader(self.request, seconds=self._web.request_seconds))
        self.wfile = io.BytesIO()

    def finish(self) -> None:
        """Send the answer."""
        self.request.settimeout(self._web.request_seconds)
        self.request.sendall(cast("io.BytesIO", self.wfile).getvalue())
        self.request.shutdown(socket.SHUT_WR)

    def answer(self) -> None:
        """Answer a request."""
        self.close_connection = True
        try:
            given = self._page_answer()
        except RefusedRequestError as error:
            given = WebAnswer(error.status, f"{error}\n".encode())
        self._send(given)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815 - http.server's names

    def handle_expect_100(self) -> bool:
        """Let a client go on at once that asks before it sends its body."""
        self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request."""
        self.close_connection = True
        self.request_version = self.protocol_version  # whatever it said, so that there is a status line
        self._send(WebAnswer(code, f"{message or explain or 'not HTTP'}\n".encode()))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: whoever gives a page tells what matters."""

    def _page_answer(self) -> WebAnswer:
        try:
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query, max_num_fields=FIELDS_LIMIT))
        except ValueError:
            raise RefusedRequestError(400, "the request target is no URL") from None
        page = self._web.pages.get(target.path)
        if page is None:
            return WebAnswer(404, b"not found\n")
        headers: Any = self.headers  # a Message is a mapping in all but name
        try:
            return page(WebRequest(self.command, target.path, query, headers, self._body()))
        except (OSError, RefusedRequestError):
            raise
        except Exception:
            log.exception("%s: a page failed", target.path)
            return WebAnswer(500, b"failed\n")

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise RefusedRequestError(411, "say Content-Length")
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise RefusedRequestError(400, "Content-Length is no number")
        if len(length) > len(str(BODY_LIMIT_BYTES)) or int(length) > BODY_LIMIT_BYTES:
            raise RefusedRequestError(413, f"the body is over {BODY_LIMIT_BYTES} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise RefusedRequestError(400, "the body is shorter than its Content-Length")
        return body

    def _send(self, given: WebAnswer) -> None:
        self.send_response(given.status)
        for name, value in {"Content-Type": given.content_type, **given.headers}.items():
            self.send_header(name, value)
        if given.status != 204:  # noqa: PLR2004 - which RFC 9110 wants without
            self.send_header("Content-Length", str(len(given.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)
