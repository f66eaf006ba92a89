"""What people report of other print agents, tried on ours: a real agent, a real broker, and printers in trouble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers.ipp import Ipp
from agent.http import HttpClient
from agent.simulator.pdf import write_pdf
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.ipp_parts import Notes, make_job
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser, pdf_ticket
from tests.printerbox import ippeveprinter
from tests.running_agent import RunningAgent

PRINTED = write_pdf("In trouble", pages=2)


def an_agent(folder: Path, broker: Mosquitto, uri: str, version: str = "5") -> RunningAgent:
    """Give an agent with a printer called desk."""
    printers = [{"alias": "desk", "uris": [uri]}]
    return RunningAgent(folder / "agent", printers=printers, mqtt={"port": broker.port, "version": version})


def nobody() -> str:
    """Give the URI of a printer that is off."""
    return f"ipp://127.0.0.1:{free_port()}/ipp/print"


def script(folder: Path, *lines: str) -> str:
    """Write a command for ippeveprinter."""
    command = folder / "command"
    command.write_text("\n".join(("#!/bin/sh", *lines, "")))
    command.chmod(0o755)
    return str(command)


def test_a_job_goes_on_by_itself_when_the_jam_is_cleared_and_prints_once(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, press: SimulatedPrinter
) -> None:
    """A jam is the printer's own affair: told, waited for, and no reason to send anything again."""
    with an_agent(tmp_path, broker, press.ready_line()["http_url"]) as agent:
        agent.connected()
        press.engine.jam()
        user.publish("printers/desk/print", pdf_ticket(PRINTED, id="jammed"))
        user.hear_job("jammed", "processing-stopped")
        press.engine.clear()
        assert user.hear_job("jammed", "completed")["attempts"] == 1
    assert len(press.engine.history()) == 1


def test_a_job_is_cancelled_with_the_printer_gone_and_is_not_printed_when_it_comes_back(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """Also not by the agent's next start; the job behind it prints."""
    port = free_port()
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", port=port, seconds_per_page=0.01))
    with an_agent(tmp_path, broker, f"http://127.0.0.1:{port}") as agent:
        agent.connected()
        for job_id in ("unwanted", "wanted"):
            user.publish("printers/desk/print", pdf_ticket(PRINTED, id=job_id))
            user.hear_job(job_id, "pending")
        user.publish("jobs/unwanted/cmd/cancel", {})
        user.hear_job("unwanted", "canceled")
        agent.kill()
        press.start()
        agent.start()
        user.hear_job("wanted", "completed")
    press.stop()
    assert len(press.engine.history()) == 1


def test_one_bad_job_does_not_stop_the_queue_behind_it(tmp_path: Path, broker: Mosquitto, user: MqttUser) -> None:
    """A document that the printer's own interpreter chokes on is told as aborted, once, and the next one prints."""
    command = script(tmp_path, 'case "$IPP_JOB_NAME" in bad*) exit 1;; esac')
    with ippeveprinter(tmp_path / "spool", command=command) as printer:
        with an_agent(tmp_path, broker, printer.uri) as agent:
            agent.connected()
            user.publish("printers/desk/print", pdf_ticket(PRINTED, id="bad", name="bad"))
            user.publish("printers/desk/print", pdf_ticket(PRINTED, id="good", name="good"))
            assert user.hear_job("bad", "completed", "aborted")["state"] == "aborted"
            assert user.hear_job("good", "completed", "aborted")["state"] == "completed"
        assert len(printer.documents()) == 2


def test_a_printer_that_is_busy_with_others_prints_several_copies_once(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """However often it says busy, there is one job, of as many copies as were asked for."""
    spool, release = tmp_path / "spool", tmp_path / "release"
    wait = f"while ! test -e {release}; do sleep 0.05; done"
    command = script(tmp_path, f"echo $IPP_COPIES $IPP_JOB_ORIGINATING_USER_NAME >> {spool}/printed.txt", wait)
    http = HttpClient()
    with ippeveprinter(spool, command=command) as printer, an_agent(tmp_path, broker, printer.uri) as agent:
        agent.connected()
        Ipp(printer.uri, http=http).print_job(replace(make_job(tmp_path, "theirs"), user="others"), Notes())
        user.publish("printers/desk/print", pdf_ticket(PRINTED, id="copies", copies=3, user="ours"))
        user.hear_job("copies", "pending")
        agent.until("a busy answer", lambda: "server-error-busy" in printer.log.read_text())
        release.touch()
        assert user.hear_job("copies", "completed", "aborted")["state"] == "completed"
        lines = (spool / "printed.txt").read_text().splitlines()
    http.close()
    assert [line for line in lines if line.endswith("ours")] == ["3 ours"]


def test_a_held_job_expires_also_while_the_agent_is_off(tmp_path: Path, broker: Mosquitto, user: MqttUser) -> None:
    """Nobody came for it in time: it is told, and a late release prints nothing."""
    with an_agent(tmp_path, broker, nobody()) as agent:
        agent.connected()
        user.publish("printers/desk/print", pdf_ticket(PRINTED, id="held", hold=True, expires_in=1))
        user.hear_job("held", "pending-held")
        agent.kill()
        agent.start()
        assert user.hear_job("held", "aborted")["state_reasons"] == ["agent-expired"]
        user.publish("jobs/held/cmd/release", {})
        refusal = user.hear("bridge/event/refused", lambda message: message.content["id"] == "held").content
        assert refusal["reason"] == "agent-conflict"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_retained_command_is_not_done_again_at_each_subscribe(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, version: str
) -> None:
    """With 5 it is never done; with 3.1.1 the live one is, and not the copy that comes after the agent's next start."""
    with an_agent(tmp_path, broker, nobody(), version) as agent:
        agent.connected()
        user.publish("printers/desk/cmd/pause", {}, "-r", version=version)
        if version == "5":
            user.hear("bridge/event/refused", lambda message: message.content["reason"] == "agent-retained")
        else:
            agent.printer("desk", accepting_jobs=False)
        agent.run_json("printers", "resume", "desk")
        agent.kill()
        agent.start()
        agent.connected()
        user.publish("jobs/marker/cmd/cancel", {})
        user.hear("bridge/event/refused", lambda message: message.content["id"] == "marker")
        user.publish("printers/desk/print", pdf_ticket(PRINTED, id="label"))
        agent.until("a try", lambda: "agent-printer-unreachable" in agent.ask("jobs.show", id="label")["state_reasons"])
