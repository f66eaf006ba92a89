"""One hot folder: what is dropped there becomes a job, exactly once, and is put away when the job has ended.

Write down, then act: before a file is moved out of everybody's reach, it is on the disk that it will be, and as which
job; before it is put away, under which name. So whatever a kill leaves, the next look finds what was meant and does the
rest of it. A folder in `processing` that nothing is known of is told, and left alone: it may have been printed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.config_schema import HotFolderConfig
from agent.errors import StorageError, TicketError
from agent.hot_folder_disk import HotFolderDisk, open_hot_folder
from agent.hot_folder_jobs import HotFolderJobs
from agent.hot_folder_journal import HotFolderJournal, Taken
from agent.hot_folder_names import is_ticket, shown
from agent.hot_folder_plan import due_files
from agent.hot_folder_settling import Settling, Trace, why_incomplete
from agent.hot_folder_state import state_of
from agent.jdf import LARGEST_JDF_BYTES, parse_jdf
from agent.model import Event, Printer
from agent.store import Store

log = logging.getLogger(__name__)

CLAIMS_AT_ONCE = 50
"""Files that are taken in one look, so that other folders have their turn."""

GONE_SECONDS = 7 * 86_400.0
SILENT_SECONDS = 30.0


class HotFolder:
    """A hot folder of one printer.

    Args:
        path: where it is.
        name: what its printer is called in the configuration.
        settings: those of all hot folders.
        find_printer: gives its printer as the registry has it, None while it has not been met.
        jobs: makes jobs of files, and puts them away.
        store: what the journal stands on.
        journal: what was taken.
        tell: puts an event into the outbox.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        path: Path,
        name: str,
        settings: HotFolderConfig,
        find_printer: Callable[[], Printer | None],
        jobs: HotFolderJobs,
        store: Store,
        journal: HotFolderJournal,
        tell: Callable[[Event], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._name = name
        self._settings = settings
        self._find_printer = find_printer
        self._jobs = jobs
        self._store = store
        self._journal = journal
        self._tell = tell
        self._monotonic = monotonic
        self._settling = Settling()
        self._described: dict[str, tuple[Trace, str | None]] = {}
        self._problems: list[str] = []
        self._problem: str | None = None
        self._waiting = 0
        self._looks_since: float | None = None

    def look(self) -> bool:
        """Do what is due; gives whether there is more to do at once."""
        self._looks_since = self._monotonic()
        self._problems = []
        has_more = False
        try:
            with open_hot_folder(self.path) as disk:
                if self._go_on(disk):
                    has_more = self._take_in(disk)
                self._jobs.clear(disk)
        except StorageError as error:
            self._problems.append(self._told(error))
        finally:
            self._looks_since = None
        self._note(next(iter(self._problems), None))
        return has_more

    def to_json(self) -> dict[str, Any]:
        """Tell how it is; asks neither disk nor share."""
        return state_of(
            self._store,
            self.path,
            name=self._name,
            printer=self._find_printer(),
            problem=self._silence() or self._problem,
            waiting=self._waiting,
        )

    def _go_on(self, disk: HotFolderDisk) -> bool:
        """Go on with what was taken, put it away or make jobs of it; gives whether more may be taken."""
        unfinished, in_print = self._journal.unfinished(self.path), self._journal.in_print(self.path)
        tokens = set(disk.tokens())
        is_done = True
        for taken in unfinished:
            try:
                if taken.token not in tokens and not _is_elsewhere(disk, taken):
                    self._miss(taken)
                elif taken.stage == "claimed":
                    self._jobs.accept(disk, taken)
                else:
                    self._jobs.put_away(disk, taken)
            except StorageError as error:
                self._problems.append(self._told(error))
                is_done = False
        for token in sorted(tokens - in_print - {taken.token for taken in unfinished}):
            if self._journal.knows(token):
                self._jobs.put_away(disk, self._journal.find(token))
            else:
                self._problems.append(f"this agent knows nothing of processing/{shown(token)}: is it printed?")
        return is_done

    def _take_in(self, disk: HotFolderDisk) -> bool:
        """Make jobs of what has settled; gives whether more has."""
        files = disk.files()
        still = self._settling.observe(files, self._monotonic())
        self._described = {name: known for name, known in self._described.items() if files.get(name) == known[0]}
        self._waiting = len(files)
        if not files:
            return False
        printer = self._find_printer()
        if printer is None:
            self._problems.append("its printer has not been found yet")
            return False
        ready = list(itertools.islice(self._ready(disk, files, still), CLAIMS_AT_ONCE + 1))
        for names in ready[:CLAIMS_AT_ONCE]:
            self._jobs.take(disk, names, printer_id=printer.id)
            self._waiting -= len(names)
        return len(ready) > CLAIMS_AT_ONCE

    def _ready(
        self, disk: HotFolderDisk, files: Mapping[str, Trace], still: Mapping[str, float]
    ) -> Iterator[tuple[str, ...]]:
        """Give what is due, and can be taken."""
        settle = self._settings.settle_seconds
        named = {
            name: self._named(disk, name, files[name]) if still[name] >= settle else None
            for name in still
            if is_ticket(name)
        }
        for names in due_files(still, named, self._settings):
            document = names[-1]
            if document in named or self._may_be_taken(disk, document, still[document]):
                yield names

    def _may_be_taken(self, disk: HotFolderDisk, name: str, seconds: float) -> bool:
        """Whether nobody writes to a document, and it looks whole, or has looked as it does for long enough."""
        try:
            with disk.opened(name) as file:
                if file.is_being_written():
                    return False
                is_patient = seconds < self._settings.wait_seconds
                return not (is_patient and why_incomplete(file.size, file.head(), file.tail()))
        except StorageError as error:
            self._problems.append(self._told(error))
            return False

    def _named(self, disk: HotFolderDisk, name: str, trace: Trace) -> str | None:
        """Give the name of the document that a ticket names; None where it names none, or can't be read."""
        if name not in self._described:
            document = None
            with contextlib.suppress(StorageError, TicketError), disk.opened(name) as file:
                document = parse_jdf(file.read(LARGEST_JDF_BYTES + 1)).document
            self._described[name] = (trace, document)
        return self._described[name][1]

    def _told(self, error: StorageError) -> str:
        """Say what is in the way; which folder it is about is said besides."""
        return str(error).removeprefix(f"{self.path}: ")

    def _miss(self, taken: Taken) -> None:
        """Remember what is gone for a while: in the place of a share that is not mounted there is an empty folder."""
        if self._journal.age_seconds(taken) >= GONE_SECONDS:
            self._journal.forget(taken.token)
        else:
            self._problems.append(f"{taken.shown} was here and is gone: is the share mounted?")

    def _note(self, problem: str | None) -> None:
        """Tell of a trouble, and of its end, once."""
        if problem == self._problem:
            return
        self._problem = problem
        facts = {"printer": self._name, "folder": str(self.path)}
        if problem is None:
            log.info("hot folder %s: works again", self.path)
            self._tell(Event("hot-folder-back", facts))
        else:
            log.warning("hot folder %s: %s", self.path, problem)
            self._tell(Event("hot-folder-trouble", {**facts, "message": problem}))

    def _silence(self) -> str | None:
        since = self._looks_since
        seconds = 0.0 if since is None else self._monotonic() - since
        return f"it has not answered for {seconds:.0f} s" if seconds > SILENT_SECONDS else None


def _is_elsewhere(disk: HotFolderDisk, taken: Taken) -> bool:
    """Whether files that are not in the folder of their job are where they were, or where they are to go."""
    if taken.stage == "moving":
        return disk.holds("done" if taken.is_printed else "failed", taken.names.values())
    return taken.stage == "claimed" and disk.holds(None, taken.names)
