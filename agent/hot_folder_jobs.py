"""From files that were claimed to a job, and from a job that has ended to `done` or `failed`: each step once.

Whatever a kill leaves, the same step done again does the rest of it: the spool finds the job that a file is already,
and what is put away has its new name in the journal before it is moved.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.config_schema import HotFolderConfig
from agent.document_format import UNKNOWN_FORMAT, tell_format
from agent.errors import ConflictError, TicketError
from agent.hot_folder_disk import HotFolderDisk, Place
from agent.hot_folder_journal import REFUSED, HotFolderJournal, Taken
from agent.hot_folder_names import is_ticket, job_name, numbered
from agent.hot_folder_settling import why_incomplete
from agent.jdf import LARGEST_JDF_BYTES, parse_jdf
from agent.job import Ticket
from agent.model import Event
from agent.spool import Spool
from agent.ticket import parse_ticket_keys

log = logging.getLogger(__name__)

NO_DOCUMENTS = frozenset({UNKNOWN_FORMAT, "text/plain"})
"""Formats that nobody prints by a hot folder: what an unknown program writes, and lists, logs and notes."""

CLEAR_SECONDS = 60.0
OUTCOMES = {
    REFUSED: "was not printed.",
    "aborted": "was not printed, or not to its end.",
    "canceled": "was cancelled; what had come out by then is on paper.",
}


class HotFolderJobs:
    """What becomes of the files of one hot folder; its methods raise StorageError where a disk or the spool refuses.

    Args:
        path: where it is.
        settings: those of all hot folders.
        spool: where jobs are made.
        journal: what was taken.
        tell: puts an event into the outbox.
        may_judge_age: whether the clock has run evenly, so that what it calls old is old.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        path: Path,
        settings: HotFolderConfig,
        spool: Spool,
        journal: HotFolderJournal,
        tell: Callable[[Event], None],
        may_judge_age: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._settings = settings
        self._spool = spool
        self._journal = journal
        self._tell = tell
        self._may_judge_age = may_judge_age
        self._monotonic = monotonic
        self._clear_due = 0.0

    def take(self, disk: HotFolderDisk, names: tuple[str, ...], *, printer_id: str) -> None:
        """Make a job of files, the document last."""
        token = secrets.token_hex(8)
        taken = self._journal.claim(token, self._path, printer_id=printer_id, job_id=f"hot-{token}", names=names)
        disk.claim(token, names)
        self.accept(disk, taken)

    def accept(self, disk: HotFolderDisk, taken: Taken) -> None:
        """Make a job of what was claimed; what was claimed in part, when a kill came, is given back."""
        if taken.document not in disk.contents(taken.token):
            disk.give_back(taken.token)
            self._journal.forget(taken.token)
            return
        try:
            self._make_job(disk, taken)
        except (TicketError, ConflictError) as error:
            self._refuse(taken, str(error))
        else:
            self._journal.accepted(taken.token)

    def put_away(self, disk: HotFolderDisk, taken: Taken) -> None:
        """Move files to `done` or `failed`; after a kill, those that had not been moved yet."""
        place: Place = "done" if taken.is_printed else "failed"
        if taken.stage == "ended":
            number = disk.free_number(place, tuple(taken.names))
            self._journal.about_to_move(taken.token, {name: numbered(name, number) for name in taken.names})
            taken = self._journal.find(taken.token)
        if not taken.is_printed:
            disk.write_reason(taken.names[taken.document], _reason(taken))
        self._journal.moved(taken.token, disk.put_away(taken.token, place, taken.names))

    def clear(self, disk: HotFolderDisk) -> None:
        """Remove of what was put away what is too old or too much; what others put there is theirs."""
        if self._monotonic() < self._clear_due:
            return
        keep, limit_bytes = self._settings.keep, self._settings.keep_bytes
        old = self._journal.overdue(self._path, seconds=keep) if self._may_judge_age() else []
        for taken in old or self._journal.excess(self._path, limit_bytes=limit_bytes):
            disk.remove("done" if taken.is_printed else "failed", tuple(taken.names.values()))
            self._journal.forget(taken.token)
        if not old:
            self._clear_due = self._monotonic() + CLEAR_SECONDS

    def _make_job(self, disk: HotFolderDisk, taken: Taken) -> None:
        if is_ticket(taken.document):
            raise TicketError(f"the document of this JDF did not come within {self._settings.wait_seconds} s")
        with disk.opened(taken.document, token=taken.token) as file:
            if problem := why_incomplete(file.size, file.head(), file.tail()):
                raise TicketError(f"it is not whole: {problem}")
            document_format = tell_format(file.head())
            if document_format in NO_DOCUMENTS:
                raise TicketError("it is no document that is printed from a hot folder, such as a PDF")
            accepted = self._spool.accept(
                self._ticket(disk, taken),
                file.path,
                printer_id=taken.printer_id,
                document_format=document_format,
                digest_parts=taken.token.encode(),
            )
        if accepted.is_new:
            log.info("job %s: accepted for %s from %s: %s", taken.job_id, taken.printer_id, self._path, taken.shown)

    def _ticket(self, disk: HotFolderDisk, taken: Taken) -> Ticket:
        keys: dict[str, Any] = {}
        for name in taken.names:
            if is_ticket(name):
                with disk.opened(name, token=taken.token) as file:
                    keys.update(parse_jdf(file.read(LARGEST_JDF_BYTES + 1)).keys)
        named = {"id": taken.job_id, "printer": taken.printer_id, "name": job_name(taken.document)}
        return parse_ticket_keys({**named, "fidelity": self._settings.fidelity, **keys})

    def _refuse(self, taken: Taken, message: str) -> None:
        self._journal.refuse(taken.token, message)
        facts = {"printer": taken.printer_id, "folder": str(self._path), "file": taken.shown, "message": message}
        self._tell(Event("hot-folder-refused", facts))
        log.warning("%s: %s goes to failed: %s", self._path, taken.shown, message)


def _reason(taken: Taken) -> str:
    """Write for a person who finds a document in `failed` why it is there."""
    outcome = OUTCOMES[taken.state]
    job = "" if taken.state == REFUSED else f"Its job was {taken.job_id}, on printer {taken.printer_id}.\n"
    again = "When that is put right" if taken.state == REFUSED else "To print it"
    return f"{taken.shown} {outcome}\n{taken.message}\n\n{job}{again}, put it into the hot folder once more.\n"
