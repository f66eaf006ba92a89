"""Box as a place for jobs: a document is put where Box fetches it from, then a file is made of it in a folder.

Only the request that makes the file counts. What comes before it may be done again. Where its answer is lost, it is not
sent again: Box is asked for the file, in so far as it shows any, and else a person decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from agent.box_memory import BoxMemory, SentFile
from agent.config_schema import BoxConfig
from agent.document_format import media_type
from agent.errors import (
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    ConnectFailedError,
    InputError,
    NotFoundError,
    OutcomeUnknownError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
    TicketError,
)
from agent.http import Answer
from agent.model import Command, Job, JobReading, JobState, Journal, Ticket
from agent.printos.box import Box, NewFile
from agent.printos.box_message import BoxFile, BoxFolder, Outcome, reading_of, shown_state
from agent.printos.exchange import printable, retry_after
from agent.printos.presigned import PresignedPut

Told = TypeVar("Told")

FOLDER_ID = re.compile(r"[0-9a-f]{24}")
BY_FOLDER = "folder:"
"""Begins the id of a file whose own id was in an answer that was lost; that of its folder follows."""
NAME_LIMIT = 200
MOST_FOLLOWED = 10_000
EXTENSIONS: Mapping[str, str] = {
    "application/pdf": ".pdf",
    "application/postscript": ".ps",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "text/plain": ".txt",
}
UNCONFIRMED = ("queued-in-device", "agent-completion-unconfirmed")
NOT_FOUND = 404
BUSY = frozenset({429, 503})
REDIRECTS = frozenset(range(300, 400))
CLIENT_ERRORS = frozenset(range(400, 500))
MAY_HAVE_ACTED = frozenset({408})
OURS_TO_MEND = REDIRECTS | {200, 401, 403}
"""What somebody can end: of an answer that can't be read the names can be set, the others are a matter of the key, or
of the way there."""


class BoxTarget:
    """Sends jobs to Box and tells what it says of them.

    Args:
        box: the client.
        put: sends documents to the URLs that Box gives.
        memory: the folders and files that were made.
        config: which folder, from whom, and for how long a preflight is followed.
        monotonic: seconds that never jump.
    """

    name = "PrintOS Box"
    options = frozenset({"copies"})

    def __init__(
        self,
        *,
        box: Box,
        put: PresignedPut,
        memory: BoxMemory,
        config: BoxConfig,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._box = box
        self._put = put
        self._memory = memory
        self._config = config
        self._monotonic = monotonic
        self._followed_since: dict[str, float] = {}

    def check(self, ticket: Ticket) -> None:
        """Refuse what Box can't be told.

        Raises:
            TicketError: it asks strictly for an option of printers.
        """
        beyond = sorted(ticket.options.requested() - self.options)
        if beyond and ticket.fidelity == "strict":
            problem = f"Box can't be told {', '.join(beyond)}; leave it out, or ask for best-effort"
            raise TicketError(problem, reason="unsupported-attributes-or-values", job_id=ticket.id)

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Put a job's document into its folder; raises as `PrintTarget.print_job` does."""
        folder_id, is_alone = _told(lambda: self._folder_for(job))
        urls = _told(lambda: self._box.upload_urls(job.document.format))
        self._put.put(urls.upload, job.document, beat=journal.beat)
        name = file_name(job)
        self._memory.add_file(job, name, folder_id, urls.fetch, is_alone=is_alone)
        journal.beat()
        journal.sending()
        journal.left()  # the document has, in whole: what is left is the request that counts
        file = self._made(job, _new_file(job, name, folder_id, urls.fetch))
        journal.created(file.id)
        self._memory.name_file(job, file.id)
        return self._reading(file)

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Tell how the preflight of a file stands; raises as `PrintTarget.read_job` does.

        A preflight that doesn't end in the time that it has is followed no further.
        """
        del user
        try:
            if device_job_id.startswith(BY_FOLDER):
                return _reading_of_folder(self._box.read_folder(device_job_id.removeprefix(BY_FOLDER)))
            return self._reading(self._box.read_file(device_job_id))
        except CloudRefusedError as error:
            if error.status == NOT_FOUND:
                raise NotFoundError(f"Box knows it no longer: {error}") from error
            if self._is_overdue(device_job_id):
                raise PrinterRejectedError(str(error)) from error
            raise PrinterUnreachableError(str(error)) from error
        except CloudUnreachableError as error:
            raise PrinterUnreachableError(str(error)) from error

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Look for the file of this attempt at a job; of other attempts Box keeps nothing that holds it up.

        Raises:
            NotFoundError: Box shows no such file, which proves nothing.
            PrinterUnreachableError: it doesn't answer.
        """
        sent = None if of_any_attempt else self._memory.file_of(job)
        if sent is None:
            return None
        file_id = sent.file_id or self._look_for(sent)
        if file_id is None:
            raise NotFoundError(f"Box shows no file of this job in its folder {sent.folder_id}")
        return JobReading(None, file_id)

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:
        """Say that what is in Box stays there.

        Raises:
            PrinterRejectedError: always.
        """
        del user
        raise PrinterRejectedError(f"Box takes back no file; whoever may, can delete {device_job_id} there")

    def commands(self) -> dict[str, Command]:
        """Give what the command line can have changed in Box, by name."""
        return {"box.folders.create": lambda arguments, _document, _progress: self._create_folder(arguments)}

    def _create_folder(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = arguments.get("name")
        if not isinstance(name, str) or not printable(name):
            raise InputError("a folder needs a name")
        return self._new_folder(name, job=None).to_json()

    def _folder_for(self, job: Job) -> tuple[str, bool]:
        """Give the id of a job's folder, and whether it is for this job alone."""
        folder = str(job.delivery.get("folder") or self._config.folder)
        if FOLDER_ID.fullmatch(folder):
            return folder, False
        if folder:
            return self._memory.folder_named(folder) or self._new_folder(folder, job=None).id, False
        return self._memory.empty_folder_of(job) or self._new_folder(job.shown_name, job=job).id, True

    def _new_folder(self, name: str, *, job: Job | None) -> BoxFolder:
        folder = self._box.create_folder(name, sender=self._config.sender, recipient=self._config.recipient)
        self._memory.add_folder(folder.id, name, job=job)
        return folder

    def _made(self, job: Job, file: NewFile) -> BoxFile:
        """Have a file made.

        Raises:
            PrinterError: it surely was not, and what to do about it; or OutcomeUnknownError.
        """
        try:
            answer = self._box.send_file(file)
        except CloudUnreachableError as error:
            if isinstance(error.__cause__, ConnectFailedError):
                self._memory.forget_file(job)
                raise PrinterUnreachableError(str(error)) from error
            raise OutcomeUnknownError(str(error)) from error
        if answer.status in BUSY:
            message = f"Box asks for patience (HTTP {answer.status})"
            raise PrinterBusyError(message, retry_after_seconds=retry_after(answer))
        if answer.status in REDIRECTS or answer.status in CLIENT_ERRORS - MAY_HAVE_ACTED:
            self._memory.forget_file(job)
            return self._refused(job, answer)
        try:
            return self._box.made_file(answer)
        except CloudError as error:
            raise OutcomeUnknownError(str(error)) from error

    def _refused(self, job: Job, answer: Answer) -> BoxFile:
        """Raise what an answer means that says that no file was made."""
        folder = str(job.delivery.get("folder") or self._config.folder)
        try:
            return _told(lambda: self._box.made_file(answer))
        except PrinterRejectedError as error:
            if answer.status != NOT_FOUND or FOLDER_ID.fullmatch(folder):
                raise
            self._memory.forget_folder(folder)
            raise PrinterUnreachableError(f"its folder is gone, it gets a new one: {error}") from error

    def _look_for(self, sent: SentFile) -> str | None:
        """Find what Box calls a file: by where it came from, else by its being the only one in its folder."""
        folder = _told(lambda: self._box.read_folder(sent.folder_id))
        for file in folder.files:
            if _without_query(file.source_url) == _without_query(sent.source_url):
                return file.id
        return f"{BY_FOLDER}{folder.id}" if sent.is_alone and folder.file_count else None

    def _reading(self, file: BoxFile) -> JobReading:
        reading = reading_of(file)
        if reading.state is not JobState.PROCESSING:
            self._followed_since.pop(file.id, None)
            return reading
        if not self._is_overdue(file.id):
            return reading
        self._followed_since.pop(file.id, None)
        why = "its words are new to the agent" if file.outcome is Outcome.UNKNOWN else "it had not ended in time"
        message = f"Box has it; what its preflight came to is not known: {why} ({shown_state(file)})"
        return JobReading(JobState.COMPLETED, file.id, state_reasons=UNCONFIRMED, message=message)

    def _is_overdue(self, file_id: str) -> bool:
        """Whether a file has been followed for as long as it is to be; after a restart of the agent anew."""
        if len(self._followed_since) >= MOST_FOLLOWED:
            self._followed_since.clear()
        now = self._monotonic()
        return now >= self._followed_since.setdefault(file_id, now) + self._config.preflight_seconds


def file_name(job: Job) -> str:
    """Name a job's file as people know it, with the extension of its format."""
    name = re.sub(r"[/\\]", "-", printable(job.shown_name))[:NAME_LIMIT]
    extension = EXTENSIONS.get(media_type(job.document.format), "")
    return name if PurePath(name).suffix.lower() in (extension, *_also(extension)) else f"{name}{extension}"


def _also(extension: str) -> tuple[str, ...]:
    return {".jpg": (".jpeg",), ".tif": (".tiff",)}.get(extension, ())


def _new_file(job: Job, name: str, folder_id: str, url: str) -> NewFile:
    asked = {key: str(job.delivery.get(key, "")) for key in ("notes", "substrate", "flow")}
    return NewFile(url=url, name=name, folder_id=folder_id, copies=job.options.copies, **asked)


def _told(ask: Callable[[], Told]) -> Told:
    """Ask Box for something that may be asked for again.

    Raises:
        PrinterUnreachableError: it can't be had now.
        PrinterBusyError: Box asks for patience.
        PrinterRejectedError: it can never be had.
    """
    try:
        return ask()
    except CloudUnreachableError as error:
        if error.retry_after_seconds is not None:
            raise PrinterBusyError(str(error), retry_after_seconds=error.retry_after_seconds) from error
        raise PrinterUnreachableError(str(error)) from error
    except CloudRefusedError as error:
        if error.status in OURS_TO_MEND:
            raise PrinterUnreachableError(str(error)) from error
        raise PrinterRejectedError(str(error)) from error


def _reading_of_folder(folder: BoxFolder) -> JobReading:
    """Tell of the only file of a folder."""
    if len(folder.files) == 1:
        return reading_of(folder.files[0])
    if not folder.file_count:
        raise NotFoundError(f"Box shows no file in the folder {folder.id}")
    message = f"Box has it, in a folder of its own (preflight there: {folder.preflight_status or 'not told'})"
    return JobReading(JobState.COMPLETED, f"{BY_FOLDER}{folder.id}", state_reasons=UNCONFIRMED, message=message)


def _without_query(url: str | None) -> str | None:
    """Leave out of a URL what changes with every signature."""
    return None if url is None else url.partition("?")[0]
