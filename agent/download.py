"""Read what a URL has, piece by piece, from the very address that was checked.

The connection is made to the address; the Host header, the TLS server name and the check of the certificate are of the
host. No name is looked up here, no redirect followed, no proxy asked, nothing decoded, nothing kept.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.response import BaseHTTPResponse

from agent import __version__
from agent.document_reference import Place
from agent.errors import AnswerLostError, ConfigError, ConnectFailedError, TransportError
from agent.http_connection import PatientConnection, PatientTlsConnection, UnconnectedError

CONNECT_SECONDS = 10.0
LONGEST_SECONDS = 86_400.0
SLOWEST_BYTES_PER_SECOND = 1024
SLOWNESS_SECONDS = 30.0
PIECE_BYTES = 16_384
ADDRESSES_LIMIT = 8
FAILURES = (OSError, http.client.HTTPException, Urllib3Error)

Trust = Callable[[], ssl.SSLContext]


class Pace:
    """Ends an answer that comes at less than 1 KiB a second.

    Args:
        check: called with all that comes and every few seconds while nothing does; whatever it raises ends it too.
        slowness_seconds: how long it may be slower, its head included.
    """

    def __init__(self, check: Callable[[], None], *, slowness_seconds: float = SLOWNESS_SECONDS) -> None:
        self.check = check
        self._slowness_seconds = slowness_seconds
        self.begin()

    def begin(self) -> None:
        """Reckon from now."""
        self._came = 0
        self._due_at = time.monotonic() + self._slowness_seconds

    def count(self, size: int) -> None:
        """Note that so many bytes of the body have come."""
        self._came += size

    def watch(self, _sock: socket.socket) -> None:
        """Look how it goes; TimeoutError where it is too slow."""
        self.check()
        if time.monotonic() < self._due_at:
            return
        if self._came < SLOWEST_BYTES_PER_SECOND * self._slowness_seconds:
            raise TimeoutError("it came too slowly")
        self.begin()


class Download:
    """An answer whose body has yet to come.

    Attributes:
        host: that gave it.
        status: of HTTP.
        headers: with names of any case.
    """

    def __init__(self, connection: PatientConnection, answer: BaseHTTPResponse, *, pace: Pace, host: str) -> None:
        self.host = host
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._connection = connection
        self._answer = answer
        self._pace = pace

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it comes, at most 16 KiB at a time.

        Raises:
            AnswerLostError: it broke off, or came too slowly.
        """
        pieces = self._answer.stream(PIECE_BYTES, decode_content=False)
        while piece := self._next(pieces):
            self._pace.count(len(piece))
            yield piece

    def close(self) -> None:
        """Close the connection."""
        self._answer.close()
        self._connection.close()

    def _next(self, pieces: Iterator[bytes]) -> bytes:
        try:
            return next(pieces, b"")
        except FAILURES as exc:
            raise _translated(exc, self.host) from exc


def open_download(
    place: Place, addresses: Sequence[str], *, headers: Mapping[str, str], trust: Trust, pace: Pace
) -> Download:
    """Ask for what is at a place and read the head of the answer.

    Args:
        place: where the URL leads.
        addresses: of its host, checked; the first of at most eight that takes a connection gets the request.
        headers: beside Host, User-Agent and those that have nothing encoded.
        trust: gives the certificates to trust.
        pace: what ends it.

    Raises:
        ConnectFailedError: no address takes a connection, or none that proves to be the host.
        AnswerLostError: no head of an answer came.
        ConfigError: there are no certificates to trust.
    """
    connection = _connected(place, addresses[:ADDRESSES_LIMIT], trust, pace)
    own = {
        "Host": place.authority,
        "User-Agent": f"printos-agent/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        connection.timeout = LONGEST_SECONDS
        connection.request("GET", place.target, headers={**own, **headers}, preload_content=False, decode_content=False)
        pace.begin()
        connection.watch = pace.watch
        return Download(connection, connection.getresponse(), pace=pace, host=place.host)
    except FAILURES as exc:
        connection.close()
        raise _translated(exc, place.host) from exc
    except BaseException:
        connection.close()
        raise


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the certificates of a file, or those that the system trusts.

    Raises:
        ConfigError: the file can't be read, or has none.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise ConfigError(f"fetch.ca_file: {ca_file}: {exc.strerror or exc}") from exc


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Give the addresses of a host, the best first.

    Raises:
        OSError: its name can't be resolved.
    """
    return tuple(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _connected(place: Place, addresses: Sequence[str], trust: Trust, pace: Pace) -> PatientConnection:
    problem: UnconnectedError | None = None
    for address in addresses:
        pace.check()
        connection = _connection(place, address, trust)
        try:
            connection.connect()
        except UnconnectedError as exc:
            problem = exc
            connection.close()
        else:
            return connection
    raise ConnectFailedError(f"{place.host}: {problem.text if problem else 'no address'}") from problem


def _connection(place: Place, address: str, trust: Trust) -> PatientConnection:
    if place.scheme == "http":
        return PatientConnection(address, place.port, timeout=CONNECT_SECONDS)
    return PatientTlsConnection(
        address, place.port, timeout=CONNECT_SECONDS, ssl_context=trust(), server_hostname=place.host
    )


def _translated(exc: Exception, host: str) -> TransportError:
    return AnswerLostError(f"{host}: {_cause(exc)}")


def _cause(exc: BaseException) -> str:
    """Say what was at the bottom of it. Only the system's words: a server's may have the URL in them."""
    while (below := exc.__cause__ or exc.__context__) is not None:
        exc = below
    return str(exc) if isinstance(exc, OSError) else type(exc).__name__
