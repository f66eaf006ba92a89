from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agent.errors import (
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    LoginLaterError,
    LoginTurnError,
    SessionExpiredError,
)
from agent.http import Answer
from agent.printos.exchange import Flow, Request, checked, parse_problem
from agent.printos.login import login_request, parse_login
from agent.printos.login_turns import LoginTurns
from agent.printos.session import DEFAULT_RULES, DeviceSession, SessionRules
from tests.printos_parts import Ticker

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS = Request("POST", "/status", {"deviceStatus": "DS_ON"})


def answer(status: int = 200, content: Any = None, **headers: str) -> Answer:
    """Give an answer with a JSON body."""
    return Answer(status, headers, b"" if content is None else json.dumps(content).encode())


class PrintOSByHand:
    """Answers flows without any I/O: it counts logins and knows which token is good."""

    def __init__(self) -> None:
        self.logins = 0
        self.good = ""
        self.login_status = 200
        self.takes_tokens = True
        self.sent: list[Request] = []

    def run(self, flow: Flow) -> Answer:
        """Perform a flow, from its first request to what it returns."""
        request = next(flow)
        while True:
            try:
                request = flow.send(self.answer(request))
            except StopIteration as stop:
                return cast("Answer", stop.value)

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        self.sent.append(request)
        if request.path == "/login":
            self.logins += 1
            if self.login_status != 200:
                return answer(self.login_status)
            self.good = f"token-{self.logins}"
            return answer(content={"authToken": self.good, "expiresIn": 1800})
        return answer(204 if self.takes_tokens and request.token == self.good else 401)


def session(ticker: Ticker, rules: SessionRules = DEFAULT_RULES) -> DeviceSession:
    """Give a device's session."""
    return DeviceSession(
        name="d-1",
        login=login_request("/login", "dev", "secret"),
        turns=LoginTurns(per_minute=120, monotonic=ticker),
        rules=rules,
        on_login=lambda: None,
        monotonic=ticker,
        now=ticker.now,
    )


def test_one_login_serves_many_statuses() -> None:
    """The token is reused: ten statuses take one login."""
    cloud, device = PrintOSByHand(), session(Ticker())
    assert {cloud.run(device.authorised(STATUS)).status for _ in range(10)} == {204}
    assert cloud.logins == 1


def test_a_token_is_renewed_ahead_of_its_expiry() -> None:
    """Shortly before the hinted end the device logs in again, and no request is lost to a 401."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    cloud.run(device.authorised(STATUS))
    ticker.advance(1741)
    cloud.run(device.authorised(STATUS))
    assert [request.path for request in cloud.sent] == ["/login", "/status", "/login", "/status"]


def test_a_session_that_ends_soon_wants_renewal_where_it_is_used() -> None:
    """In the last minute before its end; one that nobody has used ends by itself."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    cloud.run(device.open())
    ticker.advance(1741)
    assert not device.wants_renewal
    cloud.run(device.authorised(STATUS))
    assert not device.wants_renewal
    ticker.advance(1741)
    assert device.wants_renewal
    cloud.run(device.open())
    assert (cloud.logins, device.wants_renewal) == (3, False)
    ticker.advance(1801)
    assert not device.wants_renewal


def test_an_unknown_token_takes_one_login_and_one_retry() -> None:
    """On 401 the device logs in once and sends the same again."""
    cloud, device = PrintOSByHand(), session(Ticker())
    cloud.run(device.authorised(STATUS))
    cloud.good = "forgotten"
    assert cloud.run(device.authorised(STATUS)).status == 204
    assert cloud.logins == 2


def test_a_fresh_token_that_is_refused_ends_in_a_pause() -> None:
    """PrintOS that refuses its own tokens is not asked for one after the other."""
    cloud, device = PrintOSByHand(), session(Ticker())
    cloud.takes_tokens = False
    for _ in range(5):
        with pytest.raises(SessionExpiredError):
            cloud.run(device.authorised(STATUS))
    assert cloud.logins == 2


