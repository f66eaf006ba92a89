"""A TCP server for tests that does what a script says with each connection, however wrong that is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAIT_SECONDS = 10
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[socket.socket], object]


@contextmanager
def scripted(*scripts: Script, receive_bytes: int | None = None) -> Iterator[str]:
    """Serve one connection by each script in turn; gives the URL. Its TCP takes `receive_bytes` ahead of the script."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT_SECONDS)
        if receive_bytes is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)

        def serve() -> None:
            for script in scripts:
                sock, _ = listening.accept()
                with sock:
                    sock.settimeout(WAIT_SECONDS)
                    script(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def read_head(sock: socket.socket) -> bytes:
    """Read a request's head, and no byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (byte := sock.recv(1)):
        head += byte
    return head


def answering(answer: bytes) -> Script:
    """Read one head and answer with these bytes."""

    def script(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(answer)

    return script


def reset(sock: socket.socket) -> None:
    """Break the connection off."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def swallow(sock: socket.socket, size: int) -> None:
    """Read and forget `size` bytes, in little memory."""
    buffer = bytearray(262_144)
    while size and (got := sock.recv_into(buffer, min(size, len(buffer)))):
        size -= got


def read_all(sock: socket.socket) -> bytes:
    """Read until the peer is done."""
    return b"".join(iter(lambda: sock.recv(65_536), b""))
