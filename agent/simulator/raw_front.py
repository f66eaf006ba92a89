"""Port 9100 of a pretended printer, with PJL or without."""

from __future__ import annotations

import itertools
import socket
from collections import deque
from typing import Any, Literal

from agent.simulator.engine import PrinterEngine
from agent.simulator.pjl_session import BLOCK_BYTES, IDLE_SECONDS, PjlSession, sniff
from agent.simulator.tcp_listener import TcpListener

RawMode = Literal["pjl", "silent", "bare"]
"""Speaks PJL, does so without ever telling anything back, or prints every byte that comes, PJL too."""

MOST_REFUSED = 100


class RawFront:
    """Takes documents.

    Attributes:
        refused: the last PJL lines that had a mistake in them.
    """

    def __init__(self, engine: PrinterEngine, *, host: str, port: int, mode: RawMode = "pjl") -> None:
        self.refused: deque[bytes] = deque(maxlen=MOST_REFUSED)
        self._engine = engine
        self._mode = mode
        self._listener = TcpListener(self._serve, host=host, port=port, name="raw-front")

    @property
    def port(self) -> int:
        """The TCP port, the real one once it has started."""
        return self._listener.port

    def start(self) -> None:
        """Listen. OSError where the port is taken."""
        self._listener.start()

    def stop(self) -> None:
        """Stop listening and end every connection."""
        self._listener.stop()

    def _serve(self, sock: socket.socket, address: Any) -> None:
        if self._mode == "bare":
            self._print_all(sock, address[0])
            return
        session = PjlSession(
            self._engine, sock, peer=address[0], tells=self._mode == "pjl", on_refused=self.refused.append
        )
        session.run()

    def _print_all(self, sock: socket.socket, peer: str) -> None:
        """Take the connection for one document, whatever is in it."""
        sock.settimeout(IDLE_SECONDS)
        chunks = iter(lambda: sock.recv(BLOCK_BYTES), b"")
        first = next(chunks, b"")
        if not first:
            return  # somebody looked whether the port is open
        job_id = self._engine.create_job(f"raw from {peer}", sniff(first), {})
        self._engine.receive(job_id, itertools.chain((first,), chunks))
