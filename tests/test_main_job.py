"""The main job with real parts: a document published by MQTT is printed, and the printer's word on it comes back.

The broker is a Mosquitto with a password file and TLS, the publisher is mosquitto_pub, the printer is ippeveprinter;
where a printer must be of another kind, or PrintOS is spoken to, it is a simulator of ours over real sockets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options, pdf_ticket
from tests.printerbox import PrinterBox, ippeveprinter
from tests.running_agent import RunningAgent

LOGIN = ("gateway", "the broker's password")
ADMIN_LOGIN, ADMIN_PASSWORD = "boss@example.com", "correct horse"
ENDS = ("completed", "aborted", "canceled")
FORMS = [("5", "bytes"), ("5", "JSON"), ("3.1.1", "bytes"), ("3.1.1", "JSON")]
PRINTER_KEYS = {
    "id", "uuid", "serial", "mac", "host", "name", "make_and_model", "firmware", "location", "state", "state_reasons",
    "state_message", "accepting_jobs", "online", "last_seen", "supplies", "trays", "impressions_completed",
    "media_sheets_completed", "document_formats", "sources", "status_driver", "status_sources", "print_driver", "alias",
    "approved", "printos", "printos_message",
}  # fmt: skip
SUPPLY_KEYS = {
    "description", "supply_type", "supply_class", "colorant", "unit", "level", "max_capacity", "percent",
}  # fmt: skip


@dataclass
class Site:
    """An agent at work, and a device that prints by it."""

    agent: RunningAgent
    user: MqttUser
    printers: dict[str, SimulatedPrinter]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Give a broker that wants a password and speaks TLS."""
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder, username=LOGIN[0], password=LOGIN[1], tls=True) as it:
        yield it


@pytest.fixture(scope="module")
def printer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrinterBox]:
    """Give a real IPP printer."""
    with ippeveprinter(tmp_path_factory.mktemp("ippeveprinter") / "spool") as it:
        yield it


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto, printer: PrinterBox) -> Iterator[Site]:
    """Give an agent with a real broker and a real printer."""
    printers = [{"alias": "front-desk", "uris": [printer.uri]}]
    with site(tmp_path_factory.mktemp("real"), broker, "real", printers) as it:
        yield it


@pytest.fixture(scope="module")
def pretended(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto) -> Iterator[Site]:
    """Give an agent with a real broker, two printers with port 9100 only, and a press with HP's REST interface.

    The plotter knows no PJL, the laser printer says by SNMP that it speaks it.
    """
    plotter = SimulatedPrinter(PrinterOptions(kind="raw", seconds_per_page=0.01, raw="bare"))
    laser = SimulatedPrinter(PrinterOptions(kind="raw", seconds_per_page=0.01))
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", seconds_per_page=0.01))
    printers = [
        {"alias": "plotter", "uris": _raw_uris(plotter)},
        {"alias": "laser", "uris": _raw_uris(laser)},
        {"alias": "press", "uris": [_started(press)["http_url"]]},
    ]
    with site(tmp_path_factory.mktemp("pretended"), broker, "pretended", printers) as it:
        it.printers = {"plotter": plotter, "laser": laser, "press": press}
        yield it
    for printer in (press, laser, plotter):
        printer.stop()


def _started(printer: SimulatedPrinter) -> dict[str, Any]:
    printer.start()
    return printer.ready_line()


def _raw_uris(printer: SimulatedPrinter) -> list[str]:
    line = _started(printer)
    return [line["raw_uri"], f"snmp://{line['snmp']}"]


@contextmanager
def site(folder: Path, broker: Mosquitto, name: str, printers: list[dict[str, Any]]) -> Iterator[Site]:
    """Run an agent at a broker, and a user of the same broker."""
    agent = RunningAgent(folder, agent_id=name, printers=printers, mqtt=mqtt_section(folder, broker))
    user = MqttUser(broker_options(broker.port, login=LOGIN, ca_file=broker.ca_file), agent.base_topic)
    with user, agent:
        agent.connected()
        yield Site(agent, user, {})


def mqtt_section(folder: Path, broker: Mosquitto) -> dict[str, Any]:
    """Write how the agent logs in to the broker."""
    password_file = folder / "broker-password"
    password_file.write_text(f"{LOGIN[1]}\n")
    trust = {"tls": True, "ca_file": broker.ca_file}
    return {"port": broker.port, "username": LOGIN[0], "password_file": password_file, **trust}


def _given_id(jobs: list[dict[str, Any]]) -> str | None:
    """Find the id that the agent made, for a ticket that brought none."""
    return next((str(job["id"]) for job in jobs if str(job["id"]).startswith("job-")), None)


