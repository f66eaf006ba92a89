"""Devices are made: once, by a person, in the documented order, and what goes wrong is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.config_schema import PrinterConfig
from agent.errors import CloudRefusedError, CloudUnreachableError, ConflictError, InputError, NotFoundError
from agent.model import Identity
from tests.printos_parts import (
    LOGIN,
    PASSWORD,
    Bench,
    Memory,
    Site,
    Watched,
    a_press,
    a_site,
    bench,
    printos,
    site,
)

__all__ = ["bench", "site"]  # the fixtures

ONE = a_press(1).id


def test_activation_makes_devices_and_they_tell_how_they_are(bench: Bench, tmp_path: Path) -> None:
    """One administrator's login for three presses; each is sealed, active, told as an event and posts."""
    site = a_site(bench, tmp_path, Memory(*(a_press(number) for number in (1, 2, 3))))
    rows = site.activate()
    site.cloud.step()
    report = bench.report()
    assert {row["result"] for row in rows.values()} == {"active"}
    assert (report["administrator_logins"], report["device_logins"], report["status_updates"]) == (1, 3, 3)
    assert [event.type for event in site.events] == ["provisioned"] * 3
    assert {printer.printos for printer in site.registry.printers()} == {"active"}


def test_the_administrator_is_logged_out_before_a_device_logs_in(bench: Bench, tmp_path: Path) -> None:
    """The order is the documented one."""
    order: list[str] = []
    a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), order.append)).activate()
    steps = [name for name in order if "_administrator" in name or "_device" in name]
    assert steps == ["login_administrator", "provision_device", "logout_administrator", "login_device"]


def test_what_is_active_is_left_alone(site: Site) -> None:
    """A second activation asks PrintOS nothing, not even for the administrator."""
    before = site.bench.report()
    assert site.activate()[ONE]["result"] == "active"
    assert site.bench.report() == before


def test_replace_makes_a_device_anew(site: Site) -> None:
    """With --replace the old credentials end and the new ones are used from the next status on."""
    old = site.bench.report()["devices"][0]["login"]
    assert site.activate(replace=True)[ONE]["result"] == "active"
    site.cloud.step()
    report = site.bench.report()
    assert [device["status"] for device in report["devices"]] == ["DS_ON"]
    assert report["devices"][0]["login"] != old


def test_lost_credentials_are_told_and_take_replace(site: Site, bench: Bench, tmp_path: Path) -> None:
    """Creating it by itself would replace the device: a person decides."""
    site.credentials.remove(ONE)
    again = a_site(bench, tmp_path, site.registry)
    again.cloud.step()
    assert again.registry.find(ONE).printos == "credentials-lost"
    assert "--replace" in again.activate()[ONE]["message"]
    assert again.activate(replace=True)[ONE]["result"] == "active"


@pytest.mark.parametrize(
    ("changes", "config", "told"),
    [
        ({}, PrinterConfig(), ("type-missing", "its type is IHPSPress")),
        ({}, PrinterConfig(printos_type="LatexPrinter", printos_model="B4H69"), ("not-provisionable", "no login")),
        ({}, PrinterConfig(printos_type="LaserJet"), ("refused", "PrintOS knows no LaserJet")),
        ({"identity": Identity(make_and_model="HP T300M")}, None, ("serial-unusable", "set printos_serial")),
        ({"identity": Identity(serial="E#1", make_and_model="HP T300M")}, None, ("serial-unusable", "not 'E#1'")),
        ({"identity": Identity(serial="FOREIGN1", make_and_model="HP T300M")}, None, ("other-organisation", "delete")),
        ({"approved": False}, None, ("refused", "approve it first")),
    ],
)
def test_a_printer_that_gets_no_device_is_told_why(
    bench: Bench, tmp_path: Path, changes: dict[str, Any], config: PrinterConfig | None, told: tuple[str, str]
) -> None:
    """Each obstacle has its result and says what to do; the other printer is not held up."""
    site = a_site(bench, tmp_path, Memory(a_press(1, **changes), config=config))
    row = site.activate(printer_ids=[ONE])[ONE]
    result, message = told
    assert row["result"] == result
    assert message in row["message"]
    assert site.registry.find(ONE).printos == (result if changes.get("approved", True) else "pending")


