"""A day of devices on a fake clock: the agent's own code from the statuses to the headers, the simulator's answers."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from agent.cloud import Cloud
from agent.device_report import DeviceReport
from agent.devices import Devices
from agent.model import PrinterState, PrinterStatus
from agent.printos.mapping import device_status
from tests.day.direct import Watch, WatchedCloud, platform
from tests.day.figures import INTERVAL_SECONDS, Figures, Ledger, Trouble, reckon
from tests.printos_parts import LOGIN, PASSWORD, Memory, ThreeJobs, Ticker, a_press, the_devices

HOUR = 3600.0
TICK_SECONDS = 2.0
"""The agent wakes no oftener, as on a box that has much to do; it also makes the day shorter."""

PHASE_SECONDS = (30, 1800)
PHASES = (
    PrinterStatus(state=PrinterState.IDLE),
    PrinterStatus(state=PrinterState.PROCESSING),
    PrinterStatus(state=PrinterState.IDLE, state_reasons=("standby",)),
    PrinterStatus(state=PrinterState.STOPPED, state_reasons=("media-jam-error",)),
)
WEIGHTS = (4, 4, 1, 1)

Happening = tuple[float, Callable[[], None]]
"""When something happens, and what."""


def troubles_of(begin: float, hours: float) -> tuple[Trouble, ...]:
    """Give three outages and a restart, spread over the day."""
    at = [begin + share * hours * HOUR for share in (0.25, 0.45, 0.65, 0.85)]
    return (
        Trouble("out of order", at[0], at[0] + 1200),
        Trouble("not reachable", at[1], at[1] + 2700),
        Trouble("sessions lost", at[2], at[2] + 600, loses_sessions=True),
        Trouble("restart", at[3], at[3] + 60, loses_sessions=True),
    )


class Day:
    """A site that lives through a day."""

    def __init__(self, folder: Path, *, devices: int, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._ticker = Ticker()
        self._watch = Watch(login=self._note_login, status=self._note_status, failure=self._note_failure)
        self._printos = WatchedCloud(self._ticker, self._watch)
        self._registry = Memory(*(a_press(number) for number in range(devices)))
        self._printers = {printer.identity.serial: printer.id for printer in self._registry.printers()}
        self._ledger = Ledger()
        self._told: dict[str, str] = {}
        self._changed_at: dict[str, float] = {}
        self._is_closing = False
        self._devices, self._cloud = self._started()

    def run(self, hours: float) -> Figures:
        """Live through the day, and add it up."""
        self._devices.activate(LOGIN, PASSWORD, printer_ids=None, replace=False, progress=lambda _facts: None)
        begin = self._ticker()
        end, troubles = begin + hours * HOUR, troubles_of(begin, hours)
        lives = (self._life(printer.id, end) for printer in self._registry.printers())
        for moment, happen in heapq.merge(self._troubled(troubles), *lives, key=lambda event: event[0]):
            self._step_until(min(moment, end))
            happen()
        self._step_until(end)
        return reckon(self._ledger, troubles)

    def _step_until(self, moment: float) -> None:
        """Let the agent do its work up to a moment."""
        while (left := moment - self._ticker()) > 0:
            self._ticker.advance(min(max(self._cloud.step(), TICK_SECONDS), left))

    def _started(self) -> tuple[Devices, Cloud]:
        """Give an agent that has just started: it has the credentials, and no session."""
        client = platform(self._printos, self._ticker, self._watch)
        devices, _ = the_devices(client, self._folder, self._registry, lambda _event: None)
        cloud = Cloud(
            printos=client,
            printers=self._registry.printers,
            devices=devices,
            workload=ThreeJobs(),
            status_interval_seconds=INTERVAL_SECONDS,
            monotonic=self._ticker,
        )
        return devices, cloud

    def _troubled(self, troubles: Sequence[Trouble]) -> Iterator[Happening]:
        outage, unreachable, lost, restart = troubles
        yield outage.begin, lambda: self._printos.begin_outage(outage.seconds, dropping=False)
        yield unreachable.begin, lambda: self._printos.begin_outage(unreachable.seconds, dropping=True)
        yield lost.begin, lambda: self._printos.begin_outage(lost.seconds, dropping=False)
        yield lost.end, self._lose_sessions
        yield restart.begin, lambda: self._restart(restart.seconds)

    def _lose_sessions(self) -> None:
        self._printos.expire_sessions()

    def _restart(self, seconds: float) -> None:
        """Stop the agent, and start another after a while."""
        self._is_closing = True
        self._cloud.close()
        self._is_closing = False
        self._ticker.advance(seconds)
        self._devices, self._cloud = self._started()

    def _life(self, printer_id: str, end: float) -> Iterator[Happening]:
        """Have a printer print, jam, sleep and rest, each for some minutes."""
        moment = self._ticker()
        while moment < end:
            moment += self._random.uniform(*PHASE_SECONDS)
            yield moment, partial(self._change, printer_id, self._random.choices(PHASES, WEIGHTS)[0])

    def _change(self, printer_id: str, status: PrinterStatus) -> None:
        word = device_status(DeviceReport(self._registry.change(printer_id, status=status)))
        if word == self._told.get(printer_id):
            self._changed_at.pop(printer_id, None)
        else:
            self._changed_at.setdefault(printer_id, self._ticker())

    def _note_login(self, serial: str) -> None:
        self._ledger.logins.setdefault(serial, []).append(self._ticker())

    def _note_status(self, serial: str, word: str) -> None:
        now, printer = self._ticker(), self._registry.find(self._printers[serial])
        self._ledger.statuses.setdefault(serial, []).append(now)
        self._ledger.wrong += word != ("DS_OFF" if self._is_closing else device_status(DeviceReport(printer)))
        self._told[printer.id] = word
        if (changed_at := self._changed_at.pop(printer.id, None)) is not None:
            self._ledger.changes.append((changed_at, now))

    def _note_failure(self) -> None:
        self._ledger.failures += 1
