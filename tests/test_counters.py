"""Counters over time: bounded, true through replaced boards, other drivers, wrong clocks and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.counters import DAILY_DAYS, HOURLY_DAYS, SCHEMA
from agent.store import Store
from tests.conftest import FakeClock
from tests.inventory_parts import DAY, HOUR, Bench


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give an inventory of nothing yet."""
    it = Bench(tmp_path / "agent.db", clock)
    yield it
    it.store.close()


def test_what_changes_is_written_once_an_hour(bench: Bench) -> None:
    """However often it is looked at: a card wears out."""
    printer = bench.enter()
    for pages in (1000, 1001, 1002, 1003):
        bench.count(printer, pages)
        bench.wait(HOUR / 2)
    assert bench.samples("at", "impressions_completed") == [
        ("2026-01-02T03:00:00Z", 1000), ("2026-01-02T04:00:00Z", 1002),
    ]  # fmt: skip


def test_parts_of_the_counters_are_kept_where_they_are_known(bench: Bench) -> None:
    """Colour and duplex, as HP's own protocols tell them; while only SNMP answers they stay as they were."""
    printer = bench.enter()
    bench.count(printer, 1000, color_impressions=300, monochrome_impressions=700, duplex_sheets=200)
    bench.wait(HOUR)
    bench.count(printer, 1010)
    bench.restart()
    bench.wait(HOUR)
    bench.count(printer, 1020, color_impressions=310, duplex_sheets=1 << 60)
    assert bench.samples("color_impressions", "monochrome_impressions", "duplex_sheets") == [
        (300, 700, 200), (300, 700, 200), (310, 700, 200),
    ]  # fmt: skip


def test_a_history_of_before_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    """Its samples are kept when the tables get the columns that they have now."""
    older = Store(tmp_path / "older.db")
    older.open()
    older.migrate("counters", SCHEMA[:3])
    older.write("INSERT INTO supply_sets VALUES (1, '[]')")
    older.write("INSERT INTO counters VALUES (400000, 'x', 7, 8, 9, 0, 1, '')")
    older.close()
    bench = Bench(tmp_path / "older.db", clock)
    assert bench.samples("impressions_completed", "color_impressions") == [(7, None)]
    bench.store.close()


def test_what_stays_as_it_is_is_written_once_a_day(bench: Bench) -> None:
    """So that the history tells a printer that printed nothing from one that was away."""
    printer = bench.enter()
    for _ in range(30):
        bench.count(printer, 1000)
        bench.wait(HOUR)
    assert bench.samples("at") == ["2026-01-02T03:00:00Z", "2026-01-03T00:00:00Z"]


def test_after_a_week_one_sample_a_day_is_kept_and_after_400_days_none(bench: Bench) -> None:
    """The last of the day; nothing grows for ever."""
    printer = bench.enter()
    for number in range(3 * 4):
        bench.count(printer, 1000 + number)
        bench.wait(6 * HOUR)
    bench.wait(HOURLY_DAYS * DAY)
    bench.count(printer, 2000)
    assert bench.samples("impressions_completed") == [1003, 1007, 1011, 2000]
    bench.wait(DAILY_DAYS * DAY)
    bench.restart()
    bench.wait(DAY)
    bench.count(printer, 2000)
    assert bench.samples("impressions_completed") == [2000]


def test_a_replaced_board_is_a_reset_and_never_negative_pages(bench: Bench) -> None:
    """What was counted before stays counted, and the new board's pages go on top."""
    printer = bench.enter()
    for pages in (1000, 1100, 5, 25):
        bench.count(printer, pages)
        bench.wait(HOUR)
    assert bench.samples("pages_counted", "resets") == [(0, 0), (100, 0), (100, 1), (120, 1)]
    assert (bench.row()["pages_counted"], bench.row()["counter_resets"]) == (120, 1)


def test_the_counter_of_another_driver_is_no_pages(bench: Bench) -> None:
    """IPP and SNMP may count differently: a change from one to the other prints nothing and resets nothing."""
    printer = bench.enter()
    for pages, driver in ((1000, "ipp"), (900, "snmp"), (905, "snmp"), (1010, "ipp")):
        bench.count(printer, pages, sources=(("impressions_completed", driver),))
        bench.wait(HOUR)
    assert bench.samples("pages_counted", "resets") == [(0, 0), (0, 0), (5, 0), (5, 0)]


