"""The HTTP of the pretended PrintOS: read a call strictly, find its route, answer in JSON, or be out of order."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN_NAME = "Indigo-SmS-Auth-Token"  # noqa: S105 - the name of the header and cookie, not a token
BODY_LIMIT_BYTES = 1_048_576
LINE_LIMIT_BYTES = 8192
IDLE_SECONDS = 60.0
LINGER_SECONDS = 0.5
LINGER_LIMIT_BYTES = 67_108_864
NO_BODY = frozenset({204, 304})


class RefusalError(Exception):
    """Raised when the pretended PrintOS refuses a call; it becomes a `smsError`."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `match` is what its route's pattern found in the path, percent-decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    match: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Give the JSON object of the body.

        Raises:
            RefusalError: it is no JSON (415 by its type, 400 by its content).
        """
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusalError(415, "Content-Type must be application/json")
        try:
            content = json.loads(self.body)
            json.dumps(content, ensure_ascii=False, allow_nan=False).encode()  # NaN and halves of characters can't be
        except (ValueError, RecursionError) as error:
            raise RefusalError(400, "the body is not JSON") from error
        if not isinstance(content, dict):
            raise RefusalError(400, "the body must be a JSON object")
        return content

    def token(self) -> str | None:
        """Give the session token of the header or the cookie; two that differ are refused."""
        cookies = (cookie.partition("=") for cookie in self.headers.get("Cookie", "").split(";"))
        found = {value.strip(' \t"') for name, _, value in cookies if name.strip() == TOKEN_NAME}
        if TOKEN_NAME in self.headers:
            found.add(self.headers[TOKEN_NAME].strip())
        if len(found) > 1:
            raise RefusalError(401, "the token of the header and of the cookie differ")
        return found.pop() if found else None

    def bearer(self) -> str | None:
        """Give the bearer token of the Authorization header."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: JSON, or nothing."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method at a path; `{name}` in `path` matches one segment."""

    method: str
    path: str
    answer: Callable[[Call], Reply]

    def matched(self, path: str) -> Mapping[str, str] | None:
        """Give what the pattern finds in a path; None where it doesn't match."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


class Site(Protocol):
    """What a server serves."""

    @property
    def routes(self) -> Sequence[Route]:
        """What it answers."""

    def outage(self, path: str) -> str | None:
        """Say whether it is out of order: `refuse`, `drop`, or None."""

    def refused(self, method: str, path: str, refusal: RefusalError) -> None:
        """Note a refusal for the report."""


