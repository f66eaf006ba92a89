"""The flood: one broker, an agent for each version of MQTT, and a count of what became of every message."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from agent.simulator.processes import AgentCommand, ask_agent, wait_for
from tests.benchmarks.neighbours import mosquitto
from tests.tickets.messages import messages
from tests.tickets.oracle import PRINTERS, Message, Version, hides_user, judge
from tests.tickets.wire import Connection

VERSIONS: tuple[Version, ...] = ("5", "3.1.1")
LEAD = 200
"""Messages that may be published and not yet answered: the brokers of real sites have limits."""

WARM_UP = 2000
"""Messages after which an agent has loaded and allocated what it ever needs."""

SILENCE_SECONDS = 60.0
SETTLE_SECONDS = 1.0
TAG = re.compile(r"m[0-9]+")
CONFIG = """
[agent]
id = "{name}"
state_dir = "{folder}/{name}"
[discovery]
mdns = false
snmp = false
[mqtt]
host = "127.0.0.1"
port = {port}
version = "{version}"
base_topic = "{name}"
[printos]
base_url = "http://127.0.0.1:9"
[[printer]]
alias = "{printer}"
uris = ["ipp://127.0.0.1:9/ipp/print"]
"""


@dataclass
class Figures:
    """What came out; `marks` are the megabytes of the larger agent after so many messages."""

    tickets: int
    refused: int = 0
    accepted: int = 0
    ignored: int = 0
    crashes: int = 0
    jobs_that_should_not_be: int = 0
    lost: int = 0
    wrongly_answered: int = 0
    unacknowledged: int = 0
    seconds: float = 0.0
    log_lines: int = 0
    marks: dict[int, float] = field(default_factory=dict)

    @property
    def memory_growth_mb(self) -> float:
        """What was added after the first tenth, or as many messages as warm an agent up."""
        sizes = [size for number, size in self.marks.items() if number >= WARM_UP]
        return sizes[-1] - sizes[0] if sizes else 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing went wrong but perhaps memory."""
        wrong = (self.crashes, self.jobs_that_should_not_be, self.lost, self.wrongly_answered, self.unacknowledged)
        return not any(wrong)

    def to_json(self) -> dict[str, Any]:
        """Give what machines read."""
        names = (
            "tickets", "refused", "accepted", "ignored", "crashes", "jobs_that_should_not_be", "lost",
            "wrongly_answered", "unacknowledged",
        )  # fmt: skip
        return {**{name: getattr(self, name) for name in names}, "memory_growth_mb": round(self.memory_growth_mb, 1)}


