"""What printers have to do, by the spool and by their own queues, and until when, by what they have done lately."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from agent.device_report import DeviceReport
from agent.model import Clock, Printer, PrinterState
from agent.print_times import PrintTimes
from agent.spool import Spool

LATEST_JOBS = 10


class Workload:
    """Reports on printers.

    Args:
        spool: our jobs.
        times: what they have taken so far.
        now: the present.
        with_latest: whether reports name our last jobs.
    """

    def __init__(self, *, spool: Spool, times: PrintTimes, now: Clock, with_latest: bool = False) -> None:
        self._spool = spool
        self._times = times
        self._now = now
        self._with_latest = with_latest

    def interpreting(self) -> frozenset[str]:
        """Give the ids of the printers that make pages of one of our jobs and don't print them yet."""
        return self._spool.interpreting()

    def report(self, printer: Printer, *, is_interpreting: bool) -> DeviceReport:
        """Report on a printer, with all that it has to do.

        What other people have sent it counts as it was last read, less what of ours is in it.
        """
        queue, in_printer = self._spool.queue(printer.id), printer.status.queued_job_count
        others = max(0, in_printer - queue.in_printer) if printer.online and in_printer is not None else 0
        return DeviceReport(
            printer,
            is_interpreting=is_interpreting,
            jobs=queue.jobs + others,
            complete_at=self._complete_at(printer, copies=queue.copies, others=others),
            latest=self._spool.latest(printer.id, LATEST_JOBS) if self._with_latest else (),
        )

    def _complete_at(self, printer: Printer, *, copies: int, others: int) -> datetime | None:
        """Give when a printer is probably done; nobody can tell of one that is away, stands still or is paused."""
        if not printer.online or printer.paused or printer.status.state is PrinterState.STOPPED:
            return None
        seconds = self._times.seconds_left(printer.id, copies=copies, jobs=others)
        return self._now() + timedelta(seconds=math.ceil(seconds)) if seconds else None
