"""Box as a place for jobs: a document is put where Box fetches it from, then a file is made of it in a folder.

Only the request that makes the file counts. What comes before it may be done again. Where its answer is lost, it is not
sent again: Box is asked for the file, in so far as it shows any, and else a person decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from agent.box_memory import BoxMemory, SentFile
from agent.config_clouds import BoxConfig
from agent.document_format import media_type
from agent.errors import (
    AnswerLostError,
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
from agent.job import Job, JobReading, JobState, Journal, Ticket
from agent.loop import backoff
from agent.model import Command
from agent.printos.box import Box, NewFile
from agent.printos.box_message import BoxFile, BoxFolder, Outcome, reading_of, shown_state
from agent.printos.box_outcome import (
    BUSY,
    BY_FOLDER,
    NOT_FOUND,
    OK,
    UNCONFIRMED,
    reading_of_folder,
    says_no,
    told,
    unsigned,
)
from agent.printos.box_watch import PreflightWatch
from agent.printos.exchange import printable, retry_after
from agent.printos.presigned import PresignedPut

FOLDER_ID = re.compile(r"[0-9a-f]{24}")
NAME_LIMIT = 200
EXTENSIONS: Mapping[str, str] = {
    "application/pdf": ".pdf",
    "application/postscript": ".ps",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "text/plain": ".txt",
}


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
        self._lost_folders = 0
        self._watch = PreflightWatch(limit_seconds=config.preflight_seconds, monotonic=monotonic)

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
        folder_id, is_alone = told(lambda: self._folder_for(job))
        urls = told(lambda: self._box.upload_urls(job.document.format))
        self._put.put(urls.upload, job.document, beat=journal.beat)
        name = file_name(job)
        journal.beat()

        def committing() -> None:
            self._memory.add_file(job, name, folder_id, urls.fetch, is_alone=is_alone)
            journal.committing()

        file = self._made(job, _new_file(job, name, folder_id, urls.fetch), committing, journal.beat)
        journal.created(file.id)
        self._memory.name_file(job, file.id)
        return self._reading(file)

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Tell how the preflight of a file stands; raises as `PrintTarget.read_job` does.

        A preflight that doesn't end in the time that it has is followed no further.
        """
        del user
        last_word = self._watch.last_word(device_job_id)
        return self._asked_for(device_job_id) if last_word is None else last_word

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
            return self._memory.folder_named(folder) or self._folder_made_for(folder, alone=None).id, False
        empty = self._memory.empty_folder_of(job)
        return empty or self._folder_made_for(job.shown_name, alone=job).id, True

    def _folder_made_for(self, name: str, *, alone: Job | None) -> BoxFolder:
        """Make a folder; a lost answer leaves an empty one behind: the more were lost, the less haste there is."""
        try:
            folder = self._new_folder(name, job=alone)
        except CloudUnreachableError as error:
            if not isinstance(error.__cause__, AnswerLostError):
                raise
            self._lost_folders += 1
            raise PrinterBusyError(str(error), retry_after_seconds=backoff(self._lost_folders)) from error
        except CloudRefusedError as error:
            if error.status == OK:
                raise PrinterRejectedError(str(error)) from error
            raise
        self._lost_folders = 0
        return folder

    def _new_folder(self, name: str, *, job: Job | None) -> BoxFolder:
        folder = self._box.create_folder(name, sender=self._config.sender, recipient=self._config.recipient)
        self._memory.add_folder(folder.id, name, job=job)
        return folder

    def _made(self, job: Job, file: NewFile, committing: Callable[[], None], beat: Callable[[], None]) -> BoxFile:
        """Have a file made.

        Raises:
            PrinterError: it surely was not, and what to do about it; or OutcomeUnknownError.
        """
        try:
            answer = self._box.send_file(file, committing=committing, beat=beat)
        except CloudUnreachableError as error:
            if isinstance(error.__cause__, ConnectFailedError):
                raise PrinterUnreachableError(str(error)) from error
            raise OutcomeUnknownError(str(error)) from error
        if answer.status in BUSY:
            message = f"Box asks for patience (HTTP {answer.status})"
            raise PrinterBusyError(message, retry_after_seconds=retry_after(answer))
        if says_no(answer.status):
            self._memory.forget_file(job)
            return self._refused(file, answer)
        try:
            return self._box.made_file(answer)
        except CloudError as error:
            raise OutcomeUnknownError(str(error)) from error

    def _refused(self, file: NewFile, answer: Answer) -> BoxFile:
        """Raise what an answer means that says that no file was made."""
        try:
            return told(lambda: self._box.made_file(answer))
        except PrinterRejectedError as error:
            if answer.status == NOT_FOUND and self._is_gone(file.folder_id):
                self._memory.forget_folder(file.folder_id)
                raise PrinterUnreachableError(f"its folder is gone, it gets a new one: {error}") from error
            raise

    def _is_gone(self, folder_id: str) -> bool:
        """Whether a folder that the agent made is no longer in Box."""
        if not self._memory.has_folder(folder_id):
            return False
        try:
            self._box.read_folder(folder_id)
        except CloudRefusedError as error:
            return error.status == NOT_FOUND
        except CloudUnreachableError as error:
            raise PrinterUnreachableError(str(error)) from error
        return False

    def _look_for(self, sent: SentFile) -> str | None:
        """Find what Box calls a file: by where it came from, else by its being the only one in its folder."""
        folder = told(lambda: self._box.read_folder(sent.folder_id))
        for file in folder.files:
            if file.source_url is not None and unsigned(file.source_url) == unsigned(sent.source_url):
                return file.id
        return f"{BY_FOLDER}{folder.id}" if sent.is_alone and folder.file_count else None

    def _asked_for(self, device_job_id: str) -> JobReading:
        """Ask Box how a preflight stands, whose refusal to tell is no word on it."""
        try:
            if device_job_id.startswith(BY_FOLDER):
                return reading_of_folder(self._box.read_folder(device_job_id.removeprefix(BY_FOLDER)))
            return self._reading(self._box.read_file(device_job_id))
        except CloudRefusedError as error:
            if error.status == NOT_FOUND:
                raise NotFoundError(f"Box knows it no longer: {error}") from error
            if self._watch.is_overdue(device_job_id):
                raise PrinterRejectedError(str(error)) from error
            raise PrinterUnreachableError(str(error)) from error
        except CloudUnreachableError as error:
            self._watch.rest(error.retry_after_seconds or 0.0)
            raise PrinterUnreachableError(str(error)) from error

    def _reading(self, file: BoxFile) -> JobReading:
        reading = reading_of(file)
        if reading.state is JobState.PROCESSING and self._watch.is_overdue(file.id):
            why = "its words are new to the agent" if file.outcome is Outcome.UNKNOWN else "it had not ended in time"
            message = f"Box has it; what its preflight came to is not known: {why} ({shown_state(file)})"
            reading = JobReading(JobState.COMPLETED, file.id, state_reasons=UNCONFIRMED, message=message)
        self._watch.heard(file.id, reading)
        return reading


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
