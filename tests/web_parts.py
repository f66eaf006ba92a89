"""A web listener for tests, with threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agent.web import Page, WebServer

THREADS = 2


@contextmanager
def listening(pages: Mapping[str, Page], *, request_seconds: float = 10.0) -> Iterator[WebServer]:
    """Answer on a free port of loopback, in two threads as the agent does in four."""
    web = WebServer(listen="127.0.0.1:0", pages=pages, request_seconds=request_seconds)
    web.open()
    ending = threading.Event()

    def run() -> None:
        while not ending.is_set():
            ending.wait(web.step())

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield web
    finally:
        ending.set()
        web.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
