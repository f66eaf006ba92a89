"""What an outage or a crash does to the main job: nothing is lost, nothing prints twice, and the rest goes on.

The agent is a process of its own, killed as by a power cut; the broker is a Mosquitto that keeps its sessions.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Self

import pytest

from agent.simulator.pdf import write_pdf
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser, broker_options, pdf_ticket
from tests.running_agent import RunningAgent

PDF = write_pdf("What must not be lost", pages=1)
ADMIN_LOGIN, ADMIN_PASSWORD = "boss@example.com", "correct horse"
TOPIC = "printers/desk/print"
FINAL = ("completed", "aborted", "canceled")
LARGE = b"%PDF-1.4\n" + bytes(24 << 20)
"""More than the sockets of both ends hold."""


class SlowSink:
    """A port 9100 that takes a document only when it is told to; until then its sender is stuck in the middle of it."""

    def __init__(self) -> None:
        self.documents: list[int] = []
        self.is_sent_to = threading.Event()
        self.may_read = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="slow-sink", daemon=True)

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Begin to take connections."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Take no more."""
        self.may_read.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if not connection.recv(1, socket.MSG_PEEK):
            return  # somebody looked whether the port is open
        self.is_sent_to.set()
        self.may_read.wait(30)
        size = 0
        try:
            while block := connection.recv(1 << 20):
                size += len(block)
        except ConnectionError:
            size = -size
        self.documents.append(size)


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    """Give an IPP printer that keeps its documents, with a power switch."""
    it = SimulatedPrinter(PrinterOptions(kind="ipp", keep=tmp_path / "printed", mdns=False, seconds_per_page=0.01))
    it.start()
    yield it
    it.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a broker that keeps its sessions over a restart, and any number of messages."""
    with Mosquitto(tmp_path / "broker", persistence=True, extra="max_queued_messages 0") as it:
        yield it


@contextmanager
def at_work(folder: Path, broker: Mosquitto, *uris: str) -> Iterator[tuple[RunningAgent, MqttUser]]:
    """Run an agent with one printer, called desk, and a user of the same broker."""
    agent = RunningAgent(folder / "agent", printers=[{"alias": "desk", "uris": uris}], mqtt={"port": broker.port})
    with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
        agent.connected()
        yield agent, user


def printed(printer: SimulatedPrinter) -> list[str]:
    """Name the jobs that a printer has printed."""
    return [job.name for job in printer.engine.history() if job.state.keyword == "completed"]


def ipp_uri(printer: SimulatedPrinter) -> str:
    """Give where a printer prints."""
    return str(printer.ready_line()["ipp_uri"])


def test_an_agent_starts_without_broker_and_printer_and_takes_up_each_as_it_comes(
    tmp_path: Path, broker: Mosquitto, printer: SimulatedPrinter
) -> None:
    """What is printed by the command line meanwhile waits, and is told when there is somebody to tell."""
    uri = ipp_uri(printer)
    printer.stop()
    broker.stop()
    agent = RunningAgent(tmp_path / "agent", printers=[{"alias": "desk", "uris": [uri]}], mqtt={"port": broker.port})
    document = tmp_path / "order.pdf"
    document.write_bytes(PDF)
    with agent:
        job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
        assert agent.job(job_id, "pending")["state_reasons"] in ([], ["agent-printer-unreachable"])
        printer.start()
        agent.job(job_id, "completed")
        broker.start()
        with MqttUser(broker_options(broker.port), agent.base_topic) as user:
            assert user.hear_job(job_id, "completed")["device_job_id"]


def test_tickets_published_while_the_agent_is_away_print_even_if_the_broker_restarts(
    tmp_path: Path, broker: Mosquitto, printer: SimulatedPrinter
) -> None:
    """The broker keeps the agent's session on its disk; the agent asks for it again."""
    with at_work(tmp_path, broker, ipp_uri(printer)) as (agent, user):
        agent.kill()
        user.publish(TOPIC, pdf_ticket(PDF, id="before"))
        broker.stop()
        broker.start()
        user.publish(TOPIC, pdf_ticket(PDF, id="after"))
        agent.start()
        for job_id in ("before", "after"):
            agent.job(job_id, "completed")
    assert len(printed(printer)) == 2


def test_a_broker_that_goes_and_comes_back_is_connected_to_again(
    tmp_path: Path, broker: Mosquitto, printer: SimulatedPrinter
) -> None:
    """A ticket published before the agent is back is not lost, and what is retained is told anew."""
    with at_work(tmp_path, broker, ipp_uri(printer)) as (agent, user):
        broker.stop()
        agent.until("the loss", lambda: agent.ask("status")["broker"]["state"] == "disconnected")
        broker.start()
        user.publish(TOPIC, pdf_ticket(PDF, id="meanwhile"))
        agent.job("meanwhile", "completed")
        agent.until("online", lambda: (user.retained("bridge/state") or {})["state"] == "online")


def test_a_job_waits_for_a_printer_that_is_off_and_prints_once(
    tmp_path: Path, broker: Mosquitto, printer: SimulatedPrinter
) -> None:
    """It is told why it waits, once and not at every try."""
    with at_work(tmp_path, broker, ipp_uri(printer)) as (agent, user):
        printer.stop()
        user.publish(TOPIC, pdf_ticket(PDF, id="patient"))
        user.hear("jobs/patient", lambda message: message.content["state_reasons"] == ["agent-printer-unreachable"])
        agent.until("three tries", lambda: agent.ask("jobs.show", id="patient")["attempts"] >= 3)
        told = [message.content["state_reasons"] for message in user.heard("jobs/patient")]
        printer.start()
        assert user.hear_job("patient", *FINAL)["state"] == "completed"
    assert told.count(["agent-printer-unreachable"]) == 1
    assert len(printed(printer)) == 1


