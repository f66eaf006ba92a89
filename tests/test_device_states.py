"""How a printer stands with PrintOS: every trouble has a word of its own, found out from what PrintOS really says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config_schema import PrinterConfig
from agent.device_states import HERE, OWNED, STATES, UNSETTLED, advice, state_after_creation, state_after_refusal
from agent.model import Identity
from agent.simulator.printos_cloud import Device, Dialect, PretendCloud
from tests.printos_parts import Bench, Memory, Site, Ticker, Watched, a_press, a_site, printos

ONE, TWO = a_press(1).id, a_press(2).id
HOUR = 3600
DOCUMENT = Path(__file__).parents[1] / "docs" / "printos.md"

Deed = Callable[[PretendCloud, Device], object]
DEEDS: dict[str, Deed] = {
    "revoked": lambda cloud, device: cloud.revoke(device.login or ""),
    "replaced": lambda cloud, device: cloud.replace(device.id),
    "deleted": lambda cloud, device: cloud.delete(device.id),
}
"""What may be done to a device in PrintOS, by what that makes of it."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a running simulator."""
    with printos(Ticker()) as bench:
        yield bench


def a_site_of(bench: Bench, folder: Path, dialect: Dialect, presses: int) -> Site:
    """Give a site of active presses in a dialect."""
    client = bench.platform() if dialect == "platform" else bench.openapi()
    site = a_site(bench, folder, Memory(*(a_press(number + 1) for number in range(presses))), printos=client)
    assert {row["result"] for row in site.activate().values()} == {"active"}
    site.cloud.step()
    return site


def device_of(bench: Bench, dialect: Dialect) -> Device:
    """Give the device of the first press, as PrintOS has it."""
    serial = a_press(1).identity.serial
    return next(device for device in bench.simulator.cloud.devices(dialect) if device.serial == serial)


def test_the_document_has_every_state_and_no_other() -> None:
    """In the order of the table in the code, with its meaning and what to do."""
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|([^|]+)\|([^|]*)\|$", text, re.MULTILINE)
    told = [(word, meaning.strip(), todo.replace("`", "").strip()) for word, meaning, todo in rows]
    assert told == [(word, it.meaning, advice(word, "ID")) for word, it in STATES.items()]


def test_every_state_that_is_not_good_says_what_to_do() -> None:
    """And none that is named elsewhere is missing from the table."""
    assert [word for word, state in STATES.items() if bool(state.advice) is (state.result == "ok")] == []
    assert set(STATES) >= HERE | OWNED | UNSETTLED


def test_the_advice_names_the_printer() -> None:
    """So that it can be pasted; of a word from elsewhere nothing is said."""
    assert "--printer front-desk --replace" in advice("revoked", "front-desk")
    assert advice("a-word-of-tomorrow", "front-desk") == ""


@pytest.mark.parametrize(
    ("status", "trace", "has_login", "state"),
    [
        (401, "there", True, "revoked"),
        (401, "replaced", True, "replaced"),
        (401, "gone", True, "deleted"),
        (401, "unknown", True, "credentials-refused"),
        (401, "unknown", False, "refused"),
        (404, "gone", False, "deleted"),
        (404, "replaced", False, "replaced"),
        (410, "gone", True, "deleted"),
        (404, "there", True, "refused"),
        (404, "unknown", True, "refused"),
        (403, "gone", True, "refused"),
        (400, "unknown", True, "refused"),
    ],
)
def test_a_refusal_means_no_more_than_is_known(status: int, trace: str, has_login: bool, state: str) -> None:
    """Only a refused login, or a device that is not found, says something of the device."""
    assert state_after_refusal(status, trace, has_login=has_login) == state  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "message", "state"),
    [
        (409, "no reason given", "other-organisation"),
        (400, "Device belongs to Another Organization", "other-organisation"),
        (403, "your organization is locked", "refused"),
        (400, "PrintOS knows no LaserJet", "refused"),
    ],
)
def test_a_serial_of_another_organisation_is_told_from_other_refusals(status: int, message: str, state: str) -> None:
    """By a conflict, or by such words: HP documents neither."""
    assert state_after_creation(status, message) == state


@pytest.mark.parametrize("deed", DEEDS)
def test_platform_can_only_say_that_the_credentials_are_refused(bench: Bench, tmp_path: Path, deed: str) -> None:
    """Nothing lists the devices there, so that the word says no more."""
    site = a_site_of(bench, tmp_path, "platform", 2)
    DEEDS[deed](bench.simulator.cloud, device_of(bench, "platform"))
    site.run(HOUR)
    assert (site.state(ONE), site.state(TWO)) == ("credentials-refused", "active")
    assert "wrong login or password" in (site.registry.find(ONE).printos_message or "")


