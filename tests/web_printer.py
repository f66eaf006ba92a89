"""A printer's embedded web server for tests: documents by path, over real HTTP, and a list of what was asked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from agent.http import HttpClient
from agent.simulator.http_front import HttpFront, Request, Response


class WebPrinter:
    """Answers GET by `documents`, which a test may change, and anything else by 405."""

    def __init__(self, documents: Mapping[str, bytes | Response], tls: ssl.SSLContext | None = None) -> None:
        self.documents = dict(documents)
        self.asked: list[str] = []
        self.scheme = "http" if tls is None else "https"
        self.front = HttpFront(host="127.0.0.1", port=0, routes=[self._answer], tls=tls)

    def url(self, driver: str) -> str:
        """Give its root for a driver."""
        return f"{driver}+{self.scheme}://127.0.0.1:{self.front.port}/"

    def taken(self) -> list[str]:
        """Give what was asked since the last time, and forget it."""
        asked, self.asked = self.asked, []
        return asked

    def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"no\n")
        etag = request.headers.get("If-None-Match")
        self.asked.append(f"{request.path} unless {etag}" if etag else request.path)
        told = self.documents.get(request.path)
        if isinstance(told, Response):
            return Response(HTTPStatus.NOT_MODIFIED) if etag and etag == told.headers.get("ETag") else told
        return Response(HTTPStatus.NOT_FOUND, b"no\n") if told is None else Response(body=told)


class Ticks:
    """A monotonic clock that stands still but for sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Give the present."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass, and write down how much."""
        self.slept.append(seconds)
        self.now += seconds


@contextmanager
def serving(documents: Mapping[str, bytes | Response], tls: ssl.SSLContext | None = None) -> Iterator[WebPrinter]:
    """Serve documents."""
    printer = WebPrinter(documents, tls)
    printer.front.start()
    yield printer
    printer.front.stop()


@contextmanager
def patient_client() -> Iterator[HttpClient]:
    """Give a client as printers get it."""
    client = HttpClient(connect_timeout_seconds=5, read_timeout_seconds=10, verify=False)
    yield client
    client.close()
