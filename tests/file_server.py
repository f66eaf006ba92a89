"""A web server on loopback that has documents, with ranges as RFC 9110 says, and that fails as it is told."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

RANGE = re.compile(r"bytes=(\d+)-")
BLOCK_BYTES = 65_536


@dataclass(frozen=True)
class Request:
    """A request that came."""

    target: str
    headers: dict[str, str]


@dataclass
class FileServer:
    """Serves one document at every path, while its `with` block runs.

    Attributes:
        document: what it has.
        etag: its entity tag.
        headers: beside those that it has by itself.
        statuses: answered to the next requests, with nothing else.
        cuts: after so many bytes of the body the connection breaks, of the next requests that have a body.
        goes_on: while it isn't set, a body stops in its middle.
        has_ranges: whether it knows of ranges.
        certificate: a file with certificate and key, to speak TLS.
        requests: what came.
    """

    document: bytes
    etag: str | None = '"v1"'
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)
    has_ranges: bool = True
    certificate: Path | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self.goes_on.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with whatever is being served."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    def url(self, target: str = "/order.pdf?sig=SECRET", host: str = "127.0.0.1") -> str:
        """Give the URL of a document."""
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}{target}"

    def ranges(self) -> list[str | None]:
        """Give what was asked for in each request, None for the whole."""
        return [request.headers.get("Range") for request in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.requests.append(Request(self.path, dict(self.headers)))
                site.answer(self)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        handler.close_connection = True
        if self.statuses and (status := self.statuses.pop(0)):
            handler.send_response(status)
            self._end_headers(handler, 0)
            return
        begin = self._begin(handler)
        handler.send_response(206 if begin else 200)
        if begin:
            last = len(self.document) - 1
            handler.send_header("Content-Range", f"bytes {begin}-{last}/{len(self.document)}")
        self._end_headers(handler, len(self.document) - begin)
        try:
            for piece in self._pieces(begin):
                handler.wfile.write(piece)
        except ConnectionError:
            return

    def _begin(self, handler: BaseHTTPRequestHandler) -> int:
        match = RANGE.fullmatch(handler.headers.get("Range", "")) if self.has_ranges else None
        same = handler.headers.get("If-Range") in (None, self.etag)
        return int(match[1]) if match and same else 0

    def _end_headers(self, handler: BaseHTTPRequestHandler, length: int) -> None:
        own = {"Content-Length": str(length), "Connection": "close", **({"ETag": self.etag} if self.etag else {})}
        for name, value in {**own, **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def _pieces(self, begin: int) -> Iterator[bytes]:
        cut = self.cuts.pop(0) if self.cuts else None
        end = len(self.document) if cut is None else min(begin + cut, len(self.document))
        middle = (begin + end) // 2
        for start in range(begin, end, BLOCK_BYTES):
            yield self.document[start : min(start + BLOCK_BYTES, end)]
            if start >= middle - BLOCK_BYTES:
                self.goes_on.wait(30)
