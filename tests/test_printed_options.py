"""Every option of a ticket, from the MQTT message to what the printer received: a real one's attributes, PJL, REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from agent.simulator.personality import Kind
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options, pdf_ticket
from tests.printerbox import PrinterBox, ippeveprinter
from tests.running_agent import RunningAgent

PRINTED = write_pdf("Every option", pages=8)
ABLE = """
ATTR mimeMediaType document-format-supported application/pdf
ATTR mimeMediaType document-format-default application/pdf
ATTR rangeOfInteger copies-supported 1-99
ATTR keyword sides-supported one-sided,two-sided-long-edge,two-sided-short-edge
ATTR keyword media-supported iso_a4_210x297mm,iso_a5_148x210mm
ATTR keyword media-default iso_a4_210x297mm
ATTR keyword print-color-mode-supported auto,color,monochrome
ATTR boolean page-ranges-supported true
ATTR enum print-quality-supported 3,4,5
ATTR enum finishings-supported 3,4,20
ATTR integer job-priority-supported 100
"""
PLAIN = """
ATTR mimeMediaType document-format-supported application/pdf
ATTR mimeMediaType document-format-default application/pdf
ATTR rangeOfInteger copies-supported 1-1
ATTR keyword sides-supported one-sided
ATTR keyword media-supported iso_a4_210x297mm
ATTR keyword media-default iso_a4_210x297mm
ATTR keyword print-color-mode-supported auto
ATTR boolean page-ranges-supported false
ATTR enum print-quality-supported 4
ATTR enum finishings-supported 3
"""
OPTIONS: dict[str, tuple[Any, str]] = {
    "copies": (3, "COPIES=3"),
    "sides": ("two-sided-short-edge", "SIDES=two-sided-short-edge"),
    "media": ("iso_a5_148x210mm", "MEDIA=iso_a5_148x210mm"),
    "color_mode": ("monochrome", "PRINT_COLOR_MODE=monochrome"),
    "page_ranges": ("1-3,7", "PAGE_RANGES=1-3,7-7"),
    "print_quality": ("draft", "PRINT_QUALITY=draft"),
    "finishings": (["staple"], "FINISHINGS=staple"),
    "priority": (80, "JOB_PRIORITY=80"),
}
PRESS = {
    "copies": 3, "sides": "two-sided-short-edge", "media": "iso_a5_148x210mm", "print-color-mode": "monochrome",
    "page-ranges": "1-3,7-7", "print-quality": "draft", "finishings": "staple",
}  # fmt: skip
PJL = {
    "COPIES": "3", "DUPLEX": "ON", "BINDING": "SHORTEDGE", "PAPER": "A5", "RENDERMODE": "GRAYSCALE", "ECONOMODE": "ON",
    "copies": 3, "print-color-mode": "monochrome",
}  # fmt: skip
ASKED = {option: value for option, (value, _) in OPTIONS.items()}
ATTRIBUTES = {attribute for _, attribute in OPTIONS.values()}


@dataclass(frozen=True)
class Site:
    """An agent with a real printer, and a device that prints by it."""

    user: MqttUser
    printer: PrinterBox

    def received(self, job_id: str, **keys: Any) -> tuple[dict[str, Any], set[str]]:
        """Print a ticket; gives its job at the end, and those job attributes that a ticket's options become."""
        self.user.publish("printers/desk/print", pdf_ticket(PRINTED, id=job_id, **keys))
        job = self.user.hear_job(job_id, "completed", "aborted", "canceled")
        told = self.printer.spool / f"{job['device_job_id']}.env"
        lines = told.read_text().splitlines() if told.exists() else []
        names = {attribute.partition("=")[0] for attribute in ATTRIBUTES}
        attributes = {line.removeprefix("IPP_") for line in lines if line.startswith("IPP_")}
        return job, {attribute for attribute in attributes if attribute.partition("=")[0] in names}


