"""The main job from one end to the other, on simulators, told as it happens.

A broker, PrintOS and three printers of different kinds run as real servers on loopback, and the agent as its own
process, asked and told through its command line and MQTT as a user would. The printers are found in three ways: an IPP
printer by mDNS, a legacy press by the SNMP sweep, and an HP REST press by its address in agent.toml.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.cli.output import progress, show_json, table
from agent.config import load_config
from agent.errors import AgentError
from agent.http import HttpClient
from agent.simulator.broker import start_broker
from agent.simulator.pdf import write_pdf
from agent.simulator.processes import AgentCommand, ask_agent, wait_for
from agent.simulator.publisher import Publisher

PAGES = 4
SECONDS_PER_PAGE = "0.1"
LOGIN, PASSWORD = "admin@demo.example", "demo password"
JOB_SECONDS = 30.0
REST_PORT = 8080
RAW_PORT = 9100
ROUNDS = 2
LOGINS_PER_DEVICE = 3
"""At activation, after the expiry, after the restart."""
FINAL_STATES = ("completed", "canceled", "aborted")
LOG_TAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Stand:
    """One printer of the demo: how it is pretended, found, and known to PrintOS."""

    alias: str
    kind: str
    host: str
    port: int
    serial: str
    found_by: str
    printos: tuple[str, str]


STANDS = (
    Stand("office", "ipp", "127.0.77.1", 0, "DEMOIPP1", "mDNS", ("IndigoPress", "HP Indigo 12000 Digital Press")),
    Stand("press", "hp-rest", "127.0.77.2", REST_PORT, "DEMOREST1", "agent.toml", ("IHPSPress", "HP T300M")),
    Stand("plotter", "raw", "127.0.77.3", RAW_PORT - 1, "DEMORAW1", "SNMP", ("RIP", "CloudEnabledColorDeviceV1")),
)

AGENT_TOML = """\
[agent]
id = "demo"
state_dir = "{folder}/state"
[discovery]
subnets = ["127.0.77.0/28"]
interval = 10
[snmp]
port = {snmp_port}
[mqtt]
host = "{broker.host}"
port = {broker.port}
version = "{broker.version}"
[printos]
base_url = "{platform_url}"
status_interval = 2
"""
PRINTER_TOML = """\
[[printer]]
{match}
alias = "{stand.alias}"
printos_type = "{stand.printos[0]}"
printos_model = "{stand.printos[1]}"
"""


@dataclass
class Tally:
    """What was sent and what came of it."""

    sent: dict[str, list[str]] = field(default_factory=lambda: {stand.alias: [] for stand in STANDS})
    jobs: list[Mapping[str, Any]] = field(default_factory=list)


class Demo:
    """The agent and all that it works with, as child processes."""

    def __init__(self, folder: Path, opened: contextlib.ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        self._config = folder / "agent.toml"
        self._http = HttpClient()
        self._tally = Tally()
        self._started_at = time.monotonic()
        self._agent = AgentCommand("--config", self._config, "run", log=folder / "agent.log")

    def run(self) -> dict[str, Any]:
        """Play the whole story and give what is counted.

        Raises:
            AgentError: some part of it did not happen in time.
        """
        self._start_servers()
        self._start_agent()
        self._activate()
        self._print_round("first")
        self._expire_sessions()
        self._restart_agent_with_jobs_waiting()
        return self._compare()

    def _start_servers(self) -> None:
        self._say("starting a broker, PrintOS and three printers")
        self._broker = start_broker(self._folder)
        self._opened.callback(self._broker.stop)
        self._tell("broker", f"{self._broker.name} at {self._broker.host}:{self._broker.port}")
        password_file = self._folder / "admin-password"
        password_file.write_text(PASSWORD)
        arguments = ("--port", "0", "--admin-login", LOGIN, "--admin-password-file", password_file)
        cloud = self._start("printos", *arguments)
        printers = {stand.alias: self._start_printer(stand) for stand in STANDS}
        printos = cloud.ready()
        self._printos_url = printos["platform_url"].removesuffix("/platform")
        self._tell("PrintOS", printos["platform_url"])
        self._ready = {stand.alias: self._meet_printer(stand, printers[stand.alias]) for stand in STANDS}
        self._config.write_text(self._agent_toml(printos["platform_url"]))

    def _start_printer(self, stand: Stand) -> AgentCommand:
        keep = self._folder / stand.alias
        return self._start(
            "printer", "--kind", stand.kind, "--host", stand.host, "--port", str(stand.port), "--serial", stand.serial,
            "--keep", keep, "--seconds-per-page", SECONDS_PER_PAGE, name=stand.alias,
        )  # fmt: skip

    def _meet_printer(self, stand: Stand, printer: AgentCommand) -> Mapping[str, Any]:
        ready = printer.ready()
        where = ready.get("ipp_uri") or ready.get("http_url") or ready["raw_uri"]
        self._tell(stand.alias, f"{ready['make_and_model']} at {where}")
        return ready

    def _start(self, what: str, *arguments: str | Path, name: str | None = None) -> AgentCommand:
        """Start a simulator; they all start at the same time, and `ready` waits for one."""
        child = AgentCommand("simulate", what, *arguments, log=self._folder / f"{name or what}.log")
        child.start()
        self._opened.callback(child.stop)
        return child

    def _agent_toml(self, platform_url: str) -> str:
        rest = self._ready["press"]["http_url"]
        matches = {stand.alias: f'serial = "{stand.serial}"' for stand in STANDS} | {"press": f'uris = ["{rest}"]'}
        head = AGENT_TOML.format(
            folder=self._folder, snmp_port=RAW_PORT - 1, broker=self._broker, platform_url=platform_url
        )
        return head + "".join(PRINTER_TOML.format(match=matches[stand.alias], stand=stand) for stand in STANDS)

    def _start_agent(self) -> None:
        self._say("starting the agent, which looks for printers by mDNS, SNMP and its configuration")
        self._agent.start()
        self._opened.callback(self._agent.stop)
        wait_for("the agent", self._config.parent.joinpath("state", "agent.sock").exists)
        seen: set[str] = set()
        wait_for("three printers", lambda: self._all_found(seen))

    def _all_found(self, seen: set[str]) -> bool:
        for printer in self._printers():
            if printer["online"] and printer["alias"] not in seen:
                seen.add(printer["alias"])
                stand = next(stand for stand in STANDS if stand.alias == printer["alias"])
                drivers = f"status by {printer['status_driver']}, printing by {printer['print_driver']}"
                self._tell(stand.alias, f"{printer['make_and_model']}, found by {stand.found_by}; {drivers}")
        return len(seen) >= len(STANDS)

    def _activate(self) -> None:
        self._say("approving the printers, and creating their PrintOS devices with one login of the administrator")
        for stand in STANDS:
            self._ask("printers", "approve", stand.alias)
        for row in self._ask("activate", "--login", LOGIN, "--password-stdin", text=f"{PASSWORD}\n"):
            self._tell(row.get("name") or row["printer"], f"{row['result']} {row.get('message') or ''}")
        wait_for("a status of every device", lambda: self._report()["status_updates"] >= len(STANDS))

    def _print_round(self, name: str) -> None:
        self._say(f"printing a PDF of {PAGES} pages on each printer by MQTT")
        with self._publisher() as publisher:
            tickets = self._publish(publisher, name)
            self._follow(publisher, tickets)

    def _expire_sessions(self) -> None:
        self._say("PrintOS ends all sessions: the next status of each device takes one new login, and only one")
        before = self._report()
        self._http.request("POST", f"{self._printos_url}/simulator/expire-sessions")
        wanted = before["device_logins"] + len(STANDS), before["status_updates"] + len(STANDS)

        def recovered() -> bool:
            report = self._report()
            return bool(report["device_logins"] >= wanted[0] and report["status_updates"] >= wanted[1])

        wait_for("a new session of every device", recovered)
        self._tell("PrintOS", f"{self._report()['status_updates']} statuses, {self._report()['device_logins']} logins")

    def _restart_agent_with_jobs_waiting(self) -> None:
        """Print while the agent is down, where the broker can keep that; amqtt forgets sessions."""
        keeps = self._broker.name == "mosquitto"
        self._say("stopping the agent" + ("; three PDFs are published while it is away" if keeps else ""))
        with self._publisher() as publisher:
            self._agent.stop()
            tickets = self._publish(publisher, "second") if keeps else {}
            self._say("starting the agent again")
            self._agent.start()
            wait_for("the agent's broker session", self._is_connected)
            self._follow(publisher, tickets or self._publish(publisher, "second"))

    def _publish(self, publisher: Publisher, name: str) -> dict[str, str]:
        tickets = {}
        for stand in STANDS:
            document = write_pdf(f"{name} document for {stand.alias}", pages=PAGES)
            job_id = f"{name}-{stand.alias}"
            data = {"data": base64.b64encode(document).decode()}
            publisher.publish(stand.alias, {"id": job_id, "name": f"{name}.pdf", "document": data})
            self._tally.sent[stand.alias].append(hashlib.sha256(document).hexdigest())
            tickets[job_id] = stand.alias
        return tickets

    def _follow(self, publisher: Publisher, tickets: Mapping[str, str]) -> None:
        told: dict[str, int] = {}

        def all_ended() -> bool:
            jobs = [job for job in map(publisher.job, tickets) if job is not None]
            for job in jobs:
                if told.get(job["id"]) != job["revision"]:
                    told[job["id"]] = job["revision"]
                    self._tell(job["id"], _told(job))
            return len(jobs) == len(tickets) and all(job["state"] in FINAL_STATES for job in jobs)

        wait_for("the end of every job", all_ended, JOB_SECONDS)
        self._tally.jobs += [job for job in map(publisher.job, tickets) if job is not None]

    def _compare(self) -> dict[str, Any]:
        self._say("comparing what was sent with what each printer received")
        identical = True
        for stand in STANDS:
            received = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in self._documents(stand))
            is_same = received == sorted(self._tally.sent[stand.alias])
            identical &= is_same
            self._tell(
                stand.alias, f"{len(received)} documents, {'identical, each once' if is_same else 'NOT the same'}"
            )
        printers = self._printers()
        self._agent.stop()
        report = self._report()
        return {
            "discovered": sum(printer["online"] for printer in printers),
            "provisioned": sum(printer["printos"] == "active" for printer in printers),
            "status_updates": report["status_updates"],
            "logins": report["device_logins"],
            "jobs_completed": sum(job["state"] == "completed" for job in self._tally.jobs),
            "documents_identical": identical,
            "seconds": round(time.monotonic() - self._started_at, 1),
        }

    def _documents(self, stand: Stand) -> list[Path]:
        return [path for path in (self._folder / stand.alias).iterdir() if path.is_file()]

    @contextlib.contextmanager
    def _publisher(self) -> Iterator[Publisher]:
        config = load_config(self._config)
        publisher = Publisher(settings=config.mqtt, base_topic=config.mqtt.base_topic)
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.stop()

    def _printers(self) -> list[dict[str, Any]]:
        """Ask for the demo's own printers; whatever else announces itself on this machine has no alias."""
        return [printer for printer in self._ask("printers") if printer["alias"]]

    def _is_connected(self) -> bool:
        with contextlib.suppress(AgentError):
            return bool(self._ask("status")["broker"]["state"] == "connected")
        return False

    def _ask(self, *arguments: str, text: str | None = None) -> Any:
        return ask_agent(self._config, *arguments, text=text)

    def _report(self) -> dict[str, Any]:
        answer = self._http.request("GET", f"{self._printos_url}/simulator/report")
        report: dict[str, Any] = json.loads(answer.body)
        return report

    def _say(self, text: str) -> None:
        progress(f"\n[{time.monotonic() - self._started_at:4.1f} s] {text}")

    def _tell(self, who: str, what: str) -> None:
        progress(f"         {who:16} {what}")


