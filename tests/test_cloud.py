"""Statuses of devices: how often, how soon, what happens when PrintOS is away, and the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config_schema import PrinterConfig
from agent.model import PrinterState, PrinterStatus
from agent.simulator.printos_http import RefusalError
from tests.printos_parts import Bench, Memory, Site, Watched, a_press, a_site, bench, site

__all__ = ["bench", "site"]  # the fixtures

DAY, HALF_A_DAY = 86_400, 43_200
ONE = a_press(1).id
PROCESSING = PrinterStatus(state=PrinterState.PROCESSING)
STOPPED = PrinterStatus(state=PrinterState.STOPPED)


def history(site: Site, number: int = 0) -> list[str]:
    """Give the words that PrintOS was told of a device."""
    return [told["deviceStatus"] for told in site.bench.report()["devices"][number]["history"]]


def test_a_restart_needs_no_person(site: Site, bench: Bench, tmp_path: Path) -> None:
    """The sealed credentials are enough: the device logs in and goes on."""
    again = a_site(bench, tmp_path, site.registry)
    again.cloud.step()
    report = bench.report()
    assert (report["administrator_logins"], report["device_logins"], report["status_updates"]) == (1, 2, 2)


def test_broken_credentials_do_not_stop_the_others(bench: Bench, tmp_path: Path) -> None:
    """A damaged file is one printer's trouble."""
    site = a_site(bench, tmp_path, Memory(a_press(1), a_press(2)))
    site.activate()
    (tmp_path / "credentials" / f"{ONE}.sealed").write_bytes(b"rubbish")
    again = a_site(bench, tmp_path, site.registry)
    again.cloud.step()
    assert [printer.printos for printer in again.registry.printers()] == ["credentials-lost", "active"]


def test_an_unchanged_status_goes_once_an_interval(site: Site) -> None:
    """An hour of an idle press is thirty statuses."""
    site.run(3600)
    assert len(history(site)) == pytest.approx(31, abs=1)


def test_a_change_goes_within_a_minute(site: Site) -> None:
    """Soon where there was silence, and not before a minute has passed since the last."""
    site.run(10)
    site.registry.change(ONE, status=PROCESSING)
    site.run(45)
    assert history(site) == ["DS_ON"]
    site.run(10)
    assert history(site) == ["DS_ON", "DS_PRINTING"]


def test_a_flapping_printer_is_told_once_a_minute(site: Site) -> None:
    """However often it changes, only what it is when the minute is over goes."""
    for second in range(600):
        site.registry.change(ONE, status=(PROCESSING, STOPPED)[second % 2])
        site.run(1)
    assert 5 <= len(history(site)) <= 11


def test_only_the_newest_status_waits_for_a_dead_cloud(site: Site) -> None:
    """After an outage one status goes, the present one."""
    site.bench.simulator.cloud.begin_outage(3600, dropping=False)
    for status in (PROCESSING, STOPPED, PROCESSING):
        site.registry.change(ONE, status=status)
        site.run(1100)
    site.run(700)
    assert history(site)[:2] == ["DS_ON", "DS_PRINTING"]


