"""Logins never come as a storm: they take turns, whatever has ended all sessions at once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable

import pytest

from agent.errors import CloudRefusedError, CloudUnreachableError, LoginLaterError, LoginTurnError
from agent.printos.login_turns import LoginTurns
from tests.printos_parts import Ticker

DEVICES = tuple(f"d-{number}" for number in range(1000))
Login = Callable[[str], None]


def turns_of(ticker: Ticker, *, spread: float = 0.5) -> LoginTurns:
    """Give turns at the rate of the product, 120 a minute."""
    return LoginTurns(per_minute=120, monotonic=ticker, spread=lambda: spread)


def in_order(_device: str) -> None:
    """Be a login that PrintOS takes."""


def attempt(turns: LoginTurns, device: str, login: Login = in_order) -> float | None:
    """Let a device log in; gives the seconds that it has to wait where it may not, None where it did."""
    try:
        with turns.turn(device):
            login(device)
    except LoginLaterError as error:
        return error.retry_after_seconds
    return None


def run(turns: LoginTurns, ticker: Ticker, devices: tuple[str, ...], login: Login) -> None:
    """Let devices ask again and again, each when it was told to, until all have logged in."""
    waiting = [(ticker(), device) for device in devices]
    while waiting:
        at, device = heapq.heappop(waiting)
        ticker.seconds = max(ticker(), at)
        wait = attempt(turns, device, login)
        if wait is not None:
            heapq.heappush(waiting, (ticker() + wait, device))


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_a_thousand_sessions_that_ended_at_once_are_no_storm(spread: float) -> None:
    """PrintOS comes back: ten logins at once, then two a second; all are in after eight and a half minutes."""
    ticker, per_second = Ticker(), Counter[int]()
    began = ticker()
    run(turns_of(ticker, spread=spread), ticker, DEVICES, lambda _device: per_second.update([int(ticker() - began)]))
    assert per_second.total() == 1000
    assert per_second.pop(0) <= 12
    assert max(per_second.values()) <= 3
    most = max(sum(per_second[second] for second in range(begin, begin + 60)) for begin in range(1, 500))
    assert most <= 121
    assert ticker() - began < 500


def test_after_an_outage_of_logins_one_device_asks_and_the_others_follow_in_turn() -> None:
    """A quarter of an hour out of order is a few attempts in all; then nobody comes in a row."""
    ticker, per_second = Ticker(), Counter[int]()
    attempts: list[float] = []
    back_at = ticker() + 900

    def login(_device: str) -> None:
        if ticker() < back_at:
            attempts.append(ticker())
            raise CloudUnreachableError("out of order")
        per_second.update([int(ticker())])

    run(turns_of(ticker), ticker, DEVICES, login)
    assert len(attempts) < 15
    assert (per_second.total(), max(per_second.values()) <= 3) == (1000, True)


@pytest.mark.parametrize(("spread", "seconds"), [(0.0, 600.0), (1.0, 660.0)])
def test_the_pause_that_printos_asks_for_is_kept_by_all(spread: float, seconds: float) -> None:
    """Retry-After holds for every device, and no two agents come back in the same second."""
    ticker = Ticker()
    turns = turns_of(ticker, spread=spread)

    def login(_device: str) -> None:
        raise CloudUnreachableError("HTTP 429", retry_after_seconds=600)

    assert attempt(turns, "d-1", login) == seconds
    ticker.advance(seconds - 1)
    assert [attempt(turns, device) for device in ("d-1", "d-2")] == [1, 1]
    assert turns.problem == "HTTP 429"
    ticker.advance(2)
    assert attempt(turns, "d-2") is None
    assert turns.problem == ""


def test_a_device_that_logs_in_again_and_again_is_bounded() -> None:
    """Twelve times in a row, then twelve an hour, whatever becomes of its sessions; the others don't notice."""
    ticker = Ticker()
    logins: list[float] = []
    turns = turns_of(ticker)
    while ticker() < 1000 + 86_400:
        attempt(turns, "d-1", lambda _device: logins.append(ticker()))
        ticker.advance(20)
    assert attempt(turns, "d-2") is None
    assert len(logins) == pytest.approx(12 + 24 * 12, abs=2)


def test_a_refused_login_lets_the_next_device_try() -> None:
    """Wrong credentials are the trouble of one."""
    ticker = Ticker()
    turns = turns_of(ticker)

    def login(_device: str) -> None:
        raise CloudRefusedError("no", status=401)

    with pytest.raises(CloudRefusedError):
        attempt(turns, "d-1", login)
    assert attempt(turns, "d-2") is None
    assert turns.problem == ""


def test_no_more_than_two_logins_are_under_way() -> None:
    """However many threads ask; who waits for that is told so as for any turn."""
    turns = turns_of(Ticker())
    with turns.turn("d-1"), turns.turn("d-2"), pytest.raises(LoginTurnError), turns.turn("d-3"):
        raise AssertionError
    assert attempt(turns, "d-3") is None


def test_who_comes_too_late_has_lost_its_turn() -> None:
    """Devices that were away meanwhile don't come all at once."""
    ticker = Ticker()
    turns = turns_of(ticker, spread=0.0)
    for device in DEVICES[:100]:
        attempt(turns, device)
    ticker.advance(3600)
    assert sum(attempt(turns, device) is None for device in DEVICES[10:100]) == 10
