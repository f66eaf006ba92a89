"""A day of a few devices in PrintOS, and what makes a day a bad one; the whole day is `python -m tests.day`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.day.day import Day
from tests.day.figures import Ledger, Trouble, reasons_of_logins, reckon

OUTAGE = Trouble("outage", 1000, 2000, loses_sessions=True)
STEADY = [float(at) for at in range(0, 12_000, 120)]


def ledger(statuses: list[float], logins: list[float], changes: list[tuple[float, float]]) -> Ledger:
    """Give the ledger of one device."""
    return Ledger(logins={"EX1": logins}, statuses={"EX1": statuses}, changes=changes)


@pytest.mark.slow
def test_a_day_of_a_few_devices_is_a_good_one(tmp_path: Path) -> None:
    """Three outages and a restart: every login was needed, every status true, in time and not too often."""
    figures = Day(tmp_path, devices=8, seed=1).run(8)
    assert figures.is_good, figures
    assert set(figures.logins) <= {"first", "expiry", "sessions lost", "restart"}
    assert (figures.logins["first"], figures.logins["restart"], figures.devices) == (8, 8, 8)
    assert figures.statuses == pytest.approx(8 * 8 * 30, rel=0.2)


def test_every_login_has_a_reason_or_none() -> None:
    """The session had ended, or been lost, or the login was one too many."""
    moments = [0.0, 900.0, 2005.0, 3745.0, 4000.0]
    assert list(reasons_of_logins(moments, [OUTAGE])) == ["first", "unneeded", "outage", "expiry", "unneeded"]


def test_a_steady_device_makes_a_good_day() -> None:
    """A status every two minutes, a login every half hour less a minute."""
    figures = reckon(ledger(STEADY, [0.0, 1740.0], [(100.0, 150.0)]), [])
    assert figures.is_good
    assert (figures.statuses, figures.calm_age_most, figures.change_delay_most) == (100, 120, 50)


@pytest.mark.parametrize(
    ("statuses", "logins", "changes", "what"),
    [
        ([*STEADY[:50], *STEADY[51:]], [0.0], [(0.0, 9.0)], "statuses_too_old"),
        (STEADY, [0.0], [(0.0, 90.0)], "statuses_too_old"),
        (sorted([*STEADY, 5000.0]), [0.0], [(0.0, 9.0)], "statuses_too_soon"),
    ],
)
def test_what_is_late_or_too_often_makes_a_bad_day(
    statuses: list[float], logins: list[float], changes: list[tuple[float, float]], what: str
) -> None:
    """One status left out, one change told late, or one status more than may be."""
    figures = reckon(ledger(statuses, logins, changes), [])
    assert (figures.is_good, figures.to_json()[what]) == (False, 1)


def test_an_outage_excuses_what_it_hindered_and_no_more() -> None:
    """A status may be as old as the outage, a pause and the others' logins make it."""
    for silence, is_good in ((1300, True), (1600, False)):
        statuses = [*(at for at in STEADY if at <= 960), *(at + silence for at in STEADY if at >= 960)]
        figures = reckon(ledger(statuses, [0.0, 2260.0], [(0.0, 9.0)]), [OUTAGE])
        assert (figures.is_good, figures.age_most) == (is_good, {"outage": silence})