@pytest.mark.parametrize(("version", "form"), FORMS)
def test_a_published_document_is_printed_byte_for_byte(
    real: Site, printer: PrinterBox, version: str, form: str
) -> None:
    """Whatever the version of MQTT and the form of the ticket; `completed` is the printer's own word."""
    document = write_pdf(f"{form} by MQTT {version}", pages=2)
    job_id, printed_before = f"{form}-{version}", len(printer.documents())
    topic = "printers/front-desk/print"
    if form == "JSON":
        real.user.publish(topic, pdf_ticket(document, id=job_id), version=version)
    elif version == "5":
        keys = ("-D", "publish", "user-property", "id", job_id, "-D", "publish", "user-property", "copies", "1")
        real.user.publish(topic, document, *keys, content_type="application/pdf")
    else:
        real.user.publish(topic, document, version=version)
        job_id = real.agent.until("a job without a name", lambda: _given_id(real.agent.ask("jobs")))
    job = real.user.hear_job(job_id, *ENDS)
    assert (job["state"], job["document_format"], job["attempts"]) == ("completed", "application/pdf", 1)
    assert job["device_job_id"]
    assert "agent-completion-unconfirmed" not in job["state_reasons"]
    assert [path.read_bytes() for path in printer.documents()[printed_before:]] == [document]


def test_the_publisher_is_answered_at_acceptance_and_at_the_end(real: Site) -> None:
    """On its Response Topic, with its Correlation Data, never retained."""
    real.user.publish(
        "print", pdf_ticket(write_pdf("An answer", pages=1), id="answered", printer="front-desk"),
        response_topic=f"{real.agent.base_topic}/reply/kiosk", correlation_data="c-17",
    )  # fmt: skip
    end = real.user.hear("reply/kiosk", lambda message: message.content["state"] == "completed")
    answers = real.user.heard("reply/kiosk")
    assert [answer.content["id"] for answer in answers] == ["answered", "answered"]
    assert answers[0].content["state"] == "pending"
    assert {answer.properties["correlation-data"] for answer in answers} == {"c-17"}
    assert not end.retained
    assert real.user.retained("reply/kiosk") is None


def test_the_state_of_an_ended_job_is_there_for_who_comes_later(real: Site) -> None:
    """The job's topic is retained, with the same words as `jobs --json`."""
    real.user.publish("printers/front-desk/print", pdf_ticket(write_pdf("Later", pages=1), id="later"))
    real.user.hear_job("later", "completed")
    assert real.user.retained("jobs/later") == real.agent.run_json("jobs", "show", "later")


def test_a_raw_port_ends_unconfirmed(pretended: Site) -> None:
    """It has every byte, and nobody can say more: a page counter or an idle state proves nothing."""
    document = write_pdf("By port 9100", pages=2)
    pretended.user.publish("printers/plotter/print", pdf_ticket(document, id="unconfirmed"))
    job = pretended.user.hear_job("unconfirmed", *ENDS)
    assert job["state"] == "completed"
    assert {"queued-in-device", "agent-completion-unconfirmed"} <= set(job["state_reasons"])
    assert [job.size for job in pretended.printers["plotter"].engine.history()] == [len(document)]


def test_a_raw_port_that_speaks_pjl_completes(pretended: Site) -> None:
    """What it says by SNMP of its languages is enough; its own word ends the job, with the pages and the copies."""
    pretended.agent.until("what the laser printer says of itself", lambda: _serial(pretended, "laser"))
    document = write_pdf("By port 9100 in PJL", pages=2)
    pretended.user.publish("printers/laser/print", pdf_ticket(document, id="confirmed", copies=2))
    job = pretended.user.hear_job("confirmed", *ENDS)
    assert (job["state"], job["state_reasons"]) == ("completed", ["job-completed-successfully"])
    assert job["impressions_completed"] == 4
    (printed,) = pretended.printers["laser"].engine.history()
    assert (printed.sha256, printed.name.split()[-1]) == (hashlib.sha256(document).hexdigest(), job["device_job_id"])


def _serial(site: Site, alias: str) -> str | None:
    return next((printer["serial"] for printer in site.agent.ask("printers") if printer["alias"] == alias), None)


def test_a_press_with_hps_rest_interface_completes(pretended: Site) -> None:
    """Its own word on its own job, with the pages that it has printed."""
    pretended.user.publish("printers/press/print", pdf_ticket(write_pdf("A press sheet", pages=3), id="sheet"))
    job = pretended.user.hear_job("sheet", *ENDS)
    assert (job["state"], job["impressions_completed"]) == ("completed", 3)
    assert job["device_job_id"]
    assert "agent-completion-unconfirmed" not in job["state_reasons"]


