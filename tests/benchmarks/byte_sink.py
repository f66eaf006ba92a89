"""A port 9100 that takes documents and notes when the last byte of each came."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

BLOCK_BYTES = 65_536
ACCEPT_SECONDS = 0.2
WAIT_SECONDS = 60.0


class ByteSink:
    """Takes one document a connection, on a port of its own on 127.0.0.1.

    Args:
        document_bytes: the size of a whole document; what is shorter counts for nothing.
    """

    def __init__(self, *, document_bytes: int) -> None:
        self._document_bytes = document_bytes
        self._ended_at: list[float] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._listener = socket.socket()
        self._thread = threading.Thread(target=self._serve, name="byte-sink")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        """Listen."""
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._listener.settimeout(ACCEPT_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def count(self) -> int:
        """Count the whole documents so far."""
        return len(self._ended_at)

    def wait(self, count: int) -> float:
        """Wait until `count` documents are whole, and give when the last byte of that one came (monotonic).

        Raises:
            TimeoutError: they did not come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.count() >= count, WAIT_SECONDS):
                raise TimeoutError(f"{self.count()} of {count} documents arrived in {WAIT_SECONDS:.0f} s")
            return self._ended_at[count - 1]

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(WAIT_SECONDS)
                    self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        size, ended_at = 0, time.monotonic()
        while block := connection.recv(BLOCK_BYTES):
            size, ended_at = size + len(block), time.monotonic()
        if size == self._document_bytes:
            with self._changed:
                self._ended_at.append(ended_at)
                self._changed.notify_all()