def _told(job: Mapping[str, Any]) -> str:
    pages = job["impressions_completed"]
    facts = [job["state"], ", ".join(job["state_reasons"]), f"{pages} of {PAGES} pages" if pages else ""]
    return "  ".join(filter(None, facts))


def run(*, as_json: bool) -> int:
    """Run the demo; gives 0 only if every printer was found and provisioned and every document arrived whole, once."""
    with tempfile.TemporaryDirectory(prefix="printos-agent-demo-") as name, contextlib.ExitStack() as opened:
        demo = Demo(Path(name), opened)
        try:
            counted = demo.run()
        except AgentError as error:
            log = Path(name, "agent.log")
            tail = log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:] if log.exists() else ""
            raise AgentError(f"the demo failed: {error}\n{tail}".strip()) from error
    if as_json:
        show_json(counted)
    else:
        print(f"\n{table(['what', 'count'], [[name.replace('_', ' '), value] for name, value in counted.items()])}")
    return 0 if is_right(counted) else 1


def is_right(counted: Mapping[str, Any]) -> bool:
    """Whether what was counted is all of the main job: no login but one a device, an expiry and a restart."""
    return bool(
        counted["discovered"] == counted["provisioned"] == len(STANDS)
        and counted["jobs_completed"] == ROUNDS * len(STANDS)
        and counted["documents_identical"]
        and counted["logins"] == LOGINS_PER_DEVICE * len(STANDS)
        and counted["status_updates"] >= counted["logins"]
    )
