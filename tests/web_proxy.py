"""An HTTP proxy for tests: CONNECT for TLS, whole URLs for plain HTTP, with a login if wanted."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.authority import pump, served
from tests.scripted_server import read_head

REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
UNKNOWN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


@dataclass
class WebProxy:
    """What a proxy lets through.

    Attributes:
        routes: the ports on loopback of the servers that it knows, by `host:port`.
        login: `user:password` that it wants.
        asked: the first lines of what it was asked.
    """

    routes: Mapping[str, int]
    login: str | None = None
    asked: list[str] = field(default_factory=list)

    def serve(self, sock: socket.socket) -> None:
        """Serve one connection."""
        head = read_head(sock)
        first, *lines = head.decode("latin-1").splitlines()
        self.asked.append(first)
        method, target, _version = first.split()
        port = self.routes.get(target if method == "CONNECT" else _place(target))
        if not self._lets_in(lines):
            sock.sendall(REFUSED)
        elif port is None:
            sock.sendall(UNKNOWN)
        else:
            with socket.create_connection(("127.0.0.1", port)) as backend:
                if method == "CONNECT":
                    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    backend.sendall(_head_for_origin(head, target))
                pump(sock, backend)

    def _lets_in(self, lines: list[str]) -> bool:
        if self.login is None:
            return True
        return f"Proxy-Authorization: Basic {base64.b64encode(self.login.encode()).decode()}" in lines


@contextmanager
def web_proxy(routes: Mapping[str, int], login: str | None = None) -> Iterator[tuple[WebProxy, str]]:
    """Run a proxy; gives it and its URL."""
    proxy = WebProxy(routes, login)
    with served(proxy.serve) as port:
        yield proxy, f"http://127.0.0.1:{port}"


def _head_for_origin(head: bytes, url: str) -> bytes:
    """Ask for the path alone, tell nobody the proxy's own login, and have the connection end with the answer."""
    path = urlsplit(url)._replace(scheme="", netloc="").geturl() or "/"
    first, *lines = head.replace(url.encode(), path.encode(), 1).split(b"\r\n")
    kept = [line for line in lines if not line.startswith((b"Proxy-", b"Connection:"))]
    return b"\r\n".join([first, b"Connection: close", *kept])


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 80}"
