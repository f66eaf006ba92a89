"""Accept TCP connections, a thread each, and end all of them at once."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

BACKLOG = 128
JOIN_SECONDS = 5.0

Serve = Callable[[socket.socket, Any], None]
"""Serves one connection, given its socket and the peer's address, until it ends; the listener closes it."""


class TcpListener:
    """Listens on one port. `port` is the real one once it has started."""

    def __init__(self, serve: Serve, *, host: str, port: int, name: str) -> None:
        self.port = port
        self._serve = serve
        self._host = host
        self._name = name
        self._listening: socket.socket | None = None
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}

    def start(self) -> None:
        """Listen. OSError where the port is taken."""
        self._listening = socket.create_server((self._host, self.port), backlog=BACKLOG)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Stop listening, end every connection, and wait for their threads."""
        if self._listening is None:
            return
        _shut(self._listening)
        self._listening.close()
        self._listening = None
        with self._lock:
            connections = dict(self._open)
        for sock in connections.values():
            _shut(sock)
        for thread in connections:
            thread.join(JOIN_SECONDS)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, address = listening.accept()
            except OSError:
                log.debug("%s: no longer listening", self._name)
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve_one, args=(sock, address), name=self._name, daemon=True)
            with self._lock:
                self._open[thread] = sock
            thread.start()

    def _serve_one(self, sock: socket.socket, address: Any) -> None:
        try:
            with sock:
                self._serve(sock, address)
        except OSError as exc:
            log.debug("%s: the connection from %s broke: %s", self._name, address, exc)
        except Exception:
            log.exception("%s: a connection from %s failed", self._name, address)
        finally:
            with self._lock:
                del self._open[threading.current_thread()]


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended by itself
        sock.shutdown(socket.SHUT_RDWR)
