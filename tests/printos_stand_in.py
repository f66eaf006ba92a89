"""A server that answers as HP's documents say and knows nothing of our simulator: it writes down every request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    """One request: its path is as it came over the wire, `at` is monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: Any
    at: float

    @property
    def call(self) -> str:
        """Give method and path."""
        return f"{self.method} {self.path}"


Told = tuple[int, Any]
"""A status and a body: what JSON can say, or a text, or None."""

Answers = Mapping[str, Told | Callable[[Seen], Told]]


class StandIn:
    """What it answers, and what it has seen.

    Attributes:
        answers: what is answered to each call; whatever else is asked is 404.
        seen: the requests, in order.
        url: where it is.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = dict(answers)
        self.seen: list[Seen] = []
        self.url = ""

    def answer(self, seen: Seen) -> Told:
        """Note a request and answer it."""
        self.seen.append(seen)
        answer = self.answers.get(seen.call, (404, "<h1>Not Found</h1>"))
        return answer if isinstance(answer, tuple) else answer(seen)

    def calls(self) -> list[str]:
        """Give what was asked, in order."""
        return [seen.call for seen in self.seen]

    def of(self, call: str) -> list[Seen]:
        """Give the requests of one kind."""
        return [seen for seen in self.seen if seen.call == call]


@contextmanager
def stand_in(answers: Answers) -> Iterator[StandIn]:
    """Run one on loopback."""
    site = StandIn(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True
        wbufsize = -1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            content = json.loads(body) if body else None
            seen = Seen(self.command, self.path, self.headers, content, time.monotonic())  # type: ignore[arg-type]  # a Message is a mapping in all but name
            status, told = site.answer(seen)
            self.send_response(status)
            text = b"" if told is None else told.encode() if isinstance(told, str) else json.dumps(told).encode()
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join(10)
