"""Print Beat down: every attempt told once and in order, through outages, kills and nonsense; presses as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.beat import UNSENT_LIMIT, approved_serials
from agent.errors import CloudRefusedError, StorageError
from agent.outbox import Note
from agent.printos.print_beat import Attempt, Press, RealTime
from agent.printos.signing import ApiKey
from tests.beat_parts import DATA_KEY, PRESSES, Follower, client, print_beat, printed, side
from tests.printos_parts import Bench, a_press

INTERVAL = 300
PRESS_TOPICS = [f"beat/presses/{press}" for press in PRESSES]


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a simulator with two presses."""
    with print_beat() as it:
        yield it


@pytest.fixture
def follower(tmp_path: Path, bench: Bench) -> Iterator[Follower]:
    """Give the service, which begins at the beginning."""
    it = Follower(tmp_path, bench)
    yield it
    it.store.close()


def test_an_attempt_is_told_once_below_its_press(bench: Bench, follower: Follower) -> None:
    """In HP's own words, not retained, also after a restart."""
    printed(bench, "a.pdf")
    printed(bench, "b.pdf", press=PRESSES[1])
    follower.run(INTERVAL)
    told = [(topic, facts["marker"], facts["inks"][0]["color"]) for topic, facts in follower.told() if "jobs" in topic]
    assert told == [("beat/jobs/40000001", 1, "Cyan"), ("beat/jobs/40000002", 2, "Cyan")]
    follower.restart()
    printed(bench, "c.pdf")
    follower.run(INTERVAL)
    assert follower.jobs() == ["c.pdf"]


def test_many_attempts_come_in_order_and_no_faster_than_print_beat_takes(bench: Bench, follower: Follower) -> None:
    """Two requests a minute are all it takes."""
    bench.call("POST", "/simulator/beat/limit?requests=2")
    names = [f"{number}.pdf" for number in range(350)]
    printed(bench, *names)
    follower.run(6 * 60)
    assert follower.jobs() == names
    assert not [it for it in bench.report()["refused"] if it["status"] == 429]


def test_a_first_start_may_begin_now(tmp_path: Path, bench: Bench) -> None:
    """What was printed before is history."""
    printed(bench, *(f"{number}.pdf" for number in range(120)))
    follower = Follower(tmp_path, bench, begin="now")
    follower.run(INTERVAL)
    printed(bench, "new.pdf")
    follower.run(INTERVAL)
    assert follower.jobs() == ["new.pdf"]


@pytest.mark.parametrize("drop", ["", "&drop=1"])
def test_an_outage_loses_nothing_and_doubles_nothing(bench: Bench, follower: Follower, drop: str) -> None:
    """What was printed meanwhile is told afterwards."""
    printed(bench, "a.pdf")
    follower.run(INTERVAL)
    bench.call("POST", f"/simulator/outage?seconds=3600{drop}")
    printed(bench, "b.pdf")
    follower.run(3600)
    assert follower.jobs() == ["a.pdf"]
    follower.run(2 * 3600)
    assert follower.jobs() == ["b.pdf"]


def test_retry_after_is_waited_for_by_both_halves(bench: Bench, follower: Follower) -> None:
    """It is of the key, not of the call."""
    bench.call("POST", "/simulator/beat/limit?requests=1")
    follower.run(60)
    asked = len(bench.report()["refused"])
    follower.run(50)
    assert (asked, len(bench.report()["refused"])) == (1, 1)


