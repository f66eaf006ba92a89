"""PrintOS is told how the printers that have a device there are.

A status goes every `status_interval_seconds`, a change of it after at most a minute, never oftener than that. Nothing
waits for a dead cloud: a status is read from the registry when it can be sent, so that only the newest ever goes. A
device that waits to log in keeps no other waiting.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Protocol

from agent.credentials import DeviceLogin
from agent.device_report import DeviceReport
from agent.devices import Devices
from agent.errors import CloudError, CloudRefusedError, CloudUnreachableError, LoginLaterError
from agent.loop import backoff
from agent.model import Printer

log = logging.getLogger(__name__)

CHANGE_SECONDS = 60.0
POLL_SECONDS = 5.0
POST_TIMEOUT_SECONDS = 10.0
POSTS_PER_STEP = 20
RENEWALS_PER_STEP = 4
STEP_BUDGET_SECONDS = 20.0
TOGETHER_SECONDS = 1.0
TOGETHER_SHARE = 60
"""What is due within a second, or a sixtieth of the interval, goes together: looking at all printers costs more."""

AWAY_PAUSE_SECONDS = 5.0
AWAY_PAUSE_CEILING_SECONDS = 300.0
EXPIRED_PAUSE_SECONDS = 30.0
REFUSED_PAUSE_CEILING_SECONDS = 3600.0
CLOSE_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 2.0


class PrintOS(Protocol):
    """What is needed of a dialect; what fails raises CloudError."""

    @property
    def logins(self) -> int:
        """How often devices have logged in."""

    @property
    def login_problem(self) -> str:
        """Why no device can log in, empty where they can."""

    def renew_sessions(self, *, most: int, timeout_seconds: float) -> None:
        """Log in devices whose sessions end soon; raises nothing."""

    def post_status(self, device: DeviceLogin, report: DeviceReport, *, timeout_seconds: float) -> None:
        """Tell how a printer is."""

    def status_word(self, report: DeviceReport) -> str:
        """Give the word that `post_status` would send."""


class Workload(Protocol):
    """What printers have to do."""

    def interpreting(self) -> frozenset[str]:
        """Give the ids of the printers that make pages of a job and don't print them yet."""

    def report(self, printer: Printer, *, is_interpreting: bool) -> DeviceReport:
        """Report on a printer, with all that it has to do."""


class Outcome(enum.Enum):
    """What posting one status came to."""

    ANSWERED = enum.auto()
    WAITS = enum.auto()
    AWAY = enum.auto()


@dataclass(slots=True)
class _Device:
    """A printer's device, how the printer is now and what was told of it last; moments are of the monotonic clock.

    `word` is that of `report`, `told` the one that PrintOS has.
    """

    login: DeviceLogin
    report: DeviceReport
    word: str
    told: str | None = None
    posted_at: float | None = None
    retry_at: float = 0.0
    failures: int = 0

    def due_at(self, interval_seconds: float) -> float:
        """Give the moment from which a status may go: at once the first time, later where it has not changed."""
        if self.posted_at is None:
            return self.retry_at
        pause = interval_seconds if self.word == self.told else min(CHANGE_SECONDS, interval_seconds)
        return max(self.posted_at + pause, self.retry_at)