@pytest.mark.parametrize("deed", DEEDS)
def test_openapi_tells_what_became_of_a_device(bench: Bench, tmp_path: Path, deed: str) -> None:
    """By the list of devices, which another device of this box may read."""
    site = a_site_of(bench, tmp_path, "openapi", 2)
    DEEDS[deed](bench.simulator.cloud, device_of(bench, "openapi"))
    site.run(HOUR)
    assert (site.state(ONE), site.state(TWO)) == (deed, "active")


def test_openapi_says_no_more_than_it_knows_where_nobody_may_look(bench: Bench, tmp_path: Path) -> None:
    """A box with one device, which can't log in, sees no list."""
    site = a_site_of(bench, tmp_path, "openapi", 1)
    bench.simulator.cloud.revoke(device_of(bench, "openapi").login or "")
    site.run(HOUR)
    assert site.state(ONE) == "credentials-refused"


@pytest.mark.parametrize("deed", ["replaced", "deleted"])
def test_a_device_without_a_login_is_missed_by_its_id(tmp_path: Path, deed: str) -> None:
    """With `auth` none PrintOS answers 404, and the list says which it was."""
    with printos(Ticker(), open=True) as bench:
        site = a_site(bench, tmp_path, Memory(a_press()), printos=bench.openapi(auth="none"))
        site.activate()
        DEEDS[deed](bench.simulator.cloud, device_of(bench, "openapi"))
        site.run(HOUR)
        assert site.state(ONE) == deed


@pytest.mark.parametrize("dialect", ["platform", "openapi"])
def test_a_state_ends_by_itself_when_printos_accepts_again(bench: Bench, tmp_path: Path, dialect: Dialect) -> None:
    """Who gave the credentials back need not touch this box."""
    site = a_site_of(bench, tmp_path, dialect, 2)
    device = device_of(bench, dialect)
    password = device.password
    bench.simulator.cloud.revoke(device.login or "")
    site.run(HOUR)
    assert site.state(ONE) != "active"
    device.password = password
    site.run(2 * HOUR)
    assert (site.state(ONE), site.registry.find(ONE).printos_message) == ("active", None)


def test_credentials_that_printos_refuses_take_replace(bench: Bench, tmp_path: Path) -> None:
    """A plain activation says so and asks nobody; with --replace the device is made anew."""
    site = a_site_of(bench, tmp_path, "platform", 1)
    bench.simulator.cloud.replace(device_of(bench, "platform").id)
    site.run(HOUR)
    row = site.activate()[ONE]
    assert (row["result"], bench.report()["administrator_logins"]) == ("credentials-refused", 1)
    assert "--replace" in row["message"]
    assert site.activate(replace=True)[ONE]["result"] == "active"
    site.cloud.step()
    assert device_of(bench, "platform").status == "DS_ON"


def test_a_deleted_device_is_made_again_without_more_ado(bench: Bench, tmp_path: Path) -> None:
    """Nothing is there that could be replaced."""
    site = a_site_of(bench, tmp_path, "openapi", 2)
    bench.simulator.cloud.delete(device_of(bench, "openapi").id)
    site.run(HOUR)
    assert site.activate()[ONE]["result"] == "active"


def test_a_device_that_has_never_reached_printos_is_told_so(bench: Bench, tmp_path: Path) -> None:
    """It was made, and then PrintOS went away; it is active by itself when it is back."""

    def fail(name: str) -> None:
        if name == "login_device":
            bench.simulator.cloud.begin_outage(60, dropping=True)

    site = a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), fail))
    assert site.activate()[ONE]["result"] == "active"
    assert site.state(ONE) == "unreachable"
    site.run(600)
    assert site.state(ONE) == "active"


def test_an_activation_that_was_broken_off_may_be_repeated(bench: Bench, tmp_path: Path) -> None:
    """A crash in the middle: the device may be there, its credentials are not; who tried may try again."""
    site = a_site(bench, tmp_path, Memory(a_press(printos="activating")))
    site.cloud.step()
    assert site.state(ONE) == "unfinished"
    assert site.activate()[ONE]["result"] == "active"


def test_an_answer_that_was_lost_is_told_and_may_be_repeated(bench: Bench, tmp_path: Path) -> None:
    """The device that was made by it is replaced by the next: nobody else could know its credentials."""
    site = a_site(bench, tmp_path, Memory(a_press()))
    bench.call("POST", "/simulator/fault?method=POST&path=.*/organizations/devices&when=after")
    assert site.activate()[ONE]["result"] == "unreachable"
    (lost,) = bench.report()["devices"]
    again = a_site(bench, tmp_path, site.registry)
    again.cloud.step()
    assert again.state(ONE) == "unfinished"
    assert again.activate()[ONE]["result"] == "active"
    assert [device["id"] == lost["id"] for device in bench.report()["devices"]] == [False]