def test_what_the_disk_does_not_keep_is_told_later(
    bench: Bench, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marker and messages are one transaction: neither is there without the other."""
    printed(bench, "a.pdf", "b.pdf")
    put, calls = follower.outbox.put, iter((True, False))

    def fail_at_the_second(note: Note) -> None:
        if not next(calls, True):
            raise StorageError("the disk is full")
        put(note)

    monkeypatch.setattr(follower.outbox, "put", fail_at_the_second)
    with pytest.raises(StorageError):
        follower.beat.step()
    assert follower.told() == []
    follower.restart()
    follower.run(INTERVAL)
    assert follower.jobs() == ["a.pdf", "b.pdf"]


def test_attempts_stay_in_the_cloud_while_the_broker_is_away(bench: Bench, follower: Follower) -> None:
    """The outbox keeps only so much; what has not been fetched can't be lost."""
    with follower.store.transaction():
        for _ in range(UNSENT_LIMIT + 1):
            follower.outbox.put(Note("bridge/event/x", b"{}"))
    printed(bench, "a.pdf")
    follower.run(INTERVAL)
    assert follower.jobs() == []
    follower.run(2 * INTERVAL)
    assert follower.jobs() == ["a.pdf"]


def test_a_changed_set_of_presses_goes_on_where_the_set_before_was(bench: Bench, follower: Follower) -> None:
    """Nothing is told twice because a press was added."""
    follower.devices = PRESSES[:1]
    printed(bench, "a.pdf")
    follower.run(INTERVAL)
    follower.devices = PRESSES
    printed(bench, "b.pdf", press=PRESSES[1])
    follower.run(INTERVAL)
    assert follower.jobs() == ["a.pdf", "b.pdf"]


def test_a_refused_key_is_told_once_and_the_other_half_goes_on(
    tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a person can give another; it is tried again in an hour, not every minute."""
    printed(bench, "a.pdf")
    source = client(bench, data=ApiKey("demo-key", "wrong"), jobs=DATA_KEY)
    follower = Follower(tmp_path, bench, source)
    follower.run(3 * 3600)
    assert follower.jobs() == ["a.pdf"]
    (told,) = (it.message for it in caplog.records if "Print Beat" in it.message)
    assert told.startswith("Print Beat does not tell its presses: Print Beat refuses: HTTP 401: the digest is wrong")
    assert follower.beat.health()["jobs"] == "ok"
    assert 3 <= len(bench.report()["refused"]) <= 4


def test_presses_are_told_when_they_change_and_cleared_when_they_are_gone(bench: Bench, follower: Follower) -> None:
    """And again to a broker that has forgotten them."""
    follower.run(INTERVAL)
    assert [(topic, facts["pressState"]) for topic, facts in follower.told()] == [
        ("beat/presses/40000001", "UP"), ("beat/presses/40000002", "UP"),
    ]  # fmt: skip
    side(bench).presses[PRESSES[0]] = "DOWN"
    follower.run(INTERVAL)
    assert [(topic, facts["pressState"]) for topic, facts in follower.told()] == [("beat/presses/40000001", "DOWN")]
    follower.devices = PRESSES[:1]
    follower.run(INTERVAL)
    assert follower.told() == [("beat/presses/40000002", None)]
    follower.beat.restate()
    assert [topic for topic, _ in follower.told()] == ["beat/presses/40000001"]


def test_one_unknown_press_does_not_silence_the_others(
    bench: Bench, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    """HP refuses the whole list: its halves tell which press it is, and what was printed meanwhile is told then."""
    follower.devices = (*PRESSES, "49999991", "49999992")
    printed(bench, "a.pdf")
    follower.run(15 * 60)
    assert {topic for topic, _ in follower.told()} == {"beat/jobs/40000001", *PRESS_TOPICS}
    unknown = "ok, without 49999992, 49999991: Print Beat refuses: HTTP 400: no press has the serial number 49999991"
    assert [told.startswith(unknown) for told in follower.beat.health().values()] == [True, True]
    assert len([it for it in caplog.records if "49999992 is left out" in it.message]) == 2
    side(bench).presses["49999991"] = "UP"
    follower.run(2 * 3600)
    printed(bench, "b.pdf", press="49999991")
    follower.run(2 * INTERVAL)
    assert "beat/jobs/49999991" in {topic for topic, _ in follower.told()}
    assert "49999991," not in str(follower.beat.health())


def test_a_list_that_is_refused_though_each_part_is_taken_is_asked_again_in_an_hour(
    tmp_path: Path, bench: Bench
) -> None:
    """As where HP does not take several presses in this form: no press is to blame."""
    fussy = Fussy(limit=1)
    follower = Follower(tmp_path, bench, fussy)
    follower.run(3 * 3600)
    assert follower.beat.health() == {"jobs": "too many", "presses": "too many"}
    assert fussy.asked == 2 * (1 + 2 + 1 + 2)
    follower.store.close()


def test_presses_none_of_which_is_known_are_asked_about_every_hour(tmp_path: Path, bench: Bench) -> None:
    """And health has what HP said."""
    fussy = Fussy(limit=0)
    follower = Follower(tmp_path, bench, fussy)
    follower.run(3 * 3600)
    assert follower.beat.health() == {"jobs": "too many", "presses": "too many"}
    assert fussy.asked == 2 * (1 + 2 + 2 * 2)
    follower.store.close()


def test_what_has_not_been_told_yet_is_not_called_good(follower: Follower) -> None:
    """Nor bad: it is starting."""
    assert follower.beat.health() == {"jobs": "starting", "presses": "starting"}
    follower.run(INTERVAL)
    assert follower.beat.health() == {"jobs": "ok", "presses": "ok"}


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_press_that_is_taken_out_of_the_configuration_leaves_the_broker(
    tmp_path: Path, bench: Bench, has_keys: bool
) -> None:
    """Also while the agent does not run, and where the key goes with it."""
    follower = Follower(tmp_path, bench)
    follower.run(INTERVAL)
    follower.told()
    follower.store.close()
    left = client(bench) if has_keys else client(bench, data=None)
    follower = Follower(tmp_path, bench, left)
    follower.devices = PRESSES[:1] if has_keys else ()
    follower.run(INTERVAL)
    gone = [topic for topic, facts in follower.told() if facts is None]
    assert sorted(gone) == PRESS_TOPICS[1:] if has_keys else PRESS_TOPICS
    follower.store.close()


def test_without_a_key_or_a_press_nothing_is_asked(tmp_path: Path, bench: Bench) -> None:
    """Print Beat is off by default."""
    for source, devices in ((client(bench, data=None, jobs=None), PRESSES), (client(bench), ())):
        follower = Follower(tmp_path, bench, source)
        follower.devices = devices
        follower.run(INTERVAL)
        follower.store.close()
    assert side(bench).report()["requests"] == 0


def test_presses_are_by_default_the_printers_that_are_approved() -> None:
    """Those that PrintOS may know, by the serial numbers that they have there."""
    presses = [a_press(1), a_press(2, approved=False), a_press(3)]
    serials = {presses[0].id: "EX77", presses[1].id: "EX78"}
    assert approved_serials(presses, lambda it: serials.get(it.id, "")) == ("EX77",)


@dataclass
class Fussy:
    """A Print Beat that takes no more than so many presses at once."""

    limit: int
    asked: int = 0
    tells_jobs: bool = True
    tells_presses: bool = True

    def attempts(self, devices: Sequence[str], *, after: int) -> Sequence[Attempt]:
        """Give none, after whichever."""
        assert after >= 0
        return self.newest(devices)

    def newest(self, devices: Sequence[str]) -> Sequence[Attempt]:
        """Give none."""
        self.asked += 1
        if len(devices) > self.limit:
            raise CloudRefusedError("too many", status=400)
        return ()

    def presses(self, devices: Sequence[str]) -> RealTime:
        """Give none."""
        self.newest(devices)
        return RealTime(())


@dataclass
class Nonsense:
    """A Print Beat that has gone mad: the same page for ever, with markers that go back."""

    page: Sequence[Attempt]
    asked: int = 0
    tells_jobs: bool = True
    tells_presses: bool = True

    def attempts(self, _devices: Sequence[str], *, after: int) -> Sequence[Attempt]:
        """Give the page, whatever it comes after."""
        assert after >= 0
        self.asked += 1
        return self.page

    def newest(self, _devices: Sequence[str]) -> Sequence[Attempt]:
        """Give the page."""
        return self.page

    def presses(self, _devices: Sequence[str]) -> RealTime:
        """Give presses whose names are no levels of a topic."""
        return RealTime((Press(None, "a/+/#\u2028", {"x": "\ud800"}), Press("", "", {})))


def test_pages_that_never_end_are_told_once(tmp_path: Path, bench: Bench) -> None:
    """And asked for no more often than any other."""
    page = [Attempt(marker, f"{marker % 3}/#", {"jobName": str(marker)}) for marker in range(150, 0, -1)]
    mad = Nonsense(page)
    follower = Follower(tmp_path, bench, mad)
    follower.run(3600)
    told: list[tuple[str, Any]] = follower.told()
    jobs = [facts["jobName"] for topic, facts in told if topic.startswith("beat/jobs/")]
    assert (jobs, mad.asked <= 3600 / INTERVAL + 2) == ([str(marker) for marker in range(1, 151)], True)
    assert {topic for topic, _ in told if "1" in topic or "presses" in topic} == {
        "beat/jobs/1__", "beat/presses/a_____", "beat/presses/unknown",
    }  # fmt: skip
