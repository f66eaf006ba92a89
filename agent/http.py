"""Speak HTTP: the only file that knows requests; the limits of a connection are in `agent.http_connection`.

What failed is told as one of two errors, because a caller has one question: may some of the request have arrived?
"""

from __future__ import annotations

import functools
import re
import ssl
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import MappingProxyType

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import InsecureRequestWarning, NewConnectionError

from agent import __version__
from agent.errors import AnswerLostError, ConnectFailedError, TransportError
from agent.http_connection import limited
from agent.upload import BLOCK_BYTES, Upload

DEFAULT_LIMIT_BYTES = 4_194_304
MESSAGE_LIMIT = 200
_ZONE = re.compile(r"^(https?://\[[^]%]*)%25")
"""Where the zone of an IPv6 address begins (RFC 6874); requests unescapes it once too often."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# The three that are ConnectionError itself, or SSLError, are told apart by `_is_unconnected`.
TRANSLATION: Mapping[type[Exception], type[TransportError]] = MappingProxyType(
    {
        requests.exceptions.ChunkedEncodingError: AnswerLostError,
        requests.exceptions.ConnectTimeout: ConnectFailedError,
        requests.exceptions.ConnectionError: AnswerLostError,
        requests.exceptions.ContentDecodingError: AnswerLostError,
        requests.exceptions.HTTPError: AnswerLostError,
        requests.exceptions.InvalidHeader: ConnectFailedError,
        requests.exceptions.InvalidJSONError: AnswerLostError,
        requests.exceptions.InvalidProxyURL: ConnectFailedError,
        requests.exceptions.InvalidSchema: ConnectFailedError,
        requests.exceptions.InvalidURL: ConnectFailedError,
        requests.exceptions.JSONDecodeError: AnswerLostError,
        requests.exceptions.MissingSchema: ConnectFailedError,
        requests.exceptions.ProxyError: ConnectFailedError,
        requests.exceptions.ReadTimeout: AnswerLostError,
        requests.exceptions.RequestException: AnswerLostError,
        requests.exceptions.RetryError: AnswerLostError,
        requests.exceptions.SSLError: AnswerLostError,
        requests.exceptions.StreamConsumedError: AnswerLostError,
        requests.exceptions.Timeout: AnswerLostError,
        requests.exceptions.TooManyRedirects: AnswerLostError,
        requests.exceptions.URLRequired: ConnectFailedError,
        requests.exceptions.UnrewindableBodyError: AnswerLostError,
        Urllib3Error: AnswerLostError,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. The names of `headers` are case-insensitive where they come from `HttpClient`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Exchanges with HTTP servers over pooled connections; safe in several threads.

    No redirect is followed, no cookie is kept, nothing is taken from the environment.

    Args:
        connect_timeout_seconds: for connecting, with the TLS handshake.
        read_timeout_seconds: for a whole answer, once the request is sent.
        verify: True for the system's authorities, a file of certificates, or False where a certificate proves nothing;
            then the ciphers of old printers are taken too.
        basic: login and password.
        bearer: a token.
        client_certificate: the files of a certificate and of its key.
        proxy: the URL of an HTTP proxy.
    """

    def __init__(
        self,
        *,
        connect_timeout_seconds: float = 5.0,
        read_timeout_seconds: float = 30.0,
        verify: bool | Path = True,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        client_certificate: tuple[Path, Path] | None = None,
        proxy: str | None = None,
    ) -> None:
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._session = _session(verify, proxy)
        if basic is not None:
            self._session.auth = HTTPBasicAuth(basic[0].encode(), basic[1].encode())
        if bearer is not None:
            self._session.headers["Authorization"] = f"Bearer {bearer}"
        if client_certificate is not None:
            self._session.cert = (str(client_certificate[0]), str(client_certificate[1]))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Upload | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Send a request and read its whole answer, whatever its status.

        Args:
            method: `GET`, `POST`, …
            url: absolute, `http` or `https`.
            headers: beside those of the client.
            body: bytes, or a document read while it is sent. An `Upload` always gets a new connection.
            limit_bytes: the most that the answer's decoded body may have.
            timeout_seconds: for the whole answer, once the request is sent; the client's own unless given.

        Raises:
            ConnectFailedError: nothing was sent.
            AnswerLostError: something may have been sent, and no whole answer came.
        """
        limit_seconds = timeout_seconds or self._read_timeout_seconds
        before = sys.exception()
        try:
            with self._open(method, url, headers, body, limit_seconds) as response:
                return Answer(response.status_code, response.headers, _read(response, limit_bytes))
        except (requests.RequestException, Urllib3Error) as exc:
            raise _translated(exc, f"{method} {url.partition('?')[0]}", before) from exc

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Upload | None, limit_seconds: float
    ) -> requests.Response:
        send = functools.partial(
            self._session.request,
            method,
            _ZONE.sub(r"\1%2525", url),
            headers=headers,
            data=body or None,
            timeout=(min(self._connect_timeout_seconds, limit_seconds), limit_seconds),
            allow_redirects=False,
            stream=True,
        )
        try:
            return send()
        except requests.ConnectionError as exc:
            if body is not None or method not in {"GET", "HEAD"} or _is_unconnected(exc):
                raise
            return send()  # a kept connection had gone stale; asking twice changes nothing at the peer


class _Session(requests.Session):
    """Looks at no redirection: requests reads its whole body first, without a limit, and stumbles over a bad URL."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the base class has it
        """Say that there is none."""
        return None


def _session(verify: bool | Path, proxy: str | None) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": f"printos-agent/{__version__}", "Accept-Encoding": "gzip, deflate"})
    session.verify = str(verify) if isinstance(verify, Path) else verify
    if verify is False:
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)
    adapter = HTTPAdapter()
    context = _lenient_context() if verify is False else None
    adapter.poolmanager = limited(urllib3.PoolManager(blocksize=BLOCK_BYTES, ssl_context=context))
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
        limited(adapter.proxy_manager_for(proxy, blocksize=BLOCK_BYTES))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _lenient_context() -> ssl.SSLContext:
    """Give what speaks to printers: some only have RSA key exchange and short keys, which Python leaves out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


def _read(response: requests.Response, limit_bytes: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(65_536):
        body += chunk
        if len(body) > limit_bytes:
            raise requests.RequestException(f"the answer is over {limit_bytes} bytes")
    return bytes(body)


def _is_unconnected(exc: Exception) -> bool:
    """Whether the connection itself failed, as `PatientConnection.connect` says it, however deep that was wrapped."""
    cause: object = exc.args[0] if exc.args else None
    return isinstance(exc, requests.ConnectTimeout) or isinstance(getattr(cause, "reason", cause), NewConnectionError)


def _translated(exc: Exception, what: str, before: BaseException | None) -> TransportError:
    kind = next(TRANSLATION[base] for base in type(exc).__mro__ if base in TRANSLATION)
    if _is_unconnected(exc):
        kind = ConnectFailedError
    return kind(f"{what}: {_first_cause(exc, before)}")


def _first_cause(exc: BaseException, before: BaseException | None) -> str:
    """Say what was at the bottom of it: the layers above only repeat it, with the URL and what may be secret in it.

    `before` is an exception that the caller was already dealing with, which had nothing to do with it.
    """
    while (below := exc.__cause__ or exc.__context__) is not None and below is not before:
        exc = below
    text = "".join(letter for letter in str(exc) if letter.isprintable())[:MESSAGE_LIMIT]
    return text or type(exc).__name__