def test_a_printer_is_seen_to_be_activated(bench: Bench, tmp_path: Path) -> None:
    """While PrintOS is asked, its state is on the disk: who is killed then knows that a device may be there."""
    seen: list[str] = []

    def look(name: str) -> None:
        if name == "provision_device":
            seen.append(site.state(ONE))

    site = a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), look))
    site.activate()
    assert seen == ["activating"]


def test_statuses_that_are_refused_while_a_device_is_made_anew_are_no_news(bench: Bench, tmp_path: Path) -> None:
    """Its old credentials have ended, and the new ones count when the administrator is logged out."""
    seen: list[str] = []

    def look(name: str) -> None:
        if name == "logout_administrator" and bench.report()["status_updates"]:
            bench.ticker.advance(HOUR)
            site.cloud.step()
            seen.append(site.state(ONE))

    site = a_site(bench, tmp_path, Memory(a_press()), printos=Watched(bench.platform(), look))
    site.activate()
    site.cloud.step()
    site.activate(replace=True)
    assert ({row["status"] for row in bench.report()["refused"]}, seen, site.state(ONE)) == (
        {401},
        ["active"],
        "active",
    )


def test_a_serial_that_another_organisation_holds_takes_replace_once(bench: Bench, tmp_path: Path) -> None:
    """Who has made a device of it before has said --replace by then: the advice is to activate again."""
    site = a_site(bench, tmp_path, Memory(a_press()))
    site.activate()
    site.devices.forget(ONE)
    site.registry.known[ONE] = a_press()
    bench.simulator.cloud.hold_serial(a_press().identity.serial or "")
    results = [site.activate(replace=replace)[ONE]["result"] for replace in (False, True, False)]
    assert results == ["credentials-lost", "other-organisation", "other-organisation"]


def test_credentials_sealed_with_another_key_are_told_and_come_back_with_it(bench: Bench, tmp_path: Path) -> None:
    """Nothing is made meanwhile without --replace; with the right key the device goes on."""
    registry = a_site_of(bench, tmp_path, "platform", 1).registry
    other = a_site(bench, tmp_path, registry, key=b"k" * 32)
    other.cloud.step()
    assert other.state(ONE) == "wrong-seal-key"
    assert other.activate()[ONE]["result"] == "wrong-seal-key"
    again = a_site(bench, tmp_path, registry)
    again.cloud.step()
    assert (again.state(ONE), bench.report()["administrator_logins"]) == ("active", 1)


def test_credentials_that_cannot_be_read_are_not_taken_for_lost(bench: Bench, tmp_path: Path) -> None:
    """What is only closed to the agent may be opened again."""
    site = a_site_of(bench, tmp_path, "platform", 1)
    file = tmp_path / "credentials" / f"{ONE}.sealed"
    file.unlink()
    file.mkdir()
    again = a_site(bench, tmp_path, site.registry)
    again.cloud.step()
    assert again.state(ONE) == "credentials-unreadable"
    assert again.activate()[ONE]["result"] == "credentials-unreadable"


@pytest.mark.parametrize(
    ("approved", "config", "state"),
    [
        (False, PrinterConfig(printos_type="IHPSPress"), "pending"),
        (True, PrinterConfig(printos_type="IHPSPress"), "pending"),
        (False, PrinterConfig(), "none"),
        (True, PrinterConfig(), "type-missing"),
    ],
)
def test_a_new_printer_waits_as_pending_where_it_could_have_a_device(
    bench: Bench, tmp_path: Path, approved: bool, config: PrinterConfig, state: str
) -> None:
    """An office printer that nobody configured for PrintOS is none of its business."""
    site = a_site(bench, tmp_path, Memory(a_press(printos="none", approved=approved), config=config))
    site.cloud.step()
    assert site.state(ONE) == state
    assert (bench.report()["devices"], bench.report()["refused"]) == ([], [])


def test_a_press_may_have_another_serial_in_printos_than_it_tells(bench: Bench, tmp_path: Path) -> None:
    """What it tells is its front end's, or none that PrintOS takes; the one of the device is configured."""
    config = PrinterConfig(printos_type="IHPSPress", printos_serial="EX77")
    site = a_site(
        bench, tmp_path, Memory(a_press(identity=Identity(serial="DFE 1", make_and_model="HP T300M")), config=config)
    )
    assert site.activate()[ONE]["result"] == "active"
    assert [device["serial_number"] for device in bench.report()["devices"]] == ["EX77"]


def test_a_printer_that_tells_its_serial_at_last_is_judged_anew(bench: Bench, tmp_path: Path) -> None:
    """What follows from the printer alone changes with it."""
    press = a_press()
    silent = a_press(printos="none", identity=Identity(make_and_model="HP T300M"))
    site = a_site(bench, tmp_path, Memory(silent))
    site.cloud.step()
    assert site.state(ONE) == "serial-unusable"
    site.registry.change(ONE, identity=press.identity)
    site.cloud.step()
    assert site.state(ONE) == "pending"
