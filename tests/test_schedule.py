from __future__ import annotations

import pytest

from agent.schedule import Schedule
from tests.conftest import FakeClock

PAUSE = 30.0


@pytest.fixture
def schedule(clock: FakeClock) -> Schedule:
    """Give a schedule of three, of which one tardy one at a time may be claimed."""
    made = Schedule(tardy_at_once=1, monotonic=lambda: clock().timestamp())
    made.keep(["a", "b", "c"])
    return made


def claim(schedule: Schedule) -> str | None:
    """Claim one."""
    return schedule.claim(otherwise_seconds=PAUSE)


def claim_all(schedule: Schedule) -> list[str]:
    """Claim until nobody is left."""
    return sorted(iter(lambda: claim(schedule) or "", ""))


def test_who_is_new_is_due_now_and_each_is_claimed_once(schedule: Schedule) -> None:
    """No two threads have the same one."""
    assert claim_all(schedule) == ["a", "b", "c"]


def test_one_is_due_again_after_its_pause(schedule: Schedule, clock: FakeClock) -> None:
    """Not a moment earlier, and the schedule says how long that is."""
    for name in claim_all(schedule):
        schedule.release(name, pause_seconds=10.0 if name == "b" else 20.0)
    assert (claim(schedule), schedule.seconds_to_next()) == (None, 10.0)
    clock.advance(10)
    assert claim_all(schedule) == ["b"]


def test_the_most_overdue_comes_first(schedule: Schedule, clock: FakeClock) -> None:
    """However late it is."""
    for name, pause in zip(claim_all(schedule), (3.0, 1.0, 2.0), strict=True):
        schedule.release(name, pause_seconds=pause)
    clock.advance(60)
    assert [claim(schedule) for _ in range(3)] == ["b", "c", "a"]


def test_tardy_ones_never_take_every_thread(schedule: Schedule, clock: FakeClock) -> None:
    """While as many of them as may are with threads, only those that answer at once are given out."""
    for name in claim_all(schedule):
        schedule.release(name, pause_seconds=1.0 if name == "c" else 0.5, is_tardy=name != "c")
    clock.advance(5)
    assert claim_all(schedule) == ["a", "c"]
    schedule.release("a", pause_seconds=PAUSE)
    assert claim_all(schedule) == ["b"]


def test_one_that_answers_at_once_again_is_tardy_no_more(schedule: Schedule, clock: FakeClock) -> None:
    """It then waits for nobody."""
    for name in claim_all(schedule):
        schedule.release(name, pause_seconds=1.0, is_tardy=True)
    clock.advance(1)
    schedule.release(claim(schedule) or "", pause_seconds=1.0, is_tardy=False)
    clock.advance(1)
    assert len(claim_all(schedule)) == 2


def test_one_that_is_hurried_while_it_is_claimed_is_due_when_released(schedule: Schedule) -> None:
    """What was asked for meanwhile is not forgotten, whatever pause it then deserves."""
    assert "a" in claim_all(schedule)
    schedule.hurry("a")
    assert claim(schedule) is None
    schedule.release("a", pause_seconds=PAUSE)
    assert claim(schedule) == "a"


def test_one_whose_release_says_nothing_is_not_due_at_once(schedule: Schedule, clock: FakeClock) -> None:
    """A mistake while it is read must not become a busy loop."""
    for name in claim_all(schedule):
        schedule.release(name)
    assert claim(schedule) is None
    clock.advance(PAUSE)
    assert claim_all(schedule) == ["a", "b", "c"]


def test_one_that_is_kept_no_longer_is_gone_also_while_it_is_claimed(schedule: Schedule, clock: FakeClock) -> None:
    """Its release brings it back no more."""
    assert len(claim_all(schedule)) == 3
    schedule.keep(["b"])
    for name in ("a", "b", "c"):
        schedule.release(name, pause_seconds=1.0)
    clock.advance(1)
    assert claim_all(schedule) == ["b"]
