"""Cables that fail between agent, broker and printer: nothing is lost, nothing comes out twice, nothing is claimed.

The broker or the printer is real, at the far end of a cable of its own, where nftables makes the faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.cable import cable
from tests.crash.campaign import campaign
from tests.crash.documents import make_document
from tests.crash.verdict import PRINTERS, Printer
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser
from tests.printerbox import PORT, PrinterBox, ippeveprinter, printing_to
from tests.running_agent import RunningAgent

TOPIC = "printers/desk/print"
FINAL = ("completed", "aborted", "canceled")
LARGE_BYTES = 6 << 20
DOCUMENT = make_document(1, LARGE_BYTES)
MIDWAY = "quota over 1 mbytes"
"""So much of the document comes through before the cable fails."""


@dataclass(frozen=True)
class Fault:
    """What nftables does to what comes in at the far end, and to what goes out there."""

    input: str
    output: str = ""


AT_BROKER = {
    "drop": Fault("tcp dport {port} drop", "tcp sport {port} drop"),
    "reset": Fault("tcp dport {port} reject with tcp reset"),
    "half open": Fault("tcp dport {port} ct state established drop", "tcp sport {port} ct state established drop"),
}
MID_DOCUMENT = {
    "drop": Fault(f"tcp dport {PORT} {MIDWAY} drop"),
    "half open": Fault(f"tcp dport {PORT} ct state established {MIDWAY} drop", f"tcp sport {PORT} {MIDWAY} drop"),
}


@pytest.mark.parametrize("kind", AT_BROKER)
def test_tickets_that_meet_a_dead_cable_to_the_broker_print_once(tmp_path: Path, kind: str) -> None:
    """Published before, during and after; the agent's side alone is cut off."""
    fault, port, keep = AT_BROKER[kind], free_port(), tmp_path / "printed"
    printer = SimulatedPrinter(PrinterOptions(kind="raw", keep=keep, mdns=False, seconds_per_page=0.01))
    printer.start()
    with cable() as line:
        second = f"listener {port} {line.host}\nallow_anonymous true"
        with Mosquitto(tmp_path / "broker", persistence=True, line=line, extra=second) as broker:
            agent = RunningAgent(
                tmp_path / "agent",
                printers=[{"alias": "desk", "uris": [printer.ready_line()["raw_uri"]]}],
                mqtt={"host": broker.host, "port": broker.port},
            )
            with MqttUser(("-h", broker.host, "-p", str(port)), agent.base_topic) as user, agent:
                agent.connected()
                for number, act in enumerate([_nothing, lambda: _fail(line, fault, broker.port), line.mend]):
                    act()
                    for document in (2 * number, 2 * number + 1):
                        user.publish(
                            TOPIC,
                            make_document(document, 5_000),
                            "-D",
                            "publish",
                            "user-property",
                            "id",
                            f"job-{document}",
                        )
                told = {document: user.hear_job(f"job-{document}", *FINAL)["state"] for document in range(6)}
    printer.stop()
    assert set(told.values()) == {"completed"}
    assert sorted(path.read_bytes() for path in keep.iterdir()) == [make_document(it, 5_000) for it in range(6)]


def _nothing() -> None:
    """Let all be well."""


def _fail(line: Any, fault: Fault, port: int) -> None:
    line.fail(fault.input.format(port=port), fault.output.format(port=port))


@contextmanager
def at_a_printer(folder: Path) -> Iterator[tuple[RunningAgent, PrinterBox, Callable[[], list[int]]]]:
    """Run an agent without a broker and a real printer; the callable gives the sizes of what came out."""
    printed = folder / "printed"
    with (
        ippeveprinter(folder / "printer", command=printing_to(printed)) as printer,
        RunningAgent(folder / "agent", printers=[{"alias": "desk", "uris": [printer.uri]}]) as agent,
    ):
        agent.printer("desk", online=True)
        yield agent, printer, lambda: sorted(path.stat().st_size for path in printed.iterdir())


def submit(agent: RunningAgent, folder: Path, printer: PrinterBox) -> str:
    """Give the agent a large document and return the job's id once the printer has a part of it."""
    document = folder / "large.pdf"
    document.write_bytes(DOCUMENT)
    job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
    agent.until("the transfer", lambda: printer.documents() and printer.documents()[0].stat().st_size)
    return str(job_id)


@pytest.mark.parametrize("kind", ["drop", "half open", "reset"])
def test_a_cable_that_fails_mid_document_and_is_mended_prints_it_whole_and_once(tmp_path: Path, kind: str) -> None:
    """A megabyte came through before; whether the agent noticed or not, nothing comes out twice or in part."""
    fault = MID_DOCUMENT["drop" if kind == "reset" else kind]
    with at_a_printer(tmp_path) as (agent, printer, came_out):
        printer.cable.fail(fault.input, fault.output)
        job_id = submit(agent, tmp_path, printer)
        if kind == "reset":
            printer.cable.reset(PORT)
        printer.cable.mend()
        assert agent.job(job_id, *FINAL, "pending-held")["state"] == "completed"
        assert came_out() == [LARGE_BYTES]


def test_a_printer_that_hangs_mid_document_prints_it_whole_and_once(tmp_path: Path) -> None:
    """Its system takes what fits into its buffers, and no more, until it goes on."""
    with at_a_printer(tmp_path) as (agent, printer, came_out):
        printer.cable.fail(MID_DOCUMENT["drop"].input)
        job_id = submit(agent, tmp_path, printer)
        printer.hang()
        printer.cable.mend()
        printer.go_on()
        assert agent.job(job_id, *FINAL, "pending-held")["state"] == "completed"
        assert came_out() == [LARGE_BYTES]


@pytest.mark.parametrize("is_unplugged", [False, True], ids=["switched off", "power cut"])
def test_of_a_printer_that_goes_off_mid_document_a_person_is_told(tmp_path: Path, is_unplugged: bool) -> None:
    """On again it has forgotten its jobs, which proves nothing: it may have printed what it had."""
    with at_a_printer(tmp_path) as (agent, printer, came_out):
        printer.cable.fail(MID_DOCUMENT["drop"].input)
        job_id = submit(agent, tmp_path, printer)
        if is_unplugged:
            printer.cable.pull()
        printer.stop()
        printer.cable.mend()
        if is_unplugged:
            printer.cable.plug()
        printer.start()
        assert agent.job(job_id, *FINAL, "pending-held")["state_reasons"] == ["agent-outcome-unknown"]
        assert came_out() == []


@pytest.mark.parametrize("kind", PRINTERS)
def test_a_printer_switched_off_and_on_under_load_loses_and_doubles_nothing(tmp_path: Path, kind: Printer) -> None:
    """It counts its jobs anew, and is not believed about another's; what is in doubt is told."""
    with campaign(tmp_path, seed=3) as it:
        it.start()
        it.restart_printer(kind)
        evidence = it.finish()
    verdict = evidence.verdict()
    assert (verdict.lost, verdict.doubled, verdict.falsely_completed) == (0, 0, 0), evidence.table()
    assert verdict.jobs > verdict.told_unknown
