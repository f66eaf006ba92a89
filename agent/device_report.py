"""What PrintOS may be told of a printer at one moment, in the agent's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.job import Job
from agent.model import Printer


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A printer with its work.

    Attributes:
        printer: how it is.
        is_interpreting: whether it says that it makes pages of a job and does not print yet.
        jobs: how many have not ended, ours and those of others that are in the printer, each once.
        complete_at: when they are probably done, None where nobody can tell or nothing is to be done.
        latest: our last jobs for it, the newest first, where somebody wants to know.
    """

    printer: Printer
    is_interpreting: bool = False
    jobs: int = 0
    complete_at: datetime | None = None
    latest: tuple[Job, ...] = ()