def test_refused_credentials_are_not_tried_again_and_again() -> None:
    """A refused login is repeated only after an hour."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    cloud.login_status = 401
    for _ in range(5):
        with pytest.raises(CloudRefusedError, match="refuses the login"):
            cloud.run(device.authorised(STATUS))
    assert cloud.logins == 1
    ticker.advance(3601)
    cloud.login_status = 200
    assert cloud.run(device.authorised(STATUS)).status == 204


def test_a_login_that_failed_is_not_repeated_by_those_who_waited_for_it() -> None:
    """While the login service is out of order, ten callers at once make one attempt; later one more."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    cloud.login_status = 503
    for logins in (1, 2):
        for _ in range(10):
            with pytest.raises(CloudUnreachableError):
                cloud.run(device.authorised(STATUS))
        assert cloud.logins == logins
        ticker.advance(10)


def test_a_token_that_has_not_ended_serves_on_while_nobody_can_log_in() -> None:
    """It is to be renewed a minute ahead: an outage of the logins within that minute costs nothing."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    cloud.run(device.authorised(STATUS))
    ticker.advance(1741)
    cloud.login_status = 503
    assert cloud.run(device.authorised(STATUS)).status == 204
    ticker.advance(60)
    with pytest.raises(LoginLaterError, match="out of order"):
        cloud.run(device.authorised(STATUS))


def test_sessions_that_end_early_again_and_again_are_bounded() -> None:
    """Where somebody else ends the session after every status, a day of them is no login each."""
    ticker = Ticker()
    cloud, device = PrintOSByHand(), session(ticker)
    for _ in range(720):
        with suppress(LoginTurnError):
            cloud.run(device.authorised(STATUS))
            cloud.good = "somebody else's"
        ticker.advance(120)
    assert cloud.logins == pytest.approx(12 + 24 * 12, abs=2)


def test_a_flow_that_is_given_up_holds_nobody_up() -> None:
    """Whoever waits for the session or for a turn goes on when a flow is closed in the middle of a login."""
    cloud, device = PrintOSByHand(), session(Ticker())
    for _ in range(3):
        flow = device.authorised(STATUS)
        next(flow)
        flow.close()
    assert cloud.run(device.authorised(STATUS)).status == 204


def test_what_is_not_documented_can_be_told() -> None:
    """The name of the hint, and how long a session lives where there is none."""
    ticker = Ticker()
    rules = SessionRules(lifetime_seconds=600, expiry_keys=("goodFor",))
    for told, lifetime in (({"goodFor": 300, "expiresIn": 1800}, 300), ({}, 600)):
        device = session(ticker, rules)
        flow = device.open()
        next(flow)
        with suppress(StopIteration):
            flow.send(answer(content={"authToken": "abc", **told}))
        ticker.advance(0.9 * lifetime - 1)
        assert next(device.authorised(STATUS)) == replace(STATUS, token="abc")
        ticker.advance(2)
        assert next(device.authorised(STATUS)).path == "/login"


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [
        ({"expiresIn": 1800}, 1800),
        ({"session": {"EXPIRES_IN": "1800"}}, 1800),
        ({"expiresAt": "2026-01-02T03:34:05Z"}, 1800),
        ({"tokenExpiration": NOW.timestamp() + 1800}, 1800),
        ({"tokenExpiration": int(NOW.timestamp() + 1800) * 1000}, 1800),
        ({"validUntil": "2026-01-02T03:34:05"}, 1800),
        ({"ttl": 10_000_000}, 86_400),
        ({"expiresIn": 30}, None),
        ({"expiresIn": -5}, None),
        ({"expiresIn": True}, None),
        ({"expiresIn": "soon"}, None),
        ({"expiresIn": 10**400}, None),
        ({"expiresIn": float("nan")}, None),
        ({"expiresIn": "", "expires": 1800}, 1800),
        ({}, None),
    ],
)
def test_any_hint_of_an_expiry_is_understood(hint: dict[str, Any], seconds: float | None) -> None:
    """Seconds, epochs and dates are read, what can't be believed is left out."""
    token = parse_login(answer(content={"authToken": "abc", **hint}), now=NOW)
    assert token.lifetime_seconds == pytest.approx(seconds)


@pytest.mark.parametrize("attributes", ["Max-Age=1800", "Expires=Fri, 02 Jan 2026 03:34:05 GMT; Path=/"])
def test_a_token_and_its_end_are_read_from_the_cookie(attributes: str) -> None:
    """Without a usable body the cookie has both, also among other cookies."""
    cookie = f"other=1; Max-Age=5, Indigo-SmS-Auth-Token=abc; {attributes}, last=2; Max-Age=7"
    token = parse_login(Answer(200, {"Set-Cookie": cookie}, b"<html>"), now=NOW)
    assert (token.value, token.lifetime_seconds) == ("abc", 1800)