@pytest.fixture(scope="module")
def able(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site whose printer can do everything."""
    with a_site(tmp_path_factory.mktemp("able"), ABLE) as site:
        yield site


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site whose printer prints A4 on one side, and nothing else."""
    with a_site(tmp_path_factory.mktemp("plain"), PLAIN) as site:
        yield site


@contextmanager
def a_site(folder: Path, attributes: str) -> Iterator[Site]:
    """Run a printer that says this of itself and writes down what it is given, and an agent at a real broker."""
    command, told, spool = folder / "command", folder / "attributes", folder / "spool"
    told.write_text(attributes)
    command.write_text(f"#!/bin/sh\nenv > {spool}/$IPP_JOB_ID.env\n")
    command.chmod(0o755)
    with Mosquitto(folder / "broker") as broker, ippeveprinter(spool, command=str(command), attributes=told) as printer:
        desk = {"alias": "desk", "uris": [printer.uri]}
        agent = RunningAgent(folder / "agent", printers=[desk], mqtt={"port": broker.port})
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            agent.printer("desk", online=True)
            yield Site(user, printer)


@pytest.mark.parametrize("option", list(OPTIONS))
def test_each_option_of_a_ticket_reaches_the_printer_and_nothing_that_was_not_asked_for(
    able: Site, option: str
) -> None:
    """Alone, as the attribute that the printer received."""
    value, attribute = OPTIONS[option]
    job, received = able.received(f"only-{option}", **{option: value})
    assert (job["state"], received) == ("completed", {attribute})


@pytest.mark.parametrize("fidelity", ["strict", "best-effort"])
def test_all_options_of_a_ticket_reach_the_printer_together(able: Site, fidelity: str) -> None:
    """None displaces another, and a printer that can do all of it is asked for all of it however strict one is."""
    job, received = able.received(f"all-{fidelity}", fidelity=fidelity, **ASKED)
    assert (job["state"], received) == ("completed", ATTRIBUTES)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "priority"])
def test_strict_refuses_each_option_that_the_printer_can_not_do_and_names_it(plain: Site, option: str) -> None:
    """Before it is sent."""
    job, received = plain.received(f"strict-{option}", **{option: ASKED[option]})
    assert (job["state"], job["device_job_id"], received) == ("aborted", None, set())
    assert option.replace("color_mode", "print-color-mode").replace("_", "-") in job["message"]


def test_best_effort_prints_without_the_options_that_the_printer_can_not_do_and_lists_them(plain: Site) -> None:
    """All of them left out at once, and named beside what the printer says; a priority is what this one can do."""
    job, received = plain.received("best-effort", fidelity="best-effort", **ASKED)
    assert (job["state"], received) == ("completed", {"JOB_PRIORITY=80"})
    assert "agent-option-ignored" in job["state_reasons"]
    for name in ("copies", "sides", "media", "print-color-mode", "page-ranges", "print-quality", "finishings"):
        assert name in job["message"]


@pytest.mark.parametrize(("kind", "place", "expected"), [("hp-rest", "http_url", PRESS), ("raw", "raw_uri", PJL)])
def test_the_options_of_a_ticket_reach_a_printer_that_speaks_no_ipp(
    tmp_path: Path, kind: Kind, place: str, expected: dict[str, Any]
) -> None:
    """In the words of HP's REST interface, or of PJL, which knows neither page ranges nor finishings."""
    printer = SimulatedPrinter(PrinterOptions(kind=kind, seconds_per_page=0.01))
    printer.start()
    desk = {"alias": "desk", "uris": [printer.ready_line()[place]], **({"raw": "pjl"} if kind == "raw" else {})}
    with Mosquitto(tmp_path / "broker") as broker:
        agent = RunningAgent(tmp_path / "agent", printers=[desk], mqtt={"port": broker.port})
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            user.publish("printers/desk/print", pdf_ticket(PRINTED, id="all", fidelity="best-effort", **ASKED))
            user.hear_job("all", "completed")
    printer.stop()
    (job,) = printer.engine.history()
    assert dict(job.options) == expected
