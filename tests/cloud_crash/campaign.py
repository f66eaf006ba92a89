"""The killing and cutting: tickets by MQTT for Box and Site Flow, and files in the hot folders of two printers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tests.cable import cable
from tests.cloud_crash.cloud import Cloud, cloud
from tests.cloud_crash.cuts import Cuts
from tests.cloud_crash.dropper import Dropper
from tests.crash.campaign import Campaign
from tests.crash.printers import Printers
from tests.crash.publisher import POLL_SECONDS, Publisher
from tests.crash.verdict import CLOUDS, Copy, Evidence, Printer
from tests.crash.victim import Victim
from tests.mosquitto import Mosquitto
from tests.running_agent import RunningAgent

HOT: tuple[Printer, ...] = ("ipp", "rest")
LARGE_BYTES = 3_000_000
LOAD_SECONDS = 1.5
SETTLE_SECONDS = 1
SETTLE_EVERY = 10
"""After so many kills one agent settles what there is: those that are killed soon never look long for a lost order."""

LATE_WORD_SECONDS = 60.0
"""Within so long the agent has asked once more about what is unknown and can be known."""

PATIENCE_SECONDS = 90.0
"""A cloud that was cut off for long is tried again once a minute."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the agent prints on, with hot folders before it, and the clouds."""

    printers: Printers
    cloud: Cloud
    dropper: Dropper
    publisher: Publisher

    @property
    def ports(self) -> Mapping[Printer, int]:
        """Give the TCP port of everything."""
        return {**self.printers.ports, **dict.fromkeys(CLOUDS, self.cloud.port)}

    def can_refuse(self, printer: Printer) -> bool:
        """Whether a printer can be told to be busy: the cloud is told otherwise."""
        return printer not in CLOUDS and self.printers.can_refuse(printer)

    def refuse_next(self, printer: Printer) -> None:
        """Have a printer say to the next document that it takes none now."""
        self.printers.refuse_next(printer)

    def restart(self, printer: Printer) -> None:
        """Switch a printer off and on again."""
        self.printers.restart(printer)

    def copies(self, sizes: Mapping[int, int]) -> Iterator[Copy]:
        """Tell what has come out."""
        return chain(self.printers.copies(sizes), self.cloud.copies(sizes))

    def order(self, printer: Printer, size: int) -> None:
        """Publish a ticket, or drop a file."""
        if printer in CLOUDS:
            self.publisher.publish(printer, size)
        else:
            self.dropper.drop(printer, size)


class CloudCampaign:
    """A campaign at such a site.

    Attributes:
        killing: starts and kills the agent, and has the load.
    """

    def __init__(self, *, killing: Campaign, cuts: Cuts, site: Site) -> None:
        self.killing = killing
        self._cuts = cuts
        self._site = site
        self._lives = 0

    def kill_and_cut(self) -> None:
        """Kill the agent at random, while files are dropped and the network is cut."""
        self.killing.on_load = self._step
        self.killing.kill_at_random()
        self.killing.on_load = _nothing
        self._lives += 1
        if self._lives % SETTLE_EVERY == 0:
            self.settle()

    def settle(self) -> None:
        """Let an agent settle all that is left, over a cable that is whole, and see what is in the cloud."""
        self._settle_all()
        self.killing.kill("the settling")

    def cuts(self) -> int:
        """Count the cuts so far."""
        return self._cuts.count()

    def finish(self) -> Evidence:
        """Let an agent settle all that is left over a cable that is whole, and gather what is known."""
        self._settle_all()
        deadline = time.monotonic() + LATE_WORD_SECONDS
        while (self._is_late_word_due() or self._site.dropper.left()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        assert not self._site.dropper.left(), f"not put away: {self._site.dropper.left()}"
        self._site.cloud.look()
        return self.killing.evidence()

    def _settle_all(self) -> None:
        """Start an agent whom nothing more befalls, and wait for it to settle what there is."""
        self._site.dropper.finish()
        self._cuts.mend()
        self.killing.start()
        self._site.publisher.wait_settled(PATIENCE_SECONDS)
        self._site.cloud.look()

    def _is_late_word_due(self) -> bool:
        """Whether the agent calls unknown what it may still find."""
        shown = {copy.number for copy in self._site.cloud.copies(self._site.publisher.sizes) if copy.is_shown}
        return any(told.is_unknown for number, told in list(self._site.publisher.told.items()) if number in shown)

    def _step(self) -> None:
        self._cuts.step()
        self._site.dropper.step()


@contextmanager
def cloud_campaign(folder: Path, *, seed: int) -> Iterator[CloudCampaign]:
    """Set everything up in a folder."""
    hot = {printer: folder / "hot" / printer for printer in HOT}
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker", persistence=True, extra="max_queued_messages 0"))
        printers = stack.enter_context(Printers(folder / "printers", HOT))
        line = stack.enter_context(cable())
        printos = stack.enter_context(cloud(folder / "printos", line))
        tables = [table | {"hot_folder": hot[table["alias"]]} for table in printers.tables()]
        for path in hot.values():
            path.mkdir(parents=True)
        agent = RunningAgent(
            folder / "agent",
            printers=tables,
            mqtt={"port": broker.port},
            hot_folder={"settle_seconds": SETTLE_SECONDS},
            box=printos.box(),
            siteflow=printos.siteflow(),
        )
        with agent:
            agent.connected()  # once, so that the broker keeps what is published while it is away
        victim = Victim(agent.config, folder / "agent.log")
        stack.callback(victim.kill)
        publisher = stack.enter_context(Publisher(broker.port, agent.base_topic))
        site = Site(printers, printos, Dropper(hot, expect=publisher.expect, seed=seed), publisher)
        killing = Campaign(
            broker=broker,
            printers=site,
            publisher=publisher,
            victim=victim,
            seed=seed,
            order=site.order,
            large_bytes=LARGE_BYTES,
            load_seconds=LOAD_SECONDS,
        )
        cuts = Cuts(line, printos, note=killing.note, seed=seed)
        yield CloudCampaign(killing=killing, cuts=cuts, site=site)


def _nothing() -> None:
    """Stand in for a cut."""