def test_one_refused_printer_does_not_hold_up_the_next(bench: Bench, tmp_path: Path) -> None:
    """The rows are mixed, and the registry says so of each."""
    foreign = a_press(1, identity=Identity(serial="FOREIGN1", make_and_model="HP T300M"))
    site = a_site(bench, tmp_path, Memory(foreign, a_press(2)))
    site.activate()
    assert [printer.printos for printer in site.registry.printers()] == ["other-organisation", "active"]


def test_a_wrong_password_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """The refusal reaches the person, and the printer stays pending."""
    site = a_site(bench, tmp_path, Memory(a_press()))
    with pytest.raises(CloudRefusedError, match="wrong login"):
        site.devices.activate(LOGIN, "guess", printer_ids=None, replace=False, progress=lambda _facts: None)
    assert site.registry.find(ONE).printos == "pending"


def test_activation_while_the_cloud_is_away_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """The administrator's login fails with what to expect: try again."""
    bench.simulator.cloud.begin_outage(60, dropping=True)
    with pytest.raises(CloudUnreachableError):
        a_site(bench, tmp_path, Memory(a_press())).activate()


def test_a_cloud_that_goes_away_in_the_middle_is_not_waited_for(bench: Bench, tmp_path: Path) -> None:
    """The printer whose answer was lost is told so, those after it are not tried."""

    def fail(name: str) -> None:
        if name == "provision_device":
            bench.simulator.cloud.begin_outage(60, dropping=True)

    rows = a_site(bench, tmp_path, Memory(a_press(1), a_press(2)), printos=Watched(bench.platform(), fail)).activate()
    assert [row["result"] for row in rows.values()] == ["unreachable"] * 2
    assert ["lost" in row["message"] for row in rows.values()] == [True, False]


def test_credentials_that_cannot_be_sealed_are_no_device(bench: Bench, tmp_path: Path) -> None:
    """What is not on the disk doesn't count: the row says so, and nothing is posted."""
    (tmp_path / "credentials").write_text("a file where the folder should be")
    site = a_site(bench, tmp_path, Memory(a_press()))
    row = site.activate()[ONE]
    assert (row["result"], site.registry.find(ONE).printos) == ("failed", "credentials-lost")
    assert "--replace" in row["message"]


def test_only_known_printers_can_be_activated(bench: Bench, tmp_path: Path) -> None:
    """An unknown id, and a site where nothing is approved, are told as such."""
    with pytest.raises(NotFoundError):
        a_site(bench, tmp_path, Memory(a_press())).activate(printer_ids=["nobody"])
    with pytest.raises(NotFoundError, match="approve"):
        a_site(bench, tmp_path, Memory(a_press(approved=False))).activate()


@pytest.mark.parametrize(("login", "password"), [("", PASSWORD), (LOGIN, "")])
def test_an_administrator_is_asked_for_where_devices_log_in(site: Site, login: str, password: str) -> None:
    """Nothing is sent without both."""
    with pytest.raises(InputError, match="login and password"):
        site.devices.activate(login, password, printer_ids=None, replace=True, progress=lambda _facts: None)
    assert site.bench.report()["administrator_logins"] == 1


def test_no_administrator_is_asked_for_where_nobody_logs_in(tmp_path: Path) -> None:
    """With `auth` none a device is made, or adopted, by nobody in particular."""
    with printos(open=True) as bench:
        site = a_site(bench, tmp_path, Memory(a_press()), printos=bench.openapi(auth="none"))
        rows = site.devices.activate("", "", printer_ids=None, replace=False, progress=lambda _facts: None)
        assert [row["result"] for row in rows] == ["active"]
        assert bench.report()["administrator_logins"] == 0


def test_two_people_cannot_activate_at_once(bench: Bench, tmp_path: Path) -> None:
    """The second is told that somebody is at it."""
    site = a_site(bench, tmp_path, Memory(a_press()))

    def meanwhile(_facts: Mapping[str, Any]) -> None:
        site.activate()

    with pytest.raises(ConflictError):
        site.devices.activate(LOGIN, PASSWORD, printer_ids=None, replace=False, progress=meanwhile)


def test_no_secret_of_an_activation_is_kept_or_logged(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the log, nor an event, a row or the disk tells the administrator's or a device's password."""
    caplog.set_level(logging.DEBUG)
    site = a_site(bench, tmp_path, Memory(a_press()))
    rows = site.activate()
    site.run(300)
    device = site.credentials.load(ONE)
    assert device is not None
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode(errors="replace")
    told = f"{caplog.text}{rows}{site.events}{site.cloud.health()}{written}"
    assert not [secret for secret in (PASSWORD, device.password) if secret in told]
