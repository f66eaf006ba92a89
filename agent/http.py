"""Speak HTTP: the only file that knows requests; the limits of a connection are in `agent.http_connection`.

What failed is told as one of two errors, because a caller has one question: may some of the request have arrived?
"""

from __future__ import annotations

import base64
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
from typing import Any

import requests
import urllib3
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import InsecureRequestWarning, LocationParseError, NewConnectionError

from agent import __version__
from agent.errors import AnswerLostError, ConnectFailedError, TransportError
from agent.http_connection import UnconnectedError, causes, limited, wants_login
from agent.tls import lenient, show, trusting
from agent.upload import BLOCK_BYTES, Upload

DEFAULT_LIMIT_BYTES = 4_194_304
MESSAGE_LIMIT = 200
LONG_MESSAGE_LIMIT = 1000
PROXY_LOGIN_WANTED = 407
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
        UnicodeError: ConnectFailedError,
        Urllib3Error: AnswerLostError,
    }
)


QUOTING = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    LocationParseError,
    UnicodeError,
)
"""Errors that repeat what they find wrong, which may be a token or the query of a URL."""


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
        proxy: the URL of an HTTP proxy, without a login.
        proxy_login: user and password for it.

    Raises:
        ConfigError: a file of certificates or of a key is no good.
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
        proxy_login: tuple[str, str] | None = None,
    ) -> None:
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._proxy = proxy
        self._session = _session(_context(verify, client_certificate), proxy, proxy_login)
        if basic is not None:
            self._session.headers["Authorization"] = _basic(*basic)
        if bearer is not None:
            self._session.headers["Authorization"] = f"Bearer {bearer}"

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
        what, before = f"{method} {url.partition('?')[0]}", sys.exception()
        try:
            with self._open(method, url, headers, body, limit_seconds) as response:
                answer = Answer(response.status_code, response.headers, _read(response, limit_bytes))
        except (requests.RequestException, UnicodeError, Urllib3Error) as exc:
            raise _translated(exc, what, before) from exc
        if answer.status == PROXY_LOGIN_WANTED and self._proxy is not None:
            raise ConnectFailedError(f"{what}: {wants_login(f'the proxy {self._proxy}')}")
        return answer

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


class _Adapter(HTTPAdapter):
    """Connects by one TLS context, which says all that requests would say connection by connection."""

    def __init__(self, context: ssl.SSLContext, proxy_login: tuple[str, str] | None) -> None:
        self._context = context
        self._proxy_login = proxy_login
        super().__init__()
        self.poolmanager = limited(urllib3.PoolManager(blocksize=BLOCK_BYTES))

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002 - the base class has it
        """Give the login that the proxy is shown."""
        return {} if self._proxy_login is None else {"Proxy-Authorization": _basic(*self._proxy_login)}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Give the place, and the context."""
        place, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return place, {"ssl_context": self._context, "cert_reqs": self._context.verify_mode}


def _session(context: ssl.SSLContext, proxy: str | None, proxy_login: tuple[str, str] | None) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": f"printos-agent/{__version__}", "Accept-Encoding": "gzip, deflate"})
    adapter = _Adapter(context, proxy_login)
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
        limited(adapter.proxy_manager_for(proxy, blocksize=BLOCK_BYTES))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _context(verify: bool | Path, client_certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    if verify is False:
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)
        context = lenient()
    else:
        context = trusting(verify if isinstance(verify, Path) else None, otherwise=Path(DEFAULT_CA_BUNDLE_PATH))
    if client_certificate is not None:
        show(context, *client_certificate)
    return context


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


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
    return kind(f"{what}: {_reason(exc, before)}")


def _reason(exc: BaseException, before: BaseException | None) -> str:
    """Say what was at the bottom of it: the layers above only repeat it, with the URL and what may be secret in it."""
    for cause in causes(exc, before):
        if isinstance(cause, QUOTING):
            return "the URL or a header has letters that it may not have"
        if isinstance(cause, UnconnectedError):
            return _printable(cause.text, LONG_MESSAGE_LIMIT)
    *_, first = causes(exc, before)
    return _printable(str(first), MESSAGE_LIMIT) or type(first).__name__


def _printable(text: str, limit: int) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:limit]