class Site:
    """An agent whose printer is off, and what is expected of it."""

    def __init__(self, folder: Path, port: int, version: Version) -> None:
        self.version = version
        self.name = f"site-{version.replace('.', '-')}"
        self.jobs: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.replies: Counter[str] = Counter()
        self.ignored = 0
        self._port = port
        self._log = folder / f"{self.name}.log"
        self._config = folder / f"{self.name}.toml"
        self._config.write_text(
            CONFIG.format(name=self.name, folder=folder, port=port, version=version, printer=PRINTERS[0])
        )
        self._process = AgentCommand("--config", self._config, "run", log=self._log)

    def start(self) -> None:
        """Start the agent and wait until both of its sessions are at the broker, and its printer is known."""
        self._process.start()
        wait_for(f"{self.name} at the broker", lambda: self._log.exists() and self.log().count("connected to") == 2)

    def stop(self) -> int:
        """End the agent and give its exit code."""
        return self._process.stop()

    def log(self) -> str:
        """Give what it has logged."""
        return self._log.read_text(errors="replace")

    def is_alive(self) -> bool:
        """Whether it is still the process that was started."""
        return Path(f"/proc/{self._process.pid}/status").read_text().split("State:")[1].split()[0] != "Z"

    def memory_mb(self) -> float:
        """Give its resident memory (proc(5))."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1_000_000 for line in lines if line.startswith("VmRSS"))

    def jobs_on_disk(self) -> int:
        """Count its jobs, as `printos-agent status` does."""
        return sum(ask_agent(self._config, "status")["jobs"].values())

    def expect(self, message: Message) -> None:
        """Note what has to become of a message that is published."""
        seen = message.as_seen_by(self.version)
        match judge(seen):
            case "job":
                self.jobs["" if hides_user(seen) else seen.topic.rpartition("/")[2]] += 1
                outcomes = 1
            case "refused":
                self.refusals[message.topic] += 1
                outcomes = 1
            case _:
                self.ignored += 1
                outcomes = 0
        if outcomes and seen.version == "5" and (seen.response_topic or "").startswith(f"{self.name}/reply/m"):
            self.replies[str(seen.response_topic)] += 1

    def unacknowledged(self) -> int:
        """Take both sessions over, after the end of the agent, and count what the broker still wants acknowledged."""
        count = 0
        for client_id in (f"printos-agent-{self.name}", f"printos-agent-{self.name}-ctl"):
            with Connection(self._port, self.version, client_id=client_id, keep_session=True) as session:
                if not session.has_session:
                    raise RuntimeError(f"the broker has no session of {client_id}")
                count += session.redelivered(SETTLE_SECONDS)
        return count


class Listener:
    """Hears what agents answer."""

    def __init__(self, port: int) -> None:
        self.refusals: dict[str, Counter[str]] = {}
        self.jobs: dict[str, dict[str, str]] = {}
        self.replies: Counter[str] = Counter()
        self.strays = 0
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_message = lambda _client, _userdata, message: self._hear(message)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        wait_for("the listener", self._client.is_connected)
        self._client.subscribe([("+/bridge/event/refused", 1), ("+/jobs/+", 1), ("+/reply/#", 1), ("elsewhere/#", 1)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def settled(self, site: Site) -> int:
        """Count the messages to a site that have become a job or a refusal."""
        return self.refusals.get(site.name, Counter()).total() + len(self.jobs.get(site.name, ()))

    def _hear(self, message: MQTTMessage) -> None:
        name, _, topic = message.topic.partition("/")
        if topic.startswith("reply/"):
            self.replies[message.topic] += 1
        elif topic.startswith("bridge/"):
            refusal = json.loads(message.payload)
            _check_shape(refusal)
            self.refusals.setdefault(name, Counter())[refusal["topic"].removeprefix(f"{name}/")] += 1
        elif topic.startswith("jobs/") and message.payload:
            user = json.loads(message.payload)["user"]
            self.jobs.setdefault(name, {})[topic] = user if user and TAG.match(user) else ""
        else:
            self.strays += 1


def flood(folder: Path, *, tickets: int, seed: int) -> Figures:
    """Publish so many messages and count what became of them."""
    figures = Figures(tickets)
    with ExitStack() as stack:
        broker = mosquitto(folder)
        stack.callback(broker.stop)
        broker.start()
        sites = [Site(folder, broker.port, version) for version in VERSIONS]
        for site in sites:
            stack.callback(site.stop)
            site.start()
        listener = stack.enter_context(Listener(broker.port))
        begin = time.monotonic()
        _publish(figures, sites, listener, broker.port, Random(seed))
        figures.seconds = time.monotonic() - begin
        for site in sites:
            _count(figures, site, listener)
    return figures


def _publish(figures: Figures, sites: list[Site], listener: Listener, port: int, random: Random) -> None:
    publishers = {version: Connection(port, version) for version in VERSIONS}
    for number, message in enumerate(messages(figures.tickets, random), 1):
        site = sites[number % len(sites)]
        for each in _with_its_clearing(_placed(message, site, number)):
            site.expect(each)
            publishers[each.version].publish(f"{site.name}/{each.topic}", each)
        if number % (LEAD // 2) == 0:
            _wait(publishers, sites, listener, LEAD)
        if number % max(1, figures.tickets // 10) == 0:
            figures.marks[number] = max(site.memory_mb() for site in sites)
            _progress(f"{number} published, {figures.marks[number]:.1f} MB")
    _wait(publishers, sites, listener, 0)
    time.sleep(SETTLE_SECONDS)
    for publisher in publishers.values():
        publisher.__exit__(None, None, None)


def _placed(message: Message, site: Site, number: int) -> Message:
    """Write the Response Topic out for a site."""
    if message.response_topic is None:
        return message
    topic = message.response_topic.replace("USER", f"m{number}")
    place = topic if topic.startswith("elsewhere/") else f"{site.name}/{topic}"
    return Message(**{**_fields(message), "response_topic": place})


def _fields(message: Message) -> Mapping[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}


def _with_its_clearing(message: Message) -> Iterator[Message]:
    """A retained message is cleared at once, as the log of the agent says how."""
    yield message
    if message.retain:
        yield Message(message.topic, b"", retain=True)


def _wait(publishers: Mapping[Version, Connection], sites: list[Site], listener: Listener, lead: int) -> None:
    """Wait until no more than so many messages have not been answered; for ever is too long."""
    for publisher in publishers.values():
        publisher.finish()
    before, since = -1, time.monotonic()
    while (lag := sum(_expected(site) - listener.settled(site) for site in sites)) > lead:
        if lag != before:
            before, since = lag, time.monotonic()
        if time.monotonic() - since > SILENCE_SECONDS:
            _progress(f"{lag} messages are not answered")
            return
        time.sleep(0.01)


def _expected(site: Site) -> int:
    return site.jobs.total() + site.refusals.total()


def _count(figures: Figures, site: Site, listener: Listener) -> None:
    refusals = listener.refusals.get(site.name, Counter())
    jobs = Counter(listener.jobs.get(site.name, {}).values())
    replies = Counter({topic: count for topic, count in listener.replies.items() if topic.startswith(f"{site.name}/")})
    on_disk = site.jobs_on_disk()
    was_alive = site.is_alive()
    code = site.stop()
    figures.refused += refusals.total()
    figures.accepted += jobs.total()
    figures.ignored += site.ignored
    figures.crashes += site.log().count("Traceback") + (code != 0 or not was_alive)
    figures.jobs_that_should_not_be += max((jobs - site.jobs).total(), on_disk - site.jobs.total())
    figures.lost += (site.jobs - jobs).total() + (site.refusals - refusals).total()
    figures.wrongly_answered += (refusals - site.refusals).total()
    figures.wrongly_answered += (replies - site.replies).total() + (site.replies - replies).total() + listener.strays
    listener.strays = 0
    figures.unacknowledged += site.unacknowledged()
    figures.log_lines += site.log().count("\n") - site.log().count(": accepted for")
    for name, got, wanted in (("jobs", jobs, site.jobs), ("refusals", refusals, site.refusals)):
        for what, count in list(((got - wanted) | (wanted - got)).items())[:5]:
            _progress(f"{site.name}: {name} of {what!r}: {got[what]}, not {wanted[what]} ({count})")


def _check_shape(refusal: Mapping[str, Any]) -> None:
    """Hold a refusal to the contract's shape."""
    if refusal["accepted"] is not False or not refusal["reason"].startswith("agent-") or not refusal["message"]:
        raise AssertionError(f"no refusal of the contract: {refusal}")


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