def test_printing_goes_on_while_printos_is_away_and_its_statuses_resume(tmp_path: Path) -> None:
    """Away in the middle or from the start: a device's credentials are kept, and one login is enough."""
    port, state_file = free_port(), tmp_path / "printos.json"
    printos = start_printos(port, state_file)
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", seconds_per_page=0.01))
    press.start()
    document = tmp_path / "order.pdf"
    document.write_bytes(PDF)
    agent = RunningAgent(
        tmp_path / "agent",
        printers=[{"alias": "press", "uris": [press.ready_line()["http_url"]], "printos_type": "IHPSPress"}],
        printos={"base_url": f"{printos.url}/platform"},
    )
    with agent:
        agent.printer("press", online=True, state="idle")
        agent.ask("printers.approve", id="press")
        agent.ask("activate", login=ADMIN_LOGIN, password=ADMIN_PASSWORD)
        printos.stop()
        agent.until("the outage", lambda: agent.ask("status")["printos"]["state"] == "away")
        assert agent.run_json("print", str(document), "--printer", "press", "--wait")["state"] == "completed"
        assert agent.stop() == 0
        agent.start()
        printos = start_printos(port, state_file)
        agent.until("a status", lambda: printos.cloud.report()["status_updates"])
        report = printos.cloud.report()
    printos.stop()
    press.stop()
    assert (report["device_logins"], report["administrator_logins"]) == (1, 0)


def test_an_accepted_job_survives_a_crash_and_prints_once(
    tmp_path: Path, broker: Mosquitto, printer: SimulatedPrinter
) -> None:
    """Killed between the acknowledgement and the delivery."""
    with at_work(tmp_path, broker, ipp_uri(printer)) as (agent, user):
        printer.stop()
        user.publish(TOPIC, pdf_ticket(PDF, id="accepted"))
        user.hear_job("accepted", "pending")
        agent.kill()
        agent.start()
        assert agent.job("accepted", "pending")["attempts"] >= 1
        printer.start()
        assert user.hear_job("accepted", *FINAL)["state"] == "completed"
    assert [job.sha256 for job in printer.engine.history()] == [sha256(PDF).hexdigest()]


def test_a_paused_printer_stays_paused_over_a_crash_and_its_job_waits(
    tmp_path: Path, printer: SimulatedPrinter
) -> None:
    """Until people resume it; what was held up then prints once."""
    document = tmp_path / "order.pdf"
    document.write_bytes(PDF)
    with at_rest(tmp_path, ipp_uri(printer)) as agent:
        agent.ask("printers.pause", id="desk")
        job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
        agent.kill()
        agent.start()
        agent.printer("desk", online=True)
        assert agent.job(job_id, "pending")["attempts"] == 0
        agent.ask("printers.resume", id="desk")
        agent.job(job_id, "completed")
    assert len(printed(printer)) == 1


@pytest.mark.parametrize(
    ("settle", "reason"), [("reprint", "queued-in-device"), ("confirm", "agent-confirmed-by-person")]
)
def test_a_job_of_unknown_outcome_waits_for_a_person(tmp_path: Path, settle: str, reason: str) -> None:
    """Killed while it sends to a printer that can't be asked: it isn't sent again by itself, nor by `release`."""
    document = tmp_path / "large.pdf"
    document.write_bytes(LARGE)
    with SlowSink() as sink, at_rest(tmp_path, sink.uri) as agent:
        job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
        assert sink.is_sent_to.wait(10)
        agent.job(job_id, "processing")
        agent.kill()
        sink.may_read.set()
        agent.start()
        assert agent.job(job_id, "pending-held")["state_reasons"] == ["agent-outcome-unknown"]
        assert agent.run("jobs", "release", job_id).returncode == 5
        assert agent.run("jobs", settle, job_id).returncode == 0
        assert reason in agent.job(job_id, *FINAL)["state_reasons"]
        whole = [size for size in sink.documents if size == len(LARGE)]
    assert len(whole) == (1 if settle == "reprint" else 0)


def test_a_job_that_is_being_sent_when_the_agent_is_stopped_is_sent_to_its_end(tmp_path: Path) -> None:
    """SIGTERM lets the transfer finish, and what came of it is on the disk."""
    document = tmp_path / "large.pdf"
    document.write_bytes(LARGE)
    with SlowSink() as sink, at_rest(tmp_path, sink.uri) as agent:
        job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
        assert sink.is_sent_to.wait(10)
        with ThreadPoolExecutor() as pool:
            ending = pool.submit(agent.stop)
            agent.until("the end to begin", lambda: "SIGTERM" in agent.log())
            sink.may_read.set()
            assert ending.result() == 0
        agent.until("the document", lambda: sink.documents == [len(LARGE)])
        assert agent.run_json("jobs", "show", job_id)["state"] == "completed"


@contextmanager
def at_rest(folder: Path, uri: str) -> Iterator[RunningAgent]:
    """Run an agent with one printer, called desk, and without a broker."""
    with RunningAgent(folder / "agent", printers=[{"alias": "desk", "uris": [uri]}]) as agent:
        yield agent


def start_printos(port: int, state_file: Path) -> PrintOSSimulator:
    """Run a PrintOS that remembers its devices from one start to the next."""
    options = PrintOSOptions(admin_login=ADMIN_LOGIN, admin_password=ADMIN_PASSWORD, port=port, state_file=state_file)
    printos = PrintOSSimulator(options)
    printos.start()
    return printos
