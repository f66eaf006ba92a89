"""A device over its life: adopted where it is there, made once, forgotten, and not replaced behind a person's back."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConflictError, StorageError
from agent.made_devices import MadeDevices
from agent.printos.openapi import OpenApi, matching
from tests.printos_parts import (
    LOGIN,
    PASSWORD,
    Bench,
    Memory,
    Site,
    Ticker,
    Watched,
    a_press,
    a_site,
    bench,
    printos,
    site,
)

__all__ = ["bench", "site"]  # the fixtures
from tests.printos_stand_in import stand_in

ONE, TWO = a_press(1).id, a_press(2).id
PRESS = ("IHPSPress", "HP T300M", "EX0000001")


def without_state(bench: Bench, folder: Path, **options: Any) -> Site:
    """Give the site as it comes up where the state folder is gone: the press is found again, and approved."""
    shutil.rmtree(folder / "credentials")
    again = a_site(bench, folder, Memory(a_press(printos="none")), **options)
    again.cloud.step()
    return again


def test_a_lost_state_folder_replaces_nothing_unasked(site: Site, bench: Bench, tmp_path: Path) -> None:
    """What was made from this box is remembered elsewhere: the printer says so, and takes --replace."""
    made = bench.report()["devices"]
    again = without_state(bench, tmp_path)
    assert again.state(ONE) == "credentials-lost"
    assert "--replace" in again.activate()[ONE]["message"]
    assert (bench.report()["devices"], bench.report()["administrator_logins"]) == (made, 1)
    assert again.activate(replace=True)[ONE]["result"] == "active"


def test_a_new_box_needs_no_replace(site: Site, bench: Bench, tmp_path: Path) -> None:
    """Of a box that has nothing at all, PrintOS's own rule is all that there is."""
    shutil.rmtree(tmp_path / "elsewhere")
    again = without_state(bench, tmp_path)
    assert again.state(ONE) == "pending"
    assert again.activate()[ONE]["result"] == "active"


def test_openapi_says_itself_that_a_device_is_there(bench: Bench, tmp_path: Path) -> None:
    """Its list stands in for our memory; credentials that are not here take --replace."""
    a_site(bench, tmp_path, Memory(a_press()), printos=bench.openapi()).activate()
    again = without_state(bench, tmp_path, printos=bench.openapi())
    assert again.activate()[ONE]["result"] == "credentials-lost"
    assert again.state(ONE) == "credentials-lost"
    assert again.activate(replace=True)[ONE]["result"] == "active"
    assert len(bench.report()["devices"]) == 1


def test_openapi_without_logins_adopts_what_is_there(tmp_path: Path) -> None:
    """After a lost state folder nothing is made twice, and nothing is asked."""
    with printos(Ticker(), open=True) as bench:
        a_site(bench, tmp_path, Memory(a_press()), printos=bench.openapi(auth="none")).activate()
        again = without_state(bench, tmp_path, printos=bench.openapi(auth="none"))
        assert again.activate()[ONE]["result"] == "active"
        assert len(bench.report()["devices"]) == 1


@pytest.mark.parametrize("outage", [False, True])
def test_what_printos_did_not_make_is_not_remembered(bench: Bench, tmp_path: Path, outage: bool) -> None:
    """A refusal, and an outage that was told as one, leave the printer as new as it was."""

    def fail(name: str) -> None:
        if name == "provision_device" and outage:
            bench.simulator.cloud.begin_outage(60, dropping=False)

    bench.simulator.cloud.hold_serial(PRESS[2])
    a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), fail)).activate()
    assert not MadeDevices(tmp_path / "elsewhere" / "made-devices").has(PRESS)