def test_a_job_that_prints_is_cancelled_by_a_message(pretended: Site) -> None:
    """The printer is told, and its own word ends the job."""
    engine = pretended.printers["press"].engine
    engine.jam()
    pretended.user.publish("printers/press/print", pdf_ticket(write_pdf("Unwanted", pages=9), id="unwanted"))
    pretended.user.hear_job("unwanted", "processing-stopped")
    pretended.user.publish("jobs/unwanted/cmd/cancel", b"{}")
    job = pretended.user.hear_job("unwanted", *ENDS)
    engine.clear()
    assert job["state"] == "canceled"
    assert engine.history()[-1].state.keyword == "canceled"


def test_a_printer_is_told_in_the_contracts_words(pretended: Site) -> None:
    """Retained, with exactly the keys that are promised, and its availability beside it."""
    printer_id = pretended.agent.printer("press", online=True, state="idle")["id"]
    told = pretended.user.retained(f"printers/{printer_id}") or {}
    assert set(told) == PRINTER_KEYS
    assert {key for supply in told["supplies"] for key in supply} == SUPPLY_KEYS
    assert (told["alias"], told["make_and_model"], told["print_driver"]) == ("press", "HP T300M", "hp-rest")
    assert pretended.user.hear(f"printers/{printer_id}/availability").payload == "online"


def test_a_ticket_that_can_never_be_a_job_is_refused_and_told(pretended: Site) -> None:
    """On the Response Topic and as an event; no topic of a job is touched."""
    pretended.user.publish(
        "print", pdf_ticket(b"%PDF-1.4\n", id="lost", printer="nowhere"),
        response_topic=f"{pretended.agent.base_topic}/reply/refusals",
    )  # fmt: skip
    refusal = pretended.user.hear("reply/refusals").content
    event = pretended.user.hear("bridge/event/refused", lambda message: message.content["id"] == "lost").content
    assert (refusal["accepted"], refusal["id"], refusal["reason"]) == (False, "lost", "agent-unknown-printer")
    assert event["message"] == refusal["message"]
    assert not pretended.user.heard("jobs/lost")


def test_a_retained_print_message_is_refused(pretended: Site) -> None:
    """It would print again at every subscription; the log says how to clear it."""
    topic = "printers/plotter/print"
    pretended.user.publish(topic, pdf_ticket(b"%PDF-1.4\n", id="for-ever"), "-r")
    event = pretended.user.hear("bridge/event/refused", lambda message: "retain" in message.content["message"]).content
    pretended.user.publish(topic, b"", "-r")
    assert event["reason"] == "agent-retained"
    assert "mosquitto_pub -r -n" in pretended.agent.log()
    assert not pretended.user.heard("jobs/for-ever")


def test_the_bridge_is_online_until_it_ends_in_whatever_way(tmp_path: Path, broker: Mosquitto) -> None:
    """Retained: `offline` by the will where the agent is killed, by its own word where it is stopped."""
    with site(tmp_path, broker, "mortal", []) as it:
        assert it.user.retained("bridge/state") == {
            "state": "online",
            "boot_id": it.agent.ask("status")["agent"]["boot_id"],
        }
        it.agent.kill()
        it.user.hear("bridge/state", lambda message: message.content["state"] == "offline")
        it.agent.start()
        it.agent.connected()
        it.agent.until("online", lambda: (it.user.retained("bridge/state") or {}).get("state") == "online")
        assert it.agent.stop() == 0
        assert (it.user.retained("bridge/state") or {})["state"] == "offline"


@pytest.mark.parametrize(("dialect", "words"), [("platform", ("DS_ON", "DS_OFF")), ("openapi", ("idle", "offline"))])
def test_an_approved_printer_becomes_a_printos_device(tmp_path: Path, dialect: str, words: tuple[str, str]) -> None:
    """One login of the administrator, one of the device for all its statuses, and its going off is told."""
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest"))
    printos = PrintOSSimulator(PrintOSOptions(admin_login=ADMIN_LOGIN, admin_password=ADMIN_PASSWORD))
    press.start()
    printos.start()
    agent = RunningAgent(
        tmp_path,
        printers=[{"alias": "press", "uris": [press.ready_line()["http_url"]], "printos_type": "IHPSPress"}],
        printos={"dialect": dialect, "base_url": f"{printos.url}/{dialect}"},
    )
    with agent:
        agent.printer("press", online=True, state="idle")
        assert agent.run_json("printers", "approve", "press")["alias"] == "press"
        rows = agent.run_json("activate", "--login", ADMIN_LOGIN, "--password-stdin", text=f"{ADMIN_PASSWORD}\n")
        assert [row["result"] for row in rows] == ["active"]
        agent.until("three statuses", lambda: printos.cloud.report()["status_updates"] >= 3)
        assert agent.printer("press", printos="active")["printos"] == "active"
        assert printos.cloud.report()["devices"][0]["status"] == words[0]
    report = printos.cloud.report()
    printos.stop()
    press.stop()
    assert (report["administrator_logins"], report["device_logins"], report["refused"]) == (1, 1, [])
    assert report["devices"][0]["status"] == words[1]
