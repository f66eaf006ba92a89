"""Sessions of PrintOS: a device's token, which is kept, renewed and never fought for.

A device logs in once and reuses its token. It is renewed ahead of its expiry, and once when PrintOS no longer knows it;
whoever else needs it meanwhile waits for it. `login_turns` says when a device may log in: until then an old
token serves on, as long as that has not ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.credentials import DeviceLogin
from agent.errors import CloudError, CloudRefusedError, CloudUnreachableError, SessionExpiredError
from agent.http import Answer
from agent.loop import backoff
from agent.model import Clock
from agent.printos.exchange import UNAUTHORIZED, Exchange, Flow, Request
from agent.printos.login import EXPIRY_KEYS, Token, login_request, parse_login
from agent.printos.login_turns import LoginTurns

DEFAULT_LIFETIME_SECONDS = 1500.0
AHEAD_SECONDS = 60.0
AHEAD_SHARE = 0.1
REJECTED_PAUSE_SECONDS = 60.0
REJECTED_PAUSE_CEILING_SECONDS = 1800.0
REFUSED_PAUSE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What nobody has documented of sessions, and what we allow ourselves.

    Attributes:
        lifetime_seconds: how long a token is believed to live where PrintOS doesn't hint at it.
        expiry_keys: names of the hint that are looked for before those that are likely.
        logins_per_minute: the most logins of all devices together.
    """

    lifetime_seconds: float = DEFAULT_LIFETIME_SECONDS
    expiry_keys: tuple[str, ...] = ()
    logins_per_minute: float = 120.0


DEFAULT_RULES = SessionRules()


class DeviceSession:
    """The session of one device; several threads may run its flows.

    Args:
        name: what tells it from other devices.
        login: the login's request.
        turns: says when it may log in.
        rules: what is not documented.
        on_login: called after every login that succeeded.
        monotonic: the clock that lifetimes and pauses are measured by, in seconds.
        now: the present, for hints that are a date.
    """

    def __init__(
        self,
        *,
        name: str,
        login: Request,
        turns: LoginTurns,
        rules: SessionRules,
        on_login: Callable[[], None],
        monotonic: Callable[[], float],
        now: Clock,
    ) -> None:
        self._name = name
        self._login_request = login
        self._turns = turns
        self._rules = rules
        self._on_login = on_login
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._is_used = False
        self._renew_at = self._ends_at = 0.0
        self._failure: CloudError | None = None
        self._rejections = 0
        self._closed_until = 0.0

    @property
    def wants_renewal(self) -> bool:
        """Whether its token ends soon and has been used: one that nobody uses ends by itself."""
        return self._token is not None and self._is_used and self._renew_at <= self._monotonic() < self._ends_at

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
            LoginLaterError: it must log in and can't now.
            SessionExpiredError: even a fresh token is refused.
        """
        token = yield from self._usable()
        self._is_used = True
        answer = yield replace(request, token=token.value)
        if answer.status == UNAUTHORIZED:
            token = yield from self._usable(but_not=token)
            answer = yield replace(request, token=token.value)
        if answer.status == UNAUTHORIZED:
            raise self._rejected(token)
        self._rejections = 0
        return answer

    def _usable(self, but_not: Token | None = None) -> Generator[Request, Answer, Token]:
        with self._lock:
            if self._token is but_not:
                self._token = None
            token, now = self._token, self._monotonic()
            if token is not None and now < self._renew_at:
                return token
            if self._failure is not None and now < self._closed_until:
                raise self._failure.with_traceback(None)
            try:
                return (yield from self._logged_in())
            except CloudUnreachableError:
                if token is not None and self._monotonic() < self._ends_at:
                    return token
                raise

    def _logged_in(self) -> Generator[Request, Answer, Token]:
        try:
            with self._turns.turn(self._name):
                answer = yield self._login_request
                token = parse_login(answer, now=self._now(), expiry_keys=(*self._rules.expiry_keys, *EXPIRY_KEYS))
        except CloudRefusedError as error:
            self._token = None
            self._pause(error, REFUSED_PAUSE_SECONDS)
            raise
        lifetime = token.lifetime_seconds or self._rules.lifetime_seconds
        self._ends_at = self._monotonic() + lifetime
        self._renew_at = self._ends_at - min(AHEAD_SECONDS, AHEAD_SHARE * lifetime)
        self._token, self._failure, self._is_used = token, None, False
        self._on_login()
        return token

    def _rejected(self, token: Token) -> SessionExpiredError:
        error = SessionExpiredError("PrintOS refuses the token that it has just given")
        with self._lock:
            if self._token is token:
                self._token = None
                self._rejections += 1
                self._pause(
                    error,
                    backoff(self._rejections, base=REJECTED_PAUSE_SECONDS, ceiling=REJECTED_PAUSE_CEILING_SECONDS),
                )
        return error

    def _pause(self, error: CloudError, seconds: float) -> None:
        self._failure = error
        self._closed_until = self._monotonic() + seconds


class Sessions:
    """The sessions of all devices.

    Args:
        path: where a device logs in.
        monotonic: as for `DeviceSession`.
        now: likewise.
        rules: likewise.
    """

    def __init__(
        self,
        *,
        path: str,
        now: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        rules: SessionRules = DEFAULT_RULES,
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._now = now
        self._rules = rules
        self._turns = LoginTurns(per_minute=rules.logins_per_minute, monotonic=monotonic)
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[DeviceLogin, DeviceSession]] = {}
        self._logins = 0

    @property
    def logins(self) -> int:
        """How often devices have logged in."""
        return self._logins

    @property
    def problem(self) -> str:
        """Why no device can log in, empty where they can."""
        return self._turns.problem

    def of(self, device: DeviceLogin) -> DeviceSession:
        """Give the session of a device; new credentials begin a new one."""
        with self._lock:
            known, session = self._sessions.get(device.device_id, (None, None))
            if session is None or known != device:
                session = self._new(device)
                self._sessions[device.device_id] = (device, session)
            return session

    def end(self, device: DeviceLogin) -> None:
        """Forget a device's session; what goes on with its token meanwhile is not disturbed."""
        with self._lock:
            self._sessions.pop(device.device_id, None)

    def to_renew(self) -> tuple[DeviceSession, ...]:
        """Give the sessions that end soon."""
        with self._lock:
            return tuple(session for _, session in self._sessions.values() if session.wants_renewal)

    def _new(self, device: DeviceLogin) -> DeviceSession:
        return DeviceSession(
            name=device.device_id,
            login=login_request(self._path, device.login, device.password),
            turns=self._turns,
            rules=self._rules,
            on_login=self._count,
            monotonic=self._monotonic,
            now=self._now,
        )

    def _count(self) -> None:
        with self._lock:
            self._logins += 1


def renew(exchange: Exchange, sessions: Sessions, *, most: int, timeout_seconds: float) -> None:
    """Renew sessions ahead, so that no status waits for a login; what comes of it shows when they are used."""
    until = sessions.logins + most
    for session in sessions.to_renew():
        if sessions.logins >= until:
            return
        with suppress(CloudError):
            exchange.run(session.open(), timeout_seconds=timeout_seconds)
