"""Read documents of a printer's embedded web server, gently: GET only, half a second apart, whoever asks.

Whoever may read there may also reset the printer or erase it, for no login is asked; hence there is no other method in
this file. What was read is remembered, and asked for again only if it has changed where the printer can tell (ETag);
but who answers is asked each time, and another printer at the address is told nothing of what the one before it said.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agent.drivers.hp_keywords import Conditions
from agent.drivers.xml_document import LARGEST_DOCUMENT_BYTES
from agent.endpoints import bracketed, host_of
from agent.errors import (
    PrinterBusyError,
    PrinterError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
    TransportError,
)
from agent.http import Answer, HttpClient
from agent.identity import contradict
from agent.model import Identity

log = logging.getLogger(__name__)

GAP_SECONDS = 0.5
RESTING_SECONDS = 600.0
WORKING_SECONDS = 60.0
MOST_REDIRECTS = 3
MOST_HOSTS = 1024
LONGEST_ETAG = 128
MISSING = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
FORBIDDEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
MOVED = frozenset({301, 302, 303, 307, 308})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What a document came to: its value, None where it is missing, and when that was asked (monotonic seconds)."""

    value: Any
    asked_at: float
    etag: str = ""


class Gaps:
    """When each host's web server may be asked again, whoever asks: half a second after it was asked last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def take(self, host: str, present: float) -> float:
        """Give the seconds to wait for one's turn, which nobody else then has; `present` is monotonic."""
        with self._lock:
            turn = max(present, self._free_at.get(host, 0.0))
            self._free_at[host] = turn + GAP_SECONDS
            return turn - present

    def end(self, host: str, present: float) -> None:
        """Note that the answer has come."""
        with self._lock:
            self._free_at[host] = max(self._free_at.get(host, 0.0), present + GAP_SECONDS)
            if len(self._free_at) > MOST_HOSTS:
                self._free_at = {name: at for name, at in self._free_at.items() if at > present}


class Cadence:
    """How long supplies and counters stay fresh: a minute while the printer works and once after, else ten.

    Of one that sleeps nothing is asked but its status, for nothing else changes.
    """

    def __init__(self) -> None:
        self._was_busy = False

    def fresh_seconds(self, conditions: Conditions) -> float:
        """Give the seconds, by what the printer says of the moment."""
        is_moving, self._was_busy = conditions.is_busy or self._was_busy, conditions.is_busy
        if is_moving:
            return WORKING_SECONDS
        return math.inf if conditions.is_asleep else RESTING_SECONDS


