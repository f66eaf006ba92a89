"""Sessions of PrintOS: what a login answers, and a device's token that is kept, renewed and never fought for.

A device logs in once and reuses its token. It is renewed ahead of its expiry, and once when PrintOS no longer knows it;
whoever else needs it meanwhile waits for that one login. A login that failed is not repeated before a pause has passed.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agent.credentials import DeviceLogin
from agent.errors import CloudError, CloudRefusedError, CloudUnreachableError, SessionExpiredError
from agent.http import Answer
from agent.loop import backoff
from agent.model import Clock
from agent.printos.exchange import TOKEN_NAME, UNAUTHORIZED, Flow, Request, checked, find_node, nodes, parse_json

log = logging.getLogger(__name__)

# The name of PrintOS's hint is not documented: these are looked for in any case, at any depth.
EXPIRY_KEYS = (
    "expiresIn",
    "expires_in",
    "expiresAt",
    "expires",
    "expiration",
    "expirationTime",
    "expirationDate",
    "expiry",
    "tokenExpiration",
    "tokenExpirationTime",
    "tokenExpiry",
    "sessionTimeout",
    "validUntil",
    "ttl",
)
DEFAULT_LIFETIME_SECONDS = 1500.0
SHORTEST_LIFETIME_SECONDS = 60.0
SHORTEST_COOKIE_SECONDS = 1.0
LONGEST_LIFETIME_SECONDS = 86_400.0
AHEAD_SECONDS = 60.0
AHEAD_SHARE = 0.1
UNREACHABLE_PAUSE_SECONDS = 2.0
"""Enough for those who waited for the same login; who calls backs off for longer."""
REJECTED_PAUSE_SECONDS = 60.0
REJECTED_PAUSE_CEILING_SECONDS = 1800.0
REFUSED_PAUSE_SECONDS = 3600.0
EPOCH_SECONDS = 1_000_000_000
EPOCH_MILLISECONDS = 100_000_000_000
TOKEN_PATTERN = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,4096}")
COOKIE_PATTERN = re.compile(rf'{TOKEN_NAME}\s*=\s*"?([^;,"\s]+)', re.IGNORECASE)
NEXT_COOKIE_PATTERN = re.compile(r",\s*[^;,=\s]+=")


@dataclass(frozen=True, slots=True)
class Token:
    """A session's token; `lifetime_seconds` is from its login on, None where no believable hint came."""

    value: str = field(repr=False)
    lifetime_seconds: float | None = None


def login_request(path: str, login: str, password: str) -> Request:
    """Ask for a session, of a person or of a device."""
    return Request("POST", path, {"login": login, "password": password})


def parse_login(answer: Answer, *, now: datetime, expiry_keys: Iterable[str] = EXPIRY_KEYS) -> Token:
    """Read the answer to a login: `authToken` of the JSON, else the cookie.

    Raises:
        CloudRefusedError: the login is refused.
        CloudUnreachableError: PrintOS is out of order, or it isn't PrintOS that answered: no token came.
    """
    try:
        checked(answer)
    except SessionExpiredError as error:
        raise CloudRefusedError(f"PrintOS refuses the login: {error}", status=answer.status) from error
    content, cookie = parse_json(answer.body), answer.headers.get("Set-Cookie", "")
    found = find_node(content, "authToken") or next(iter(COOKIE_PATTERN.findall(cookie)), None)
    if not isinstance(found, str) or not TOKEN_PATTERN.fullmatch(found):
        raise CloudUnreachableError("PrintOS answered the login without a usable token")
    present = _http_date(answer.headers.get("Date", "")) or now
    hints = (_lifetime(hint, present, shortest) for hint, shortest in _hints(content, cookie, expiry_keys))
    return Token(found, next((seconds for seconds in hints if seconds is not None), None))


