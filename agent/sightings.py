"""What was seen and waits to be looked at, first or again; bounded, whatever the network makes up."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.loop import backoff
from agent.model import Identity, Printer, Sighting

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 10.0
ASK_AGAIN_CEILING_SECONDS = 3600.0
WAITING_LIMIT = 4096
WAITING_OF_HOST_LIMIT = 64
REVISIT_SECONDS = 86_400.0
REVISITS_APART_SECONDS = 10.0


class Sightings:
    """What was seen and waits to be looked at; bounded, in all and for each host, so that a noisy network costs little.

    The oldest and the newest are taken in turn: whoever floods us with made-up printers holds no real one up.

    Attributes:
        on_arrival: called when there is something to take, in the thread that put it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Sighting] = deque()
        self._by_host: Counter[str] = Counter()
        self._turns = itertools.cycle((deque[Sighting].popleft, deque[Sighting].pop))
        self.on_arrival: Callable[[], None] = lambda: None

    def put(self, sighting: Sighting) -> None:
        """Add a sighting; where too many wait it is dropped, for it will be seen again."""
        with self._lock:
            if len(self._waiting) >= WAITING_LIMIT or self._by_host[sighting.host] >= WAITING_OF_HOST_LIMIT:
                log.debug("too much is seen at once; %s is left for later", sighting.host)
                return
            self._waiting.append(sighting)
            self._by_host[sighting.host] += 1
        self.on_arrival()

    def put_stranger(self, printer: Printer, told: Identity) -> None:
        """Add that another answers where a printer was; who it is shows when it is asked."""
        self.put(Sighting(str(printer.status_driver), printer.host, printer.uris, told))

    def take(self) -> Sighting | None:
        """Take one; None where nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            sighting = next(self._turns)(self._waiting)
            self._by_host[sighting.host] -= 1
            if not self._by_host[sighting.host]:
                del self._by_host[sighting.host]
            return sighting


class Unproved:
    """Hosts that were seen and didn't prove to be printers: each is asked again, after a pause that grows to an hour.

    A printer that starts announces itself before it can be asked, and mDNS tells of it only once.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, tuple[str, ...]], Waiting] = {}

    def keep(self, sighting: Sighting) -> None:
        """Have a sighting looked at again later."""
        with self._lock:
            key = (sighting.host, sighting.uris)
            failures = self._kept[key].failures + 1 if key in self._kept else 1
            pause = backoff(failures, base=ASK_AGAIN_SECONDS, ceiling=ASK_AGAIN_CEILING_SECONDS)
            if key in self._kept or len(self._kept) < WAITING_LIMIT:
                self._kept[key] = Waiting(sighting, failures, self._monotonic() + pause)

    def drop(self, sighting: Sighting) -> None:
        """Have it looked at no more."""
        with self._lock:
            self._kept.pop((sighting.host, sighting.uris), None)

    def is_waiting(self, sighting: Sighting) -> bool:
        """Whether the same was asked lately, to no avail."""
        with self._lock:
            kept = self._kept.get((sighting.host, sighting.uris))
            return not sighting.gone and kept is not None and self._monotonic() < kept.due

    def take_due(self) -> Sighting | None:
        """Give a sighting whose pause is over, to one thread only; None where there is none."""
        with self._lock:
            for key, kept in self._kept.items():
                if kept.due <= self._monotonic():
                    self._kept[key] = replace(kept, due=self._monotonic() + ASK_AGAIN_CEILING_SECONDS)
                    return kept.sighting
        return None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sighting that came to nothing `failures` times; `due` is monotonic."""

    sighting: Sighting
    failures: int
    due: float


class Revisits:
    """When printers that are known are asked everything anew: each once a day and after a start, one in ten seconds.

    What a printer offers changes with its firmware and its settings, and what is asked for with ours.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._next = 0.0

    def note(self, printer_id: str) -> None:
        """Note that a printer has just been asked everything."""
        with self._lock:
            self._due[printer_id] = self._monotonic() + REVISIT_SECONDS

    def claim(self, printer_id: str) -> bool:
        """Whether a printer is to be asked everything now; only one thread is told so."""
        with self._lock:
            present = self._monotonic()
            if present < max(self._next, self._due.get(printer_id, 0.0)):
                return False
            self._due[printer_id] = present + REVISIT_SECONDS
            self._next = present + REVISITS_APART_SECONDS
            return True