@pytest.mark.parametrize(("max_age", "seconds"), [(30, 30), (1, 1), (0, None), (-5, None)])
def test_a_cookies_age_is_believed_below_a_minute(max_age: int, seconds: float | None) -> None:
    """Its unit is defined, unlike that of a number in the body, which is passed over for it."""
    cookie = f"Indigo-SmS-Auth-Token=abc; Max-Age={max_age}"
    told = Answer(200, {"Set-Cookie": cookie}, b'{"authToken": "abc", "expiresIn": 30}')
    assert parse_login(told, now=NOW).lifetime_seconds == seconds


def test_a_wrong_clock_here_does_not_matter() -> None:
    """A date is compared with the server's own Date, not with a clock that may be years behind."""
    told = answer(content={"authToken": "a", "expires": "2026-01-02T03:34:05Z"}, Date="Fri, 02 Jan 2026 03:04:05 GMT")
    assert parse_login(told, now=datetime(1970, 1, 1, tzinfo=UTC)).lifetime_seconds == 1800


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "a;b", 7, None, ["x"], "x" * 5000])
def test_a_token_that_cannot_be_sent_is_none(token: Any) -> None:
    """What would break a header or a cookie never becomes a token; nobody has refused, so it is tried again."""
    with pytest.raises(CloudUnreachableError, match="without a usable token"):
        parse_login(answer(content={"authToken": token}), now=NOW)


def test_no_token_is_shown() -> None:
    """Neither a token, nor a request that carries one or a password, tells it in its repr."""
    assert "abc-token" not in repr(parse_login(answer(content={"authToken": "abc-token"}), now=NOW))
    assert "secret" not in repr(login_request("/login", "me", "secret"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"smsError": {"message": "no such device", "subCode": 1234}}', "no such device (subCode 1234)"),
        (b'{"a": [{"smsError": {"message": "deep", "subCode": "X7"}}]}', "deep (subCode X7)"),
        (b'{"smsError": "odd"}', '{"smsError": "odd"}'),
        (b"Bad\r\nGateway\x1b[31m", "Bad Gateway [31m"),
        (b"", "no reason given"),
        (b"<html><head><title>502 Bad &amp; Gateway</title></head><body>x</body></html>", "502 Bad & Gateway"),
        (b"<p>nothing</p>", "no reason given"),
        (
            b"\xef\xbb\xbf<?xml?><Error><Code>NoMatch</Code><Message>no match</Message><StringToSign>s</StringToSign>",
            "NoMatch: no match",
        ),
        (b"[" * 100_000, "[" * 300),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_whatever_an_error_says_becomes_one_line(body: bytes, message: str) -> None:
    """An smsError is found at any depth, anything else is shown as text; of markup only what says what it is."""
    assert parse_problem(body) == message


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, SessionExpiredError),
        (400, CloudRefusedError),
        (302, CloudRefusedError),
        (429, CloudUnreachableError),
        (503, CloudUnreachableError),
    ],
)
def test_every_status_is_one_error(status: int, error: type[CloudError]) -> None:
    """What the caller does next follows from the class of the error."""
    with pytest.raises(error):
        checked(answer(status))


NOW_AS_HEADER = "Fri, 02 Jan 2026 03:04:05 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "86400"}, 3600),
        ({"Retry-After": "Fri, 02 Jan 2026 03:05:05 GMT", "Date": NOW_AS_HEADER}, 60),
        ({"Retry-After": "Fri, 02 Jan 2026 03:00:00 GMT", "Date": NOW_AS_HEADER}, 0),
        ({"Retry-After": "Fri, 02 Jan 2026 03:05:05 GMT"}, None),
        ({"Retry-After": "-1", "Date": NOW_AS_HEADER}, None),
        ({"Retry-After": "later"}, None),
        ({}, None),
    ],
)
def test_a_pause_that_was_asked_for_is_kept(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After comes through, as a number or a date of the server's clock, up to an hour."""
    with pytest.raises(CloudUnreachableError) as caught:
        checked(Answer(429, headers, b""))
    assert caught.value.retry_after_seconds == seconds
