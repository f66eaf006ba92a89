"""The HTTP of the pretended PrintOS: read a call strictly, find its route, answer in JSON, or be out of order."""

from __future__ import annotations

import io
import json
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from agent.simulator.printos_http import Call, RefusalError, Reply, Route, Sink, sms_error

BODY_LIMIT_BYTES = 1_048_576
STREAM_LIMIT_BYTES = 1 << 33
LONGEST_LENGTH = 18
BLOCK_BYTES = 262_144
LINE_LIMIT_BYTES = 8192
IDLE_SECONDS = 60.0
LINGER_SECONDS = 0.5
LINGER_LIMIT_BYTES = 67_108_864
NO_BODY = frozenset({204, 304})


class _BrokenOffError(Exception):
    """Raised where a connection ends without an answer."""


class Fault(Protocol):
    """What happens to one call, as `agent.simulator.printos_faults` has it."""

    @property
    def when(self) -> str:
        """Where the connection ends: `before`, `middle` or `after`, or these with `hold-` before."""

    def meet(self) -> None:
        """Hear that the call has come so far; raises RefusalError for an answer that was asked for."""


class Site(Protocol):
    """What a server serves."""

    @property
    def routes(self) -> Sequence[Route]:
        """What it answers."""

    def now(self) -> datetime:
        """Give the present, which every answer tells."""

    def outage(self, path: str) -> str | None:
        """Say whether it is out of order: `refuse`, `drop`, or None."""

    def refused(self, method: str, path: str, refusal: RefusalError) -> None:
        """Note a refusal for the report."""

    def fault(self, method: str, path: str) -> Fault | None:
        """Give what is to happen to this call."""


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
        fault = self.server.site.fault(self.command, path)
        try:
            reply = self._out_of_order() if outage else self._routed(path, fault)
        except RefusalError as refusal:
            self.server.site.refused(self.command, path, refusal)
            reply = Reply(refusal.status, refusal.content or sms_error(refusal), refusal.headers)
        except _BrokenOffError:
            self.close_connection = True
            return
        self._send(reply)
        if self._is_unread:
            self._linger()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer every method that there is or will be: http.server looks for one named `do_` and the method."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self.answer

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no call at all, in PrintOS's shape too, and end the connection."""
        self.close_connection = True
        self._send(Reply(code, sms_error(RefusalError(code, message or explain or "not HTTP"))))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give the Date of an answer, by the site's clock."""
        return super().date_time_string(timestamp or self.server.site.now().timestamp())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: the report tells."""

    def _body(self) -> bytes:
        body = io.BytesIO()
        self._receive(body, BODY_LIMIT_BYTES)
        return body.getvalue()

    def _receive(self, sink: Sink, limit_bytes: int) -> None:
        """Read the body into a sink."""
        coding = self.headers.get("Transfer-Encoding")
        if coding is not None:
            self._receive_chunks(coding, sink, limit_bytes)
            return
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise self._unreadable(400, "Content-Length is no number")
        if len(length) > LONGEST_LENGTH:
            raise self._unreadable(413, f"the body is over {limit_bytes} bytes")
        self._receive_part(int(length), sink, limit_bytes)

    def _receive_chunks(self, coding: str, sink: Sink, limit_bytes: int) -> None:
        """Read the body of a client that doesn't know its length beforehand (RFC 9112 7.1)."""
        if coding.strip().lower() != "chunked":
            raise self._unreadable(501, f"Transfer-Encoding {coding} is not understood")
        left = limit_bytes
        while size := self._chunk_size():
            self._receive_part(size, sink, left)
            left -= size
            self.rfile.readline(LINE_LIMIT_BYTES)
        while self.rfile.readline(LINE_LIMIT_BYTES).strip():
            continue

    def _chunk_size(self) -> int:
        digits = self.rfile.readline(LINE_LIMIT_BYTES).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", digits):
            raise self._unreadable(400, "the size of a chunk is no number")
        return int(digits, 16)

    def _receive_part(self, size: int, sink: Sink, limit_bytes: int) -> None:
        if size > limit_bytes:
            raise self._unreadable(413, f"the body is over {limit_bytes} bytes")
        left = size
        while left:
            block = self.rfile.read(min(left, BLOCK_BYTES))
            if not block:  # the client has gone away: what it asked for is not done
                raise _BrokenOffError
            sink.write(block)
            left -= len(block)

    def _read_half(self) -> None:
        """Read half of the body, of which nothing becomes."""
        length = int(self.headers.get("Content-Length", "0"))
        self._receive_part(length // 2, io.BytesIO(), STREAM_LIMIT_BYTES)

    def _unreadable(self, status: int, message: str) -> RefusalError:
        """Give the refusal of a body that is left unread, which nothing can come after on this connection."""
        self.close_connection = self._is_unread = True
        return RefusalError(status, message)

    def _out_of_order(self) -> Reply:
        self._body()
        raise RefusalError(503, "out of order, as asked")

    def _routed(self, path: str, fault: Fault | None) -> Reply:
        """Take a call to its route, with what is to happen to it on the way.

        Raises:
            RefusalError: it is refused.
            _BrokenOffError: the connection ends here.
        """
        found = self._found(path)
        if found is None:
            self._body()
            raise self._unknown(path)
        if fault is not None and fault.when.endswith("middle"):
            self._read_half()
            fault.meet()
            raise _BrokenOffError
        call = self._call(path, *found)
        if fault is not None and fault.when.endswith("before"):
            fault.meet()
            raise _BrokenOffError
        reply = found[0].answer(call)
        if fault is not None:
            fault.meet()
            raise _BrokenOffError
        return reply

    def _found(self, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """Find what answers this method at a path."""
        for route in self.server.site.routes:
            match = route.matched(path) if route.method == self.command else None
            if match is not None:
                return route, match
        return None

    def _unknown(self, path: str) -> RefusalError:
        methods = {route.method for route in self.server.site.routes if route.matched(path) is not None}
        if not methods:
            return RefusalError(404, f"there is nothing at {path}")
        allowed = ", ".join(sorted(methods))
        return RefusalError(405, f"{path} takes {allowed}", headers={"Allow": allowed})

    def _call(self, path: str, route: Route, match: Mapping[str, str]) -> Call:
        """Read a call with its body."""
        pairs = tuple(parse_qsl(urlsplit(self.path).query))
        query = dict(pairs)
        headers: Any = self.headers  # a Message is a mapping in all but name
        if route.sink is None:
            return Call(self.command, path, query, headers, self._body(), match, pairs=pairs)
        call = Call(self.command, path, query, headers, b"", match, pairs=pairs)
        try:
            sink = route.sink(call)
        except RefusalError:
            self.close_connection = self._is_unread = True
            raise
        self._receive(sink, STREAM_LIMIT_BYTES)
        return replace(call, sink=sink)

    def _send(self, reply: Reply) -> None:
        content = reply.content
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if body and "Content-Type" not in reply.headers:
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