class SiteServer(ThreadingHTTPServer):
    """Serves a site; `stop` ends its open connections too, as a real server's end does."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        self.site = site
        self._open: set[socket.socket] = set()
        super().__init__(address, SiteHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while it lives."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """End every open connection."""
        for request in tuple(self._open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away in the middle."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class SiteHandler(BaseHTTPRequestHandler):
    """Answers the calls of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "printos-simulator"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: SiteServer
    _is_unread = False

    def answer(self) -> None:
        """Answer one call."""
        try:
            path = urlsplit(self.path).path
        except ValueError:
            self.send_error(400, "the request target is no URL")
            return
        outage = self.server.site.outage(path)
        if outage == "drop":
            self.close_connection = True
            return
        try:
            body = self._body()
            reply = self._out_of_order() if outage else self._routed(path, body)
        except RefusalError as refusal:
            self.server.site.refused(self.command, path, refusal)
            reply = Reply(refusal.status, sms_error(refusal), refusal.headers)
        self._send(reply)
        if self._is_unread:
            self._linger()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - http.server's names
    do_HEAD = do_OPTIONS = do_TRACE = do_CONNECT = answer  # noqa: N815 - the same

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no call at all, in PrintOS's shape too, and end the connection."""
        self.close_connection = True
        self._send(Reply(code, sms_error(RefusalError(code, message or explain or "not HTTP"))))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: the report tells."""

    def _body(self) -> bytes:
        coding = self.headers.get("Transfer-Encoding")
        if coding is not None:
            return self._chunks(coding)
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise self._unreadable(400, "Content-Length is no number")
        return self._part(int(length), BODY_LIMIT_BYTES)

    def _chunks(self, coding: str) -> bytes:
        """Read the body of a client that doesn't know its length beforehand (RFC 9112 7.1)."""
        if coding.strip().lower() != "chunked":
            raise self._unreadable(501, f"Transfer-Encoding {coding} is not understood")
        body = bytearray()
        while size := self._chunk_size():
            body += self._part(size, BODY_LIMIT_BYTES - len(body))
            self.rfile.readline(LINE_LIMIT_BYTES)
        while self.rfile.readline(LINE_LIMIT_BYTES).strip():
            continue
        return bytes(body)

    def _chunk_size(self) -> int:
        digits = self.rfile.readline(LINE_LIMIT_BYTES).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", digits):
            raise self._unreadable(400, "the size of a chunk is no number")
        return int(digits, 16)

    def _part(self, size: int, limit_bytes: int) -> bytes:
        if size > limit_bytes:
            raise self._unreadable(413, f"the body is over {BODY_LIMIT_BYTES} bytes")
        return self.rfile.read(size)

    def _unreadable(self, status: int, message: str) -> RefusalError:
        """Give the refusal of a body that is left unread, which nothing can come after on this connection."""
        self.close_connection = self._is_unread = True
        return RefusalError(status, message)

    def _out_of_order(self) -> Reply:
        raise RefusalError(503, "out of order, as asked")

    def _routed(self, path: str, body: bytes) -> Reply:
        found = [(route, match) for route in self.server.site.routes if (match := route.matched(path)) is not None]
        if not found:
            raise RefusalError(404, f"there is nothing at {path}")
        for route, match in found:
            if route.method == self.command:
                query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
                headers = self.headers
                return route.answer(Call(self.command, path, query, headers, body, match))  # type: ignore[arg-type]  # a Message is a mapping in all but name
        allowed = ", ".join(sorted({route.method for route, _ in found}))
        raise RefusalError(405, f"{path} takes {allowed}", headers={"Allow": allowed})

    def _send(self, reply: Reply) -> None:
        body = b"" if reply.content is None else json.dumps(reply.content).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        if self.close_connection:
            self.send_header("Connection", "close")
        if reply.status not in NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _linger(self) -> None:
        """Read on for a moment: who still sends when the connection ends may never see the answer."""
        self.wfile.flush()
        self.connection.settimeout(LINGER_SECONDS)
        left = LINGER_LIMIT_BYTES
        while left > 0 and (block := self.rfile.read1(BODY_LIMIT_BYTES)):
            left -= len(block)


def sms_error(refusal: RefusalError) -> dict[str, Any]:
    """Give a refusal in PrintOS's shape."""
    return {
        "smsError": {
            "statusCode": refusal.status,
            "message": str(refusal),
            "moreInfoUrl": "",
            "developerInfo": "",
            "subCode": refusal.status * 10,
            "serviceName": "simulator",
        }
    }


def check_fields(content: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]) -> None:
    """Make sure that an object has exactly these fields, of these types.

    Raises:
        RefusalError: 400.
    """
    known = {**required, **optional}
    for name in required:
        if name not in content:
            raise RefusalError(400, f"{name} is missing")
    for name, value in content.items():
        if name not in known:
            raise RefusalError(400, f"{name} is unknown; known are {', '.join(known)}")
        if not _is_a(value, known[name]):
            raise RefusalError(400, f"{name} must be {known[name].__name__}")


def _is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a type, as JSON Schema has it: 5.0 is an integer, and no truth value is a number."""
    if isinstance(value, bool):
        return kind in (bool, object)
    if kind is int and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, (int, float) if kind is float else kind)