def test_a_dead_cloud_is_asked_ever_more_rarely(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """An hour without PrintOS is a few attempts and one line in the log, and it is over soon after."""
    site.bench.simulator.cloud.begin_outage(3600, dropping=False)
    site.run(3600)
    assert 10 < len(site.bench.report()["refused"]) < 40
    assert site.cloud.health()["state"] == "away"
    site.run(310)
    assert site.cloud.health()["state"] == "online"
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


def test_the_cloud_is_asked_by_one_device_while_it_is_away(bench: Bench, tmp_path: Path) -> None:
    """Fifty devices make no storm of a dead cloud: they share one back-off."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(50))))
    site.activate()
    site.run(60)
    bench.simulator.cloud.begin_outage(600, dropping=False)
    site.run(600)
    assert len(bench.report()["refused"]) < 20


def test_statuses_of_many_devices_are_spread(bench: Bench, tmp_path: Path) -> None:
    """One step does not post for all of two hundred."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(60))))
    site.activate()
    site.run(60)
    assert bench.report()["status_updates"] == 60
    bench.ticker.advance(130)
    assert site.cloud.step() == pytest.approx(1.0)
    assert bench.report()["status_updates"] == 80
    site.run(3)
    assert bench.report()["status_updates"] == 120


def test_a_printer_that_is_off_is_told_off(site: Site) -> None:
    """Offline is a status like any other."""
    site.registry.change(ONE, online=False)
    site.run(300)
    assert set(history(site)[1:]) == {"DS_OFF"}


def test_closing_tells_that_the_devices_go_off(site: Site) -> None:
    """DS_OFF is the last word of each device."""
    site.cloud.close()
    assert history(site) == ["DS_ON", "DS_OFF"]


def test_a_step_that_goes_on_while_closing_tells_nothing_more(bench: Bench, tmp_path: Path) -> None:
    """Or a device would be told as on again after it was told as off."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(3))))
    site.activate()
    site.cloud.step()
    site.cloud.close()
    bench.ticker.advance(300)
    site.cloud.step()
    assert [history(site, number) for number in range(3)] == [["DS_ON", "DS_OFF"]] * 3


def test_closing_takes_no_longer_than_it_may(bench: Bench, tmp_path: Path) -> None:
    """Eighty devices and a slow PrintOS: who is not told in five seconds is left."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(80))))
    site.activate()
    site.run(75)
    assert bench.report()["status_updates"] == 80
    slow = Watched(bench.platform(), lambda name: bench.ticker.advance(0.1) if name == "post_status" else None)
    again = a_site(bench, tmp_path, site.registry, printos=slow)
    again.run(90)
    began, told = bench.ticker(), bench.report()["status_updates"]
    again.cloud.close()
    assert bench.ticker() - began <= 5.1
    assert bench.report()["status_updates"] - told == pytest.approx(50, abs=1)


def test_closing_does_not_wait_for_a_dead_cloud(bench: Bench, tmp_path: Path) -> None:
    """Of five devices one is told of at the most: where one fails, the others are left."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(5))))
    site.activate()
    site.run(15)
    bench.simulator.cloud.begin_outage(600, dropping=False)
    site.run(130)
    before = len(bench.report()["refused"])
    site.cloud.close()
    assert len(bench.report()["refused"]) <= before + 1


def test_refused_credentials_are_told_and_no_loop(site: Site) -> None:
    """The printer says so, and the login is tried hourly at most."""
    site.bench.simulator.cloud.revoke(site.bench.report()["devices"][0]["login"])
    site.run(6 * 3600)
    assert site.registry.find(ONE).printos == "credentials-refused"
    assert "wrong login" in (site.registry.find(ONE).printos_message or "")
    assert len(site.bench.report()["refused"]) <= 8


def test_a_refused_status_is_tried_ever_more_rarely(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after the first refusal, hourly in the end; when PrintOS takes it again, the printer is active again."""

    def refuse(*_: object) -> None:
        raise RefusalError(403, "the organisation is locked")

    with monkeypatch.context() as patch:
        patch.setattr(site.bench.simulator.cloud, "tell", refuse)
        site.run(600)
        assert site.registry.find(ONE).printos == "refused"
        assert 2 <= len(site.bench.report()["refused"]) <= 4
        site.run(DAY)
        assert 24 <= len(site.bench.report()["refused"]) <= 56
    site.run(3600)
    assert (site.registry.find(ONE).printos, site.registry.find(ONE).printos_message) == ("active", None)


def test_a_status_of_a_device_that_was_replaced_meanwhile_means_nothing(bench: Bench, tmp_path: Path) -> None:
    """It was under way with the old credentials: that they are refused is no news of the new device."""
    meanwhile: list[Callable[[], object]] = []

    def tell(name: str) -> None:
        if name == "post_status" and meanwhile:
            meanwhile.pop()()

    site = a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), tell))
    site.activate()
    meanwhile.append(lambda: site.activate(replace=True))
    site.cloud.step()
    assert {row["status"] for row in bench.report()["refused"]} == {401}
    assert site.registry.find(ONE).printos == "active"
    assert [event.type for event in site.events] == ["provisioned", "provisioned"]


def test_a_forgotten_printer_loses_its_credentials(site: Site) -> None:
    """Nothing is posted for it any more, and nothing is left on the disk."""
    site.devices.forget(ONE)
    site.run(600)
    assert (site.credentials.ids(), len(history(site))) == ((), 1)


def test_approval_alone_asks_printos_nothing(bench: Bench, tmp_path: Path) -> None:
    """A person activates it."""
    site = a_site(bench, tmp_path, Memory(a_press(1, printos="none")))
    site.run(60)
    assert site.registry.find(ONE).printos == "pending"
    assert (site.cloud.health()["state"], bench.report()["refused"]) == ("unused", [])


def test_half_a_day_of_a_few_devices_takes_no_more_logins_than_it_must(bench: Bench, tmp_path: Path) -> None:
    """Five presses, sessions of half an hour, an outage: the figures are those of the promise."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in range(5))))
    site.activate()
    for hour in range(12):
        if hour == 6:
            bench.simulator.cloud.begin_outage(1200, dropping=False)
        site.registry.change(ONE, status=(PROCESSING, STOPPED)[hour % 2])
        site.run(3600)
    report = bench.report()
    sessions = HALF_A_DAY / 1800 * 5
    assert report["device_logins"] <= sessions * 1.15
    assert report["status_updates"] == pytest.approx(5 * HALF_A_DAY / 120, rel=0.05)
    assert {row["status"] for row in report["refused"]} == {503}


def test_the_openapi_dialect_takes_the_same_way(bench: Bench, tmp_path: Path) -> None:
    """The service knows nothing of dialects."""
    site = a_site(bench, tmp_path, Memory(a_press(), config=PrinterConfig()), printos=bench.openapi())
    assert site.activate()[ONE]["result"] == "active"
    site.cloud.step()
    site.cloud.close()
    told = bench.report()["devices"][0]["history"]
    assert [(row["status"], row["metrics"]["pagesTotal"]) for row in told] == [("idle", 1234), ("offline", 1234)]
