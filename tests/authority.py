"""An authority that issues certificates for tests, and servers that show them."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

WAIT_SECONDS = 10.0
PIECE_BYTES = 65_536


class Authority:
    """Issues certificates; `ca_file` is its own."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._issued = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._signed(name, self._key, (), (-1, 2), is_authority=True))

    def issue(
        self,
        *hosts: str,
        name: str = "server",
        days: tuple[float, float] = (-1, 1),
        passphrase: bytes | None = None,
    ) -> Path:
        """Issue a certificate for hosts and addresses, valid between two days from now; gives a file with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        encryption: KeySerializationEncryption = (
            BestAvailableEncryption(passphrase) if passphrase is not None else NoEncryption()
        )
        self._issued += 1
        path = self._folder / f"{self._issued}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        path.write_bytes(self._signed(name, key, hosts, days, is_authority=False) + private)
        return path

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        hosts: tuple[str, ...],
        days: tuple[float, float],
        *,
        is_authority: bool,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, _named(name), key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days[0])).not_valid_after(now + timedelta(days[1]))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general, hosts)]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of the first certificate of a file, as the agent writes it."""
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex().upper()


@contextmanager
def over_tls(certificate: Path, backend_port: int, *, clients_of: Authority | None = None) -> Iterator[int]:
    """Speak TLS for a server on loopback; gives the port. `clients_of` must have issued the certificates of clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of.ca_file)

    def serve(sock: socket.socket) -> None:
        with (
            context.wrap_socket(sock, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", backend_port)) as backend,
        ):
            pump(secure, backend)

    with served(serve) as port:
        yield port


@contextmanager
def served(serve: object) -> Iterator[int]:
    """Serve every connection in a thread of its own; gives the port. An error ends its connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(WAIT_SECONDS)
            with suppress(OSError):
                assert callable(serve)
                serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join(WAIT_SECONDS)


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry what each says to the other until either is done."""
    ends = {one: other, other: one}
    while True:
        for sock in select.select([*ends], (), (), WAIT_SECONDS)[0]:
            piece = sock.recv(PIECE_BYTES)
            while isinstance(sock, ssl.SSLSocket) and sock.pending():
                piece += sock.recv(sock.pending())
            if not piece:
                return
            ends[sock].sendall(piece)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