def test_a_memory_that_can_not_be_written_stops_nothing(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The device is made, and the log says what is not protected."""
    (tmp_path / "elsewhere").write_text("a file where the folder should be")
    site = a_site(bench, tmp_path, Memory(a_press()))
    assert site.activate()[ONE]["result"] == "active"
    assert "can't be remembered" in caplog.text


def test_made_devices_outlive_a_restart_in_any_case_and_spacing(tmp_path: Path) -> None:
    """PrintOS may write a serial number another way than the panel does."""
    made = MadeDevices(tmp_path / "folder" / "made")
    made.note(PRESS)
    made.note(("RIP", "a\tb", "x"))
    again = MadeDevices(tmp_path / "folder" / "made")
    assert again.has(("ihpspress", " HP  T300M", "ex0000001 "))
    again.drop(PRESS)
    assert not MadeDevices(tmp_path / "folder" / "made").has(PRESS)
    assert (tmp_path / "folder" / "made").read_text() == "rip\ta b\tx\n"


def test_made_devices_can_not_be_kept_where_nothing_can(tmp_path: Path) -> None:
    """The error is one line that names the file."""
    (tmp_path / "folder").touch()
    with pytest.raises(StorageError, match="folder/made"):
        MadeDevices(tmp_path / "folder" / "made").note(PRESS)


def test_a_printer_that_was_entered_anew_keeps_its_device(site: Site, bench: Bench, tmp_path: Path) -> None:
    """The same serial number under another id of the registry, whose own printer is gone: nothing is created."""
    anew = a_press(7, identity=a_press(1).identity, printos="none", approved=False)
    again = a_site(bench, tmp_path, Memory(anew))
    again.cloud.step()
    assert again.state(anew.id) == "pending"
    again.registry.change(anew.id, approved=True)
    again.cloud.step()
    assert (again.state(anew.id), again.credentials.ids()) == ("active", (anew.id,))
    assert [row["result"] for row in again.activate().values()] == ["active"]
    assert bench.report()["administrator_logins"] == 1


def test_two_printers_that_tell_one_serial_do_not_take_each_others_device(site: Site, bench: Bench) -> None:
    """The second is told whose it is; a person settles which of them is there."""
    site.registry.known[TWO] = a_press(2, identity=a_press(1).identity)
    row = site.activate(printer_ids=[TWO])[TWO]
    assert (row["result"], len(bench.report()["devices"])) == ("refused", 1)
    assert f"Press 1 ({ONE})" in row["message"]


@pytest.mark.parametrize("replace", [False, True])
def test_of_two_printers_that_tell_one_serial_one_gets_a_device(bench: Bench, tmp_path: Path, replace: bool) -> None:
    """The device of the other would end it at once, whoever is activated first."""
    site = a_site(bench, tmp_path, Memory(a_press(1), a_press(2, identity=a_press(1).identity)))
    rows = site.activate(replace=replace)
    assert ([rows[ONE]["result"], rows[TWO]["result"]], site.state(ONE)) == (["active", "refused"], "active")
    site.cloud.step()
    assert (len(bench.report()["devices"]), bench.report()["status_updates"]) == (1, 1)


def test_forgetting_says_what_stays_in_printos(site: Site, bench: Bench) -> None:
    """Credentials, session and memory of it go; the device is named, for a person to delete it."""
    device_id = bench.report()["devices"][0]["id"]
    assert site.devices.forget(ONE) == device_id
    site.run(600)
    assert (site.credentials.ids(), bench.report()["status_updates"]) == ((), 1)
    site.registry.known[ONE] = a_press()
    assert site.devices.forget(ONE) is None


def test_a_printer_that_was_forgotten_and_found_again_takes_replace(site: Site) -> None:
    """Its device is still in PrintOS, and what people changed of it there."""
    site.devices.forget(ONE)
    site.registry.known[ONE] = a_press(printos="none")
    site.cloud.step()
    assert site.state(ONE) == "credentials-lost"


def test_nobody_is_forgotten_in_the_middle_of_an_activation(bench: Bench, tmp_path: Path) -> None:
    """Its new credentials would stay behind."""
    site = a_site(bench, tmp_path, Memory(a_press()))

    def meanwhile(_facts: Mapping[str, Any]) -> None:
        site.devices.forget(ONE)

    with pytest.raises(ConflictError):
        site.devices.activate(LOGIN, PASSWORD, printer_ids=None, replace=False, progress=meanwhile)


def test_a_device_is_found_among_very_many(bench: Bench) -> None:
    """The list has no pages: ten thousand devices are one answer."""
    devices = [{"id": f"d-{number}", "model": "HP T300M", "serialNumber": f"EX{number}"} for number in range(10_000)]
    with stand_in({"GET /devices": (200, {"devices": devices})}) as site:
        client = OpenApi(http=bench.http, base_url=site.url, now=bench.ticker.now, auth="none")
        assert client.find_device("HP T300M", "EX9999", token="") == "d-9999"


def test_of_devices_that_are_alike_the_newest_is_adopted() -> None:
    """Case and spaces of a serial number are the writer's taste; what is unknown matches nothing."""
    devices: list[dict[str, Any]] = [
        {"id": "a", "model": "HP T300M", "serialNumber": "EX1", "registeredAt": "2024-01-01T00:00:00Z"},
        {"id": "b", "model": "hp  t300m", "serialNumber": " ex1", "registeredAt": "2025-01-01T00:00:00Z"},
        {"id": "c", "model": "HP T300M", "serialNumber": "EX2"},
        {"id": "d", "model": 7, "serialNumber": None},
    ]
    assert [device["id"] for device in matching(devices, "HP T300M ", "Ex1")] == ["b", "a"]
    assert matching(devices, "", "") == []