class Cloud:
    """Tells PrintOS the statuses of the devices.

    Args:
        printos: the dialect.
        printers: gives the printers as they are now.
        devices: those of them that have a device.
        workload: what they have to do.
        status_interval_seconds: between two statuses of a printer that has not changed.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        *,
        printos: PrintOS,
        printers: Callable[[], Sequence[Printer]],
        devices: Devices,
        workload: Workload,
        status_interval_seconds: float = 120.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._printos = printos
        self._printers = printers
        self._devices = devices
        self._workload = workload
        self._interval_seconds = status_interval_seconds
        self._together_seconds = min(TOGETHER_SECONDS, status_interval_seconds / TOGETHER_SHARE)
        self._monotonic = monotonic
        self._is_closing = False
        self._told: dict[str, _Device] = {}
        self._failures = 0
        self._noted: Sequence[Printer] = ()
        self._note_at = self._closed_until = 0.0
        self._problem = ""
        self._login_problem = ""
        self._updates = 0
        self._updated_at: float | None = None

    def step(self) -> float:
        """Post what is due; gives the seconds until more may be."""
        now, printers = self._monotonic(), self._printers()
        if printers != self._noted or now >= self._note_at:
            self._devices.note_states()
            self._noted, self._note_at = printers, now + POLL_SECONDS
        if now < self._closed_until:
            return min(self._closed_until - now, POLL_SECONDS)
        self._printos.renew_sessions(most=RENEWALS_PER_STEP, timeout_seconds=POST_TIMEOUT_SECONDS)
        dues = [(device.due_at(self._interval_seconds), device) for device in self._look()]
        due = [(device.failures, moment, device) for moment, device in dues if moment <= now]
        left = POSTS_PER_STEP
        for _, _, device in sorted(due, key=itemgetter(0, 1)):
            is_late = self._is_closing or self._monotonic() - now > STEP_BUDGET_SECONDS
            if is_late or left == 0:
                return self._together_seconds
            outcome = self._post(device)
            if outcome is Outcome.AWAY:
                return self._together_seconds
            left -= outcome is Outcome.ANSWERED
        if due:
            return self._together_seconds
        next_due = min((moment for moment, _ in dues), default=now + POLL_SECONDS)
        return max(self._together_seconds, min(next_due - self._monotonic(), POLL_SECONDS))

    def close(self) -> None:
        """Tell PrintOS that the devices go off, as far as that goes in a few seconds."""
        self._is_closing = True  # a step that goes on meanwhile would tell that they are on
        deadline = self._monotonic() + CLOSE_SECONDS
        for printer in self._printers():
            device = self._told.get(printer.id)
            if device is None or device.told is None:
                continue
            off = DeviceReport(replace(printer, online=False))
            device.report, device.word = off, self._printos.status_word(off)
            if device.word == device.told:
                continue
            left = deadline - self._monotonic()
            if left <= 0 or self._monotonic() < self._closed_until:
                log.info("PrintOS was not told of every printer that it goes off")
                return
            self._post(device, timeout_seconds=min(left, CLOSE_TIMEOUT_SECONDS))

    def health(self) -> dict[str, Any]:
        """Tell how things stand with PrintOS: `state` is `unused`, `connecting`, `online` or `away`."""
        told_at, devices = self._updated_at, len(self._devices.logins())
        return {
            "state": self._state() if devices else "unused",
            "devices": devices,
            "logins": self._printos.logins,
            "status_updates": self._updates,
            "last_success_seconds_ago": None if told_at is None else round(self._monotonic() - told_at),
            "problem": self._problem or self._printos.login_problem or None,
        }

    def _state(self) -> str:
        told_at = self._updated_at
        is_silent = told_at is None or self._monotonic() - told_at > 2 * self._interval_seconds
        if self._failures or (is_silent and self._printos.login_problem):
            return "away"
        return "connecting" if told_at is None else "online"

    def _look(self) -> Sequence[_Device]:
        """Look which devices there are now, and how their printers are."""
        logins, interpreting = self._devices.logins(), self._workload.interpreting()
        self._told = {
            printer.id: self._seen(login, printer, is_interpreting=printer.id in interpreting)
            for printer in self._printers()
            if (login := logins.get(printer.id)) is not None
        }
        return tuple(self._told.values())

    def _seen(self, login: DeviceLogin, printer: Printer, *, is_interpreting: bool) -> _Device:
        """Give a device as it is now; one that was made anew has been told nothing yet."""
        device = self._told.get(printer.id)
        if device is None or device.login is not login:
            report = DeviceReport(printer, is_interpreting=is_interpreting)
            return _Device(login, report, self._printos.status_word(report))
        if device.report.printer is not printer or device.report.is_interpreting is not is_interpreting:
            device.report = DeviceReport(printer, is_interpreting=is_interpreting)
            device.word = self._printos.status_word(device.report)
        return device

    def _post(self, device: _Device, *, timeout_seconds: float = POST_TIMEOUT_SECONDS) -> Outcome:
        """Post a status; where PrintOS is away, the others needn't try."""
        printer = device.report.printer
        report = self._workload.report(printer, is_interpreting=device.report.is_interpreting)
        try:
            self._printos.post_status(device.login, report, timeout_seconds=timeout_seconds)
        except LoginLaterError as error:
            self._wait_for_login(device, error)
            return Outcome.WAITS
        except CloudUnreachableError as error:
            self._away(device, error)
            return Outcome.AWAY
        except CloudRefusedError as error:
            self._refused(device, printer, error)
        except CloudError as error:
            self._expired(device, printer, error)
        else:
            self._posted(device, printer)
        return Outcome.ANSWERED

    def _posted(self, device: _Device, printer: Printer) -> None:
        now = self._monotonic()
        device.told, device.posted_at = device.word, now
        device.failures, device.retry_at = 0, 0.0
        self._updates += 1
        self._updated_at = now
        self._reached()
        self._devices.accepted(printer, device.login)

    def _reached(self) -> None:
        if self._login_problem and not self._printos.login_problem:
            log.info("devices can log in to PrintOS again")
            self._login_problem = ""
        if self._failures:
            log.info("PrintOS is there again after %d attempts", self._failures)
            self._failures, self._problem = 0, ""

    def _away(self, device: _Device, error: CloudUnreachableError) -> None:
        """Leave PrintOS alone for a while, and this device for longer where it fails while others don't."""
        self._failures += 1
        device.failures += 1
        device.retry_at = self._monotonic() + _away_pause(device.failures)
        self._problem = str(error)
        if self._failures == 1:
            log.warning("%s; it is tried again, and printing goes on", error)
        self._closed_until = self._monotonic() + (error.retry_after_seconds or _away_pause(self._failures))

    def _wait_for_login(self, device: _Device, error: LoginLaterError) -> None:
        """Leave a device until it may log in, and say once where none can."""
        device.retry_at = self._monotonic() + (error.retry_after_seconds or 0.0)
        problem = self._printos.login_problem
        if problem and not self._login_problem and not self._failures:
            log.warning("no device can log in to PrintOS: %s; it is tried again, and printing goes on", problem)
        self._login_problem = problem

    def _expired(self, device: _Device, printer: Printer, error: CloudError) -> None:
        device.failures += 1
        device.retry_at = self._monotonic() + backoff(device.failures, base=EXPIRED_PAUSE_SECONDS)
        if device.failures == 1:
            log.warning("%s (%s): %s", printer.id, printer.label, error)

    def _refused(self, device: _Device, printer: Printer, error: CloudRefusedError) -> None:
        device.failures += 1
        pause = backoff(device.failures, base=2 * self._interval_seconds, ceiling=REFUSED_PAUSE_CEILING_SECONDS)
        device.retry_at = self._monotonic() + pause
        self._reached()
        self._devices.refused(printer, device.login, error)


def _away_pause(failures: int) -> float:
    return backoff(failures, base=AWAY_PAUSE_SECONDS, ceiling=AWAY_PAUSE_CEILING_SECONDS)