@pytest.mark.parametrize("nonsense", [None, -2, 1 << 60])
def test_what_is_no_counter_counts_nothing(bench: Bench, nonsense: int | None) -> None:
    """A printer that once doesn't tell, or tells a number that stands for unknown, has printed nothing."""
    printer = bench.enter()
    for pages in (1000, nonsense, 1010):
        bench.count(printer, pages, left=80)
        bench.wait(HOUR)
    assert (bench.row()["pages_counted"], bench.row()["counter_resets"]) == (10, 0)


def test_sheets_are_counted_where_impressions_are_not_told(bench: Bench) -> None:
    """Small printers count sheets only."""
    printer = bench.enter(pages=None)
    for sheets in (50, 58):
        bench.count(printer, None, media_sheets_completed=sheets)
        bench.wait(HOUR)
    assert bench.samples("media_sheets_completed", "pages_counted") == [(50, 0), (58, 8)]


def test_a_printer_that_is_away_or_tells_nothing_has_no_samples(bench: Bench) -> None:
    """Its last values are not those of today."""
    silent = bench.enter("S1", None)
    bench.registry.update(silent.id, lambda known: replace(known, status=replace(known.status, supplies=())))
    away = bench.enter("S2")
    bench.registry.update(away.id, lambda known: replace(known, online=False))
    asleep = bench.enter("S3")
    bench.wait(2 * HOUR)
    bench.inventory.step()
    assert (bench.samples("printer"), asleep.online) == ([], True)


def test_a_restart_goes_on_where_it_was(bench: Bench) -> None:
    """What was printed while the agent was off is counted too."""
    printer = bench.enter()
    bench.count(printer, 1000)
    bench.restart()
    bench.count(printer, 1001)
    bench.wait(2 * DAY)
    bench.count(printer, 1500)
    assert bench.samples("pages_counted") == [0, 500]


def test_a_clock_that_is_behind_or_has_just_jumped_writes_nothing(bench: Bench) -> None:
    """A box without a battery starts in the past, and a wrong server may send it into the future for a while."""
    printer = bench.enter()
    bench.count(printer, 1000)
    for jump in (-400 * DAY, 30 * 365 * DAY):
        bench.clock.advance(jump)
        bench.count(printer, 1100)
        bench.inventory.step()
        bench.clock.advance(-jump)
    assert bench.samples("impressions_completed") == [1000]


def test_a_clock_that_was_ahead_for_long_is_put_right(bench: Bench) -> None:
    """Once it has run evenly for a day; what was counted meanwhile stays counted."""
    printer = bench.enter()
    bench.count(printer, 1000)
    bench.clock.advance(900 * DAY)
    bench.inventory.step()
    bench.wait(HOUR)
    bench.count(printer, 1100)
    bench.clock.advance(-900 * DAY)
    bench.count(printer, 1110)
    bench.wait(2 * DAY)
    bench.count(printer, 1120)
    assert bench.samples("at", "pages_counted")[-1] == ("2026-01-04T04:00:00Z", 120)


def test_what_is_forgotten_takes_its_history_with_it(bench: Bench) -> None:
    """And its topic is cleared; the others stay."""
    gone, other = bench.enter("S1"), bench.enter("S2")
    bench.count(gone, 1)
    bench.told()
    bench.registry.forget(gone.id)
    assert (bench.samples("printer"), bench.told()) == ([other.id], [None])
    bench.wait(HOUR)
    bench.inventory.step()
    assert bench.samples("printer") == [other.id]


def test_pages_a_day_are_those_of_the_last_30_days(bench: Bench) -> None:
    """Nothing is said before there is a day to go by, and nothing of 30 days before there are 30."""
    printer = bench.enter()
    told = []
    for day in range(41):
        bench.count(printer, 1000 + 100 * min(day, 20))
        told.append((bench.row()["pages_per_day"], bench.row()["pages_30_days"]))
        bench.wait(DAY)
    assert [told[0], told[1], told[29], told[40]] == [(None, None), (100.0, None), (69.0, None), (33.3, 1000)]


@pytest.mark.parametrize(
    ("levels", "days"),
    [
        ((80, 78, 76, 74, 72), 36),
        ((80, 80, 80, 80, 80), None),
        ((80, 79), None),
        ((10, 5, 100, 98, 96, 94), 47),
        ((80, None, 76, None, 72), 36),
        ((4, 3, 2, 1, 0), 0),
        ((), None),
    ],
)
def test_a_supply_lasts_as_long_as_it_was_used(bench: Bench, levels: tuple[int | None, ...], days: int | None) -> None:
    """Since it was last replaced; where it is hardly used, or not long enough, nobody can say."""
    printer = bench.enter()
    for left in levels:
        bench.count(printer, 1000, left=left)
        bench.wait(DAY)
    assert bench.row()["supplies"][0]["days_left"] == days
