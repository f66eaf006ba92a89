"""Port 9100 of a pretended printer: each connection is one job, its bytes until the peer is done the document."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from agent.simulator.engine import PrinterEngine
from agent.simulator.tcp_listener import TcpListener

BLOCK_BYTES = 262_144
IDLE_SECONDS = 300.0
SNIFF_BYTES = 1024
FORMATS = ((b"%PDF-", "application/pdf"), (b"%!", "application/postscript"), (b"\x1b", "application/vnd.hp-PCL"))


class RawFront:
    """Takes whatever comes, as a raw port does, and tells nothing back."""

    def __init__(self, engine: PrinterEngine, *, host: str, port: int) -> None:
        self._engine = engine
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
        sock.settimeout(IDLE_SECONDS)
        chunks = iter(lambda: sock.recv(BLOCK_BYTES), b"")
        first = next(chunks, b"")
        if not first:
            return  # somebody looked whether the port is open
        job_id = self._engine.create_job(f"raw from {address[0]}", _format(first), {})
        self._engine.receive(job_id, _joined(first, chunks))


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _format(first: bytes) -> str:
    """Tell the format from the first bytes, behind the PJL that may go before the document."""
    head = first[:SNIFF_BYTES]
    if head.startswith(b"\x1b%-12345X@PJL"):
        head = head.rpartition(b"LANGUAGE")[2].partition(b"\n")[2]
    return next((name for magic, name in FORMATS if head.startswith(magic)), "application/octet-stream")
