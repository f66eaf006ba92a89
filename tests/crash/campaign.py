"""The killing: at every point that an agent is seen to pass, and at random moments under load."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tests.crash.printers import Printers
from tests.crash.publisher import POLL_SECONDS, Publisher
from tests.crash.verdict import AT_9100, Copy, Evidence, Kill, Printer
from tests.crash.victim import Victim, is_talking_to
from tests.mosquitto import Mosquitto
from tests.running_agent import RunningAgent

LARGE_BYTES = 600_000
"""More than two of the blocks that documents are sent in."""

SMALL_BYTES = (2_000, 40_000)
EVERY = 8
"""Of so many documents under load one is large."""

DEPTH = 5
"""Tickets of a printer that are under way at once, under load."""

TIMES = 2
"""So many of the times that a point was passed within one job it is killed at."""

EARLY = "before 1 commit sending processing"
"""The connection to port 9100 is open, and it is not written down yet that anything will leave."""

BESIDE = ("PUB", "file", "commit outbox")
"""What happens in other threads than the one that sends a job, which may have come here or there."""

LOAD_SECONDS = 0.6
STARTING_SHARE = 0.2
"""So many random kills fall while the agent starts."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment to kill at, as the launcher is told of it.

    `is_refused` where the printer says first that it takes no document now; `first` is where the agent before was
    killed, if it is a moment of the start that takes up what that one left.
    """

    printer: Printer
    when: str
    number: int
    name: str
    is_refused: bool = False
    first: Point | None = None

    @property
    def command(self) -> str:
        """What the launcher is told."""
        return f"{self.when} {self.number} {self.name}"

    def __str__(self) -> str:
        busy = " that refused first" if self.is_refused else ""
        return f"{self.command} on {self.printer}{busy}" + (f", after a kill {self.first}" if self.first else "")


class Site(Protocol):
    """What the agent prints on, and how it is given documents."""

    @property
    def ports(self) -> Mapping[Printer, int]:
        """Give the TCP port of everything that is printed on."""

    def can_refuse(self, printer: Printer) -> bool:
        """Whether a printer can be told to be busy."""

    def refuse_next(self, printer: Printer) -> None:
        """Have a printer say to the next document that it takes none now."""

    def restart(self, printer: Printer) -> None:
        """Switch a printer off and on again."""

    def copies(self, sizes: Mapping[int, int]) -> Iterable[Copy]:
        """Tell what has come out; `sizes` are those of the documents in bytes."""


class Campaign:
    """A broker, printers, a publisher and the agent that is killed.

    Attributes:
        kills: those so far, and cuts of the network.
        on_load: called every few milliseconds while there is load.

    Args:
        order: gives the agent a document of so many bytes for a printer.
        large_bytes: how large the large ones are.
        load_seconds: how long an agent has, at the most, that is killed under load.
    """

    def __init__(
        self,
        *,
        broker: Mosquitto,
        printers: Site,
        publisher: Publisher,
        victim: Victim,
        seed: int,
        order: Callable[[Printer, int], object],
        large_bytes: int = LARGE_BYTES,
        load_seconds: float = LOAD_SECONDS,
    ) -> None:
        self.kills: list[Kill] = []
        self.on_load: Callable[[], None] = lambda: None
        self._order = order
        self._large_bytes = large_bytes
        self._load_seconds = load_seconds
        self._known: set[tuple[Printer, str]] = set()
        self._at_start: list[Point] = []
        self._last: Point | None = None
        self._broker = broker
        self._printers = printers
        self._publisher = publisher
        self._victim = victim
        self._random = random.Random(seed)

    def start(self, *commands: str) -> None:
        """Start an agent that obeys, and wait until it has said that it is online."""
        boots = self._publisher.boots
        self._victim.start_watched(*commands)
        self._publisher.wait("the agent to be online", lambda: self._publisher.boots > boots)

    def points(self, printer: Printer) -> Iterator[Point]:
        """Watch jobs from their tickets to their ends, and give what can be killed at."""
        for is_refused in (False, True) if self._printers.can_refuse(printer) else (False,):
            self._begin_job(printer, is_refused=is_refused)
            self._settle()
            yield from self._passed(Point(printer, "after", 1, "all", is_refused))
            self.kill(f"the end of a job on {printer}")

    def points_at_start(self, printer: Printer) -> list[Point]:
        """Give what agents have done only to take up what killed ones had left, once each."""
        self._take_up()
        self.kill("a start")
        return [point for point in self._at_start if point.printer == printer]

    def kill_at(self, point: Point) -> bool:
        """Kill the agent at a point; False where it was not passed this time, and the agent was killed later."""
        if point.first is None:
            self._begin_job(point.printer, point.command, is_refused=point.is_refused)
        else:
            if not self.kill_at(point.first):
                return False
            self._last = None
            self._victim.start_watched(point.command)
        is_reached = self._stands_still()
        self.kill(str(point) if is_reached else f"beside {point}", is_early=is_reached and point.command == EARLY)
        is_repeatable = is_reached and point.first is None and not point.name.startswith(BESIDE)
        self._last = point if is_repeatable else None
        return is_reached

    def kill_at_random(self) -> None:
        """Kill the agent under load, or while it starts."""
        boots = self._publisher.boots
        self._victim.start()
        if self._random.random() < STARTING_SHARE:
            self._load(self._random.uniform(0.1, 1.0))
            where = "the start"
        else:
            self._load_until(lambda: self._publisher.boots > boots)
            self._load(self._random.uniform(0.0, self._load_seconds))
            where = "load"
        self._victim.stop_still()
        self.kill(where)

    def kill(self, where: str, *, is_early: bool = False) -> None:
        """Kill the agent and note that; `is_early` where nothing can have left yet."""
        assert not self._victim.has_ended(), "the agent ended by itself"
        at_9100 = [port for printer, port in self._printers.ports.items() if printer in AT_9100]
        self.note(Kill(where, is_on_the_line=not is_early and any(map(is_talking_to, at_9100))))
        self._victim.kill()

    def note(self, kill: Kill) -> None:
        """Note a kill, or a cut, before it takes effect."""
        self.kills.append(kill)
        self._publisher.kills = len(self.kills)

    def restart_broker(self) -> None:
        """Restart the broker, as an upgrade does, under load before and after."""
        self._load(LOAD_SECONDS)
        self._broker.stop()
        self._broker.start()
        self._load(LOAD_SECONDS)

    def restart_printer(self, printer: Printer) -> None:
        """Switch a printer off and on again, under load before and after."""
        self._load(LOAD_SECONDS)
        self._printers.restart(printer)
        self._load(LOAD_SECONDS)

    def finish(self) -> Evidence:
        """Let an agent settle all that is left, and gather what is known."""
        if not self._victim.is_running():
            self.start()
        self._publisher.wait_settled()
        return self.evidence()

    def evidence(self) -> Evidence:
        """End the agent, and gather what is known."""
        self._victim.kill()
        orders = tuple(self._publisher.orders.values())
        copies = tuple(self._printers.copies(self._publisher.sizes))
        return Evidence(orders, dict(self._publisher.told), copies, tuple(self.kills))

    def _begin_job(self, printer: Printer, command: str = "watch", *, is_refused: bool = False) -> None:
        """Have an agent settle what there is, and give it one job, to be killed at a point or to be watched."""
        self._take_up()
        if is_refused:
            self._printers.refuse_next(printer)
        self._victim.command(command)
        self._order(printer, self._large_bytes)

    def _take_up(self) -> None:
        """Have an agent settle what the last has left, and note what it does for that."""
        self.start("watch")
        self._settle()
        if self._last is not None:
            self._at_start += [replace(point, first=self._last) for point in self._passed(self._last)]
            self._last = None

    def _passed(self, on: Point) -> Iterator[Point]:
        """Give the points that were passed and are new, but for what was sent to the other printers.

        A refusal counts once it is written down: before that it is a lost answer about a job that no printer lists.
        """
        ports = self._printers.ports
        others = tuple(f" to {port}" for port in ports.values() if port != ports[on.printer])
        for name, count in Counter(self._victim.points()).items():
            if name.endswith(others) or (on.printer, name) in self._known:
                continue
            self._known.add((on.printer, name))
            for number in range(1, min(count, TIMES) + 1):
                for when in ("after",) if on.is_refused else ("before", "after"):
                    yield replace(on, when=when, number=number, name=name)

    def _settle(self) -> None:
        assert self._publisher.wait_settled(), f"not settled: {self._publisher.unsettled()}"

    def _stands_still(self) -> bool:
        self._publisher.wait(
            "the kill point, or the end of all jobs", lambda: self._victim.is_stopped() or self._is_over()
        )
        return self._victim.is_stopped()

    def _is_over(self) -> bool:
        return self._victim.has_ended() or not self._publisher.unsettled()

    def _load(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._load_until(lambda: time.monotonic() >= deadline)

    def _load_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            self.on_load()
            under_way = self._publisher.unsettled()
            for printer in self._printers.ports:
                if under_way[printer] < DEPTH:
                    is_large = self._random.randrange(EVERY) == 0
                    size = self._large_bytes if is_large else self._random.randint(*SMALL_BYTES)
                    self._order(printer, size)
            time.sleep(POLL_SECONDS)


@contextmanager
def campaign(folder: Path, *, seed: int, has_ids: bool = False) -> Iterator[Campaign]:
    """Set everything up in a folder; `has_ids` as in `Publisher`."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker", persistence=True, extra="max_queued_messages 0"))
        printers = stack.enter_context(Printers(folder / "printers"))
        agent = RunningAgent(folder / "agent", printers=printers.tables(), mqtt={"port": broker.port})
        with agent:
            agent.connected()  # once, so that the broker keeps what is published while it is away
        victim = Victim(agent.config, folder / "agent.log")
        stack.callback(victim.kill)
        publisher = stack.enter_context(Publisher(broker.port, agent.base_topic, has_ids=has_ids))
        yield Campaign(
            broker=broker, printers=printers, publisher=publisher, victim=victim, seed=seed, order=publisher.publish
        )


def tell(begin: float, what: str) -> None:
    """Tell a person how far it is."""
    print(f"{time.monotonic() - begin:6.1f} s  {what}", file=sys.stderr, flush=True)