class DeviceSession:
    """The session of one device; several threads may run its flows.

    Args:
        login: the login's request.
        on_login: called after every login that succeeded.
        monotonic: the clock that lifetimes and pauses are measured by, in seconds.
        now: the present, for hints that are a date.
    """

    def __init__(
        self, *, login: Request, on_login: Callable[[], None], monotonic: Callable[[], float], now: Clock
    ) -> None:
        self._login_request = login
        self._on_login = on_login
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0
        self._failure: CloudError | None = None
        self._failures = 0
        self._closed_until = 0.0

    def open(self) -> Flow:
        """Log in now, unless a session is open; returns the login's answer or an empty one.

        Raises:
            CloudError: as `authorised`.
        """
        yield from self._usable()
        return Answer(204, {}, b"")

    def authorised(self, request: Request) -> Flow:
        """Send a request with the session's token: log in first where needed, and again once where it has expired.

        Raises:
            CloudRefusedError: the device's login is refused; asked again at most hourly.
            CloudUnreachableError: the login did not get through.
            SessionExpiredError: even a fresh token is refused.
        """
        token = yield from self._usable()
        answer = yield replace(request, token=token.value)
        if answer.status == UNAUTHORIZED:
            token = yield from self._usable(but_not=token)
            answer = yield replace(request, token=token.value)
        if answer.status == UNAUTHORIZED:
            raise self._rejected(token)
        self._failures = 0
        return answer

    def _usable(self, but_not: Token | None = None) -> Generator[Request, Answer, Token]:
        with self._lock:
            if self._token is not None and self._token is not but_not and self._monotonic() < self._renew_at:
                return self._token
            if self._failure is not None and self._monotonic() < self._closed_until:
                raise self._failure.with_traceback(None)
            return (yield from self._logged_in())

    def _logged_in(self) -> Generator[Request, Answer, Token]:
        self._token = None
        try:
            token = parse_login((yield self._login_request), now=self._now())
        except CloudRefusedError as error:
            self._pause(error, REFUSED_PAUSE_SECONDS)
            raise
        except CloudUnreachableError as error:
            self._pause(error, UNREACHABLE_PAUSE_SECONDS)
            raise
        lifetime = token.lifetime_seconds or DEFAULT_LIFETIME_SECONDS
        self._renew_at = self._monotonic() + lifetime - min(AHEAD_SECONDS, AHEAD_SHARE * lifetime)
        self._token, self._failure = token, None
        self._on_login()
        return token

    def _rejected(self, token: Token) -> SessionExpiredError:
        error = SessionExpiredError("PrintOS refuses the token that it has just given")
        with self._lock:
            if self._token is token:
                self._token = None
                pause = backoff(self._failures + 1, base=REJECTED_PAUSE_SECONDS, ceiling=REJECTED_PAUSE_CEILING_SECONDS)
                self._pause(error, pause)
        return error

    def _pause(self, error: CloudError, seconds: float) -> None:
        self._failure = error
        self._failures += 1
        self._closed_until = self._monotonic() + seconds


class Sessions:
    """The sessions of all devices.

    Args:
        path: where a device logs in.
        monotonic: as for `DeviceSession`.
        now: likewise.
    """

    def __init__(self, *, path: str, now: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[DeviceLogin, DeviceSession]] = {}
        self._logins = 0

    @property
    def logins(self) -> int:
        """How often devices have logged in."""
        return self._logins

    def of(self, device: DeviceLogin) -> DeviceSession:
        """Give the session of a device; new credentials begin a new one."""
        with self._lock:
            known, session = self._sessions.get(device.device_id, (None, None))
            if session is None or known != device:
                session = self._new(device)
                self._sessions[device.device_id] = (device, session)
            return session

    def _new(self, device: DeviceLogin) -> DeviceSession:
        login = login_request(self._path, device.login, device.password)
        return DeviceSession(login=login, on_login=self._count, monotonic=self._monotonic, now=self._now)

    def _count(self) -> None:
        with self._lock:
            self._logins += 1


def _hints(content: Any, cookie: str, expiry_keys: Iterable[str]) -> Iterator[tuple[Any, float]]:
    """Give whatever may say how long the token lives, the body's before the cookie's, with the least to believe of it.

    Nobody knows the unit of the body's, and seconds misread would make every status a login; the cookie's are defined.
    """
    wanted = {key.casefold() for key in expiry_keys}
    yield from ((value, SHORTEST_LIFETIME_SECONDS) for key, value in nodes(content) if key.casefold() in wanted)
    if found := COOKIE_PATTERN.search(cookie):
        attributes = NEXT_COOKIE_PATTERN.split(cookie[found.end() :], maxsplit=1)[0]
        for name in ("Max-Age", "Expires"):
            for value in re.findall(rf"{name}=([^;]+)", attributes, re.IGNORECASE):
                yield value, SHORTEST_COOKIE_SECONDS


def _lifetime(hint: Any, present: datetime, shortest: float) -> float | None:
    """Give the seconds that a hint means: a number of them, a moment as epoch or date; None where it is none of these.

    A hint of less than `shortest` is not believed; the 401 tells then.
    """
    seconds = _seconds(hint, present)
    if seconds is None or not seconds >= shortest:
        return None
    return min(seconds, LONGEST_LIFETIME_SECONDS)


def _seconds(hint: Any, present: datetime) -> float | None:
    if isinstance(hint, str):
        moment = _iso_date(hint) or _http_date(hint)
        if moment is not None:
            return (moment - present).total_seconds()
    try:
        number = float(hint)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(hint, bool) or not math.isfinite(number):
        return None
    if number >= EPOCH_MILLISECONDS:
        number /= 1000
    return number - present.timestamp() if number >= EPOCH_SECONDS else number


def _iso_date(text: str) -> datetime | None:
    if "-" not in text:  # a bare number is no date, though ISO 8601 would let it be
        return None
    try:
        return _aware(datetime.fromisoformat(text.strip()))
    except ValueError:
        return None


def _http_date(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