class EmbeddedWeb:
    """The documents of one printer's web server; thread-safe.

    Args:
        uri: its root, `http` or `https`, with a scheme before it that names the driver: `ledm+http://h:80/`.
        http: with the printer's credentials, if it wants any.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        gaps: shared by all that read web servers of printers.
    """

    def __init__(
        self,
        uri: str,
        *,
        http: HttpClient,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        gaps: Gaps | None = None,
    ) -> None:
        parts = urlsplit(uri)
        self._host = bracketed(host_of(uri))
        self._root = f"{parts.scheme.rpartition('+')[2]}://{parts.netloc}"
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()
        self._gaps = gaps or Gaps()
        self._known: dict[str, Known] = {}
        self._places: Mapping[str, str] | None = None
        self._identity = Identity()

    def places(
        self, path: str, parse: Callable[[bytes], Mapping[str, str]], usual: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Give where the documents are, as the one at `path` says; it is asked once, and `usual` stands in for it.

        Raises:
            PrinterUnreachableError: the printer doesn't answer.
        """
        with self._lock:
            if self._places is None:
                self._places = self._anew(path, parse) or usual
            return self._places

    def identity(self, path: str, parse: Callable[[bytes], Identity]) -> Identity:
        """Give who answers now; all that another printer at this address had told before is forgotten.

        Raises:
            PrinterUnreachableError: the printer doesn't answer.
        """
        with self._lock:
            told = self._anew(path, parse) or Identity()
            if contradict(told, self._identity):
                self.forget()
            self._identity = told.or_else(self._identity)
            return told

    def forget(self) -> None:
        """Begin anew, as with a printer that was never asked."""
        with self._lock:
            self._known.clear()
            self._places = None
            self._identity = Identity()

    def read(self, path: str, parse: Callable[[bytes], T], *, fresh_seconds: float = 0.0) -> T | None:
        """Give what `parse` makes of a document, None where there is none; nothing is asked before that is stale.

        Raises:
            PrinterUnreachableError: the printer doesn't answer.
            PrinterBusyError: it is out of order.
            PrinterProtocolError: what it answers is no such document.
            PrinterRejectedError: it wants other credentials.
        """
        with self._lock:
            known = self._known.get(path)
            if known is None or self._clock() - known.asked_at >= fresh_seconds:
                known = self._ask(path, parse, known)
                self._known[path] = known
            value: T | None = known.value
            return value

    def read_optional(self, path: str, parse: Callable[[bytes], T], *, fresh_seconds: float = 0.0) -> T | None:
        """Do the same, but where that fails give what was last known: a printer is more than one of its documents."""
        try:
            return self.read(path, parse, fresh_seconds=fresh_seconds)
        except PrinterError as error:
            self._note(path, error)
            is_silent = isinstance(error, PrinterUnreachableError | PrinterBusyError)
        with self._lock:
            known = self._known.get(path)
            value: T | None = known.value if known else None
            if known or not is_silent:
                self._known[path] = Known(value, self._clock(), known.etag if known else "")
            return value

    def _anew(self, path: str, parse: Callable[[bytes], T]) -> T | None:
        """Give a document as it is now; None where there is none that may be read."""
        try:
            value: T | None = self._ask(path, parse, None).value
        except (PrinterBusyError, PrinterProtocolError, PrinterRejectedError) as error:
            self._note(path, error)
            return None
        return value

    def _note(self, path: str, error: PrinterError) -> None:
        log.debug("%s%s was not read: %s", self._root, path, error)

    def _ask(self, path: str, parse: Callable[[bytes], T], known: Known | None) -> Known:
        answer = self._get(path, {"If-None-Match": known.etag} if known and known.etag else {})
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None:
            return replace(known, asked_at=self._clock())
        if answer.status in MISSING:
            return Known(None, self._clock())
        _require_document(answer)
        etag = answer.headers.get("ETag", "")[:LONGEST_ETAG]
        return Known(parse(answer.body), self._clock(), etag)

    def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        """Get a document, wherever on the same host the printer moves it to."""
        for _ in range(MOST_REDIRECTS):
            answer = self._exchange(f"{self._root}{path}", headers)
            location = answer.headers.get("Location", "") if answer.status in MOVED else ""
            if not location:
                return answer
            path = self._follow(location)
        raise PrinterProtocolError(f"{self._root}: redirects without end")

    def _follow(self, location: str) -> str:
        """Take the scheme and port that a redirection names for the server's own; give the path.

        The host stays the one that was asked: a printer may call itself by a name that nobody can resolve, and must not
        send anyone elsewhere, nor a password that was meant for TLS into the open.
        """
        try:
            parts = urlsplit(location)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as exc:
            raise PrinterProtocolError(f"{self._root}: a redirection to nowhere") from exc
        if parts.netloc:
            if parts.scheme not in ("http", "https") or (self._root.startswith("https:") and parts.scheme == "http"):
                raise PrinterProtocolError(f"{self._root}: a redirection to {parts.scheme}")
            self._root = f"{parts.scheme}://{self._host}{port}"
        query = f"?{parts.query}" if parts.query else ""
        return f"/{parts.path.lstrip('/')}{query}"

    def _exchange(self, url: str, headers: Mapping[str, str]) -> Answer:
        self._sleep(self._gaps.take(self._host, self._clock()))
        try:
            return self._http.request("GET", url, headers=headers, limit_bytes=LARGEST_DOCUMENT_BYTES)
        except TransportError as exc:
            raise PrinterUnreachableError(str(exc)) from exc
        finally:
            self._gaps.end(self._host, self._clock())


def _require_document(answer: Answer) -> None:
    if answer.status == HTTPStatus.OK:
        return
    message = f"the printer answered {answer.status}"
    if answer.status in FORBIDDEN:
        raise PrinterRejectedError(message, reason="account-authorization-failed")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise PrinterBusyError(message)
    raise PrinterProtocolError(message)
