"""A printer's embedded web server for tests: documents by path, over real HTTP, and a list of what was asked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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


def old_tls(folder: Path) -> ssl.SSLContext:
    """Give the TLS of an old printer: a short key, signed by itself, and exchanged by RSA only."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "printer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "printer.pem"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256:AES256-SHA:@SECLEVEL=0")
    context.load_cert_chain(path)
    return context


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
