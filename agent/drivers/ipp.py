"""IPP over HTTP (RFC 8010, RFC 8011): reads a printer, prints a job on it and follows the job to its end."""

from __future__ import annotations

import itertools
import logging
import re
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO
from urllib.parse import urlsplit

from agent.drivers.ipp_attributes import (
    JOB_ATTRIBUTES,
    OPTIONS,
    PRINTER_ATTRIBUTES,
    document_format,
    is_job_id,
    job_attributes,
    job_id,
    job_name,
    parse_identity,
    parse_job,
    parse_reading,
    requesting_user,
)
from agent.drivers.ipp_message import encode_message
from agent.drivers.ipp_outcome import parse_answer, raise_for_status, refused_names
from agent.drivers.ipp_values import (
    Attribute,
    Attributes,
    Group,
    GroupTag,
    Message,
    Operation,
    Status,
    Tag,
    attribute,
)
from agent.errors import (
    AgentError,
    NotFoundError,
    OutcomeUnknownError,
    PrinterBusyError,
    PrinterError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
    StorageError,
    TransportError,
)
from agent.http import HttpClient
from agent.job import Job, JobReading, JobState, Journal
from agent.model import Identity, Reading
from agent.upload import Upload

log = logging.getLogger(__name__)

VERSIONS: tuple[tuple[int, int], ...] = ((2, 0), (1, 1), (1, 0))
TOO_NEW = frozenset({Status.VERSION_NOT_SUPPORTED, Status.BAD_REQUEST})
"""How printers say that they don't speak a version; ippeveprinter, for one, calls it a bad request."""

SAYS_NOTHING = TOO_NEW | {Status.OPERATION_NOT_SUPPORTED}
"""What no printer answers that is asked for its attributes in every version and way."""

DEFAULT_PORT = 631
DEFAULT_PRIORITY = 50
MOST_JOBS = 500
CLEAN_UP_SECONDS = 5.0
WANTED_OF_PRINTER = attribute("requested-attributes", Tag.KEYWORD, *PRINTER_ATTRIBUTES)
WANTED_OF_IDENTITY = attribute(
    "requested-attributes", Tag.KEYWORD, "printer-uuid", "printer-device-id", "printer-make-and-model"
)
WANTED_OF_JOB = attribute("requested-attributes", Tag.KEYWORD, *JOB_ATTRIBUTES)


class Ipp:
    """One printer that speaks IPP: a source of status and a target for jobs. Safe in several threads.

    Args:
        uri: `ipp://host:631/ipp/print` or `ipps://…`.
        http: carries it; its limits hold for every wait.
    """

    name = "ipp"
    options = OPTIONS

    def __init__(self, uri: str, *, http: HttpClient) -> None:
        self._uri = uri
        self._url = http_url(uri)
        self._http = http
        self._versions = VERSIONS
        self._requested: tuple[Attribute, ...] = (WANTED_OF_PRINTER,)
        self._operations: frozenset[int] = frozenset()
        self._takes_priority = False
        self._time_out_action: str | None = None
        self._was_asked = False
        self._request_ids = itertools.count(1)

    def read(self) -> Reading:
        """Read identity, status and capabilities, in one exchange.

        Raises:
            PrinterUnreachableError: no answer, or not now.
            PrinterProtocolError: it answers, but is no IPP printer.
            PrinterRejectedError: it asks for a login.
        """
        try:
            return parse_reading(self._read_printer())
        except PrinterBusyError as exc:
            raise PrinterUnreachableError(str(exc)) from exc
        except NotFoundError as exc:
            raise PrinterProtocolError(str(exc)) from exc

    def read_identity(self) -> Identity:
        """Read who it is and nothing more, which is cheap; of a printer that can't be asked so, all is read.

        Raises:
            PrinterUnreachableError, PrinterProtocolError, PrinterRejectedError: as `read`.
        """
        answer = self._exchange(Operation.GET_PRINTER_ATTRIBUTES, self._groups((WANTED_OF_IDENTITY,)))
        told = parse_identity(answer.group(GroupTag.PRINTER))
        return told if told.uuid or told.serial else self.read().identity

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Send a job with its document; gives what the printer said of it.

        Raises:
            PrinterUnreachableError: no byte of the document has left.
            PrinterBusyError: later; nothing was taken.
            PrinterRejectedError: the printer said no, and would say it again.
            OutcomeUnknownError: a byte has left, and no whole answer came.
            StorageError: the document can't be read.
        """
        try:
            with _opened(job) as file:
                if self._supported_operations() >= {Operation.CREATE_JOB, Operation.SEND_DOCUMENT}:
                    return self._create_and_send(job, file, journal)
                return self._send_at_once(job, file, journal)
        except (PrinterProtocolError, NotFoundError) as exc:
            raise PrinterUnreachableError(f"not the printer it was: {exc}") from exc

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Ask for one job, as its user.

        Raises:
            NotFoundError: the printer no longer knows it, which proves nothing.
            PrinterUnreachableError: no answer, or not now.
            PrinterBusyError: likewise; the printer said so.
            PrinterProtocolError: it answers without the job's state.
        """
        answer = self._answer(Operation.GET_JOB_ATTRIBUTES, job_id(device_job_id), requesting_user(user), WANTED_OF_JOB)
        reading = self._told(answer.group(GroupTag.JOB))
        if reading.state is None:
            raise PrinterProtocolError(f"it answers without the state of its job {device_job_id}")
        return replace(reading, device_job_id=device_job_id)

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:
        """Cancel a job, as its user.

        Raises:
            NotFoundError: the printer no longer knows it.
            PrinterRejectedError: it is over, or may not be canceled.
        """
        self._answer(Operation.CANCEL_JOB, job_id(device_job_id), requesting_user(user))

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Look for the newest job whose name ends with the token of this attempt, or of any attempt at the job.

        None where the printer lists no such job, which proves nothing.

        Raises:
            PrinterUnreachableError: no answer, or not now.
            PrinterBusyError: likewise; the printer said so.
        """
        lists = (self._list_jobs(which, requesting_user(job.user)) for which in ("not-completed", "completed"))
        named = (
            listed
            for listed in itertools.chain.from_iterable(lists)
            if job.is_named(listed.text("job-name"), of_any_attempt=of_any_attempt)
        )
        newest = max(named, key=lambda listed: listed.integer("job-id") or 0, default=None)
        return None if newest is None else self._told(newest)

    def identify(self) -> None:
        """Have the printer blink or beep.

        Raises:
            PrinterRejectedError: it can't.
        """
        if Operation.IDENTIFY_PRINTER not in self._supported_operations():
            raise PrinterRejectedError("the printer has no way to identify itself")
        self._answer(Operation.IDENTIFY_PRINTER)

    # --- printing ---

    def _create_and_send(self, job: Job, file: BinaryIO, journal: Journal) -> JobReading:
        device_job_id = self._create(job)
        last = attribute("last-document", Tag.BOOLEAN, True)
        send = (job_id(device_job_id), requesting_user(job.user), document_format(job), last)
        try:
            journal.created(device_job_id)
            request = self._request(Operation.SEND_DOCUMENT, self._groups(send))
            answer = self._upload(request, job, file, journal)
        except OutcomeUnknownError:
            raise
        except AgentError:
            self._clean_up(device_job_id, job.user)
            raise
        reading = parse_job(answer.group(GroupTag.JOB))
        return replace(reading, state=reading.state or JobState.PENDING, device_job_id=device_job_id)

    def _send_at_once(self, job: Job, file: BinaryIO, journal: Journal) -> JobReading:
        request = self._request(Operation.PRINT_JOB, self._job_groups(job, document_format(job)))
        return parse_job(self._upload(request, job, file, journal).group(GroupTag.JOB))

    def _create(self, job: Job) -> str:
        """Have the printer make a job that waits for its document; gives the printer's id of it."""
        answer = self._exchange(Operation.CREATE_JOB, self._job_groups(job))
        raise_for_status(answer)
        device_job_id = parse_job(answer.group(GroupTag.JOB)).device_job_id or ""
        if not is_job_id(device_job_id):
            raise PrinterRejectedError("the printer made a job and gave it no id")
        ignored = ", ".join(sorted(refused_names(answer) & job.options.requested()))
        if ignored and job.fidelity == "strict":
            self._clean_up(device_job_id, job.user)
            raise PrinterRejectedError(f"the printer ignores {ignored}", reason="unsupported-attributes-or-values")
        return device_job_id

    def _upload(self, request: Message, job: Job, file: BinaryIO, journal: Journal) -> Message:
        """Send a request with the document after it; gives a response of success."""
        body = Upload(
            encode_message(request),
            file,
            job.document.size,
            on_start=journal.sending,
            on_end=journal.left,
            on_progress=journal.beat,
        )
        try:
            answer = self._post(body)
            raise_for_status(answer)
        except (PrinterUnreachableError, PrinterProtocolError, TransportError) as exc:
            if body.has_started:
                raise OutcomeUnknownError(f"the document was on its way: {exc}") from exc
            raise PrinterUnreachableError(str(exc)) from exc
        except NotFoundError as exc:
            raise PrinterRejectedError(str(exc)) from exc
        if not body.has_ended:
            raise OutcomeUnknownError("the printer took the document before it can have had all of it")
        return answer

    def _clean_up(self, device_job_id: str, user: str | None) -> None:
        """Cancel a job that will get no document, so that it doesn't hold up the printer."""
        request = self._request(Operation.CANCEL_JOB, self._groups((job_id(device_job_id), requesting_user(user))))
        try:
            raise_for_status(self._post(encode_message(request), timeout_seconds=CLEAN_UP_SECONDS))
        except (PrinterError, NotFoundError, TransportError) as exc:
            log.info("%s: its job %s, which got no document, was not canceled: %s", self._uri, device_job_id, exc)

    def _job_groups(self, job: Job, *more: Attribute) -> tuple[Group, ...]:
        fidelity = attribute("ipp-attribute-fidelity", Tag.BOOLEAN, job.fidelity == "strict")
        operation = (requesting_user(job.user), job_name(job), fidelity, *more)
        wanted = job_attributes(job.options)
        if self._takes_priority and job.priority != DEFAULT_PRIORITY:
            wanted = (*wanted, attribute("job-priority", Tag.INTEGER, job.priority))
        if wanted and job.fidelity == "best-effort":
            wanted = self._bearable(operation, wanted)
        return self._groups(operation, wanted)

    def _bearable(self, operation: tuple[Attribute, ...], wanted: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
        """Leave out the job attributes that the printer would refuse a whole job for."""
        answer = self._exchange(Operation.VALIDATE_JOB, self._groups(operation, wanted))
        if answer.code != Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED:
            return wanted
        refused = refused_names(answer) or frozenset(item.name for item in wanted)
        return tuple(item for item in wanted if item.name not in refused)

    # --- exchanges ---

    def _read_printer(self) -> Attributes:
        self._was_asked = True
        answer = self._exchange(Operation.GET_PRINTER_ATTRIBUTES, self._groups(self._requested))
        if self._requested and answer.code in {Status.BAD_REQUEST, Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED}:
            answer = self._exchange(Operation.GET_PRINTER_ATTRIBUTES, self._groups())
            if answer.code == Status.OK:
                log.info("%s: does not let itself be asked for some attributes only", self._uri)
                self._requested = ()
        if answer.code in SAYS_NOTHING:
            raise PrinterProtocolError(f"it doesn't say what it is (IPP status 0x{answer.code:04x})")
        raise_for_status(answer)
        printer = answer.group(GroupTag.PRINTER)
        if not printer.items:
            raise PrinterProtocolError("it answers as a printer that tells nothing of itself")
        self._operations = frozenset(filter(None, printer.integers("operations-supported")))
        self._takes_priority = bool(printer.integer("job-priority-supported"))
        self._time_out_action = printer.text("multiple-operation-time-out-action")
        return printer

    def _supported_operations(self) -> frozenset[int]:
        if not self._operations:
            self._read_printer()
        return self._operations

    def _told(self, job: Attributes) -> JobReading:
        """Give what the printer says of a job, and what it does with one whose document stays away."""
        if not self._was_asked:
            with suppress(PrinterProtocolError, PrinterRejectedError):
                self._read_printer()
        return replace(parse_job(job), time_out_action=self._time_out_action)

    def _list_jobs(self, which: str, user: Attribute) -> tuple[Attributes, ...]:
        """List jobs as their owner sees them; none where the printer has no such list."""
        limit = attribute("limit", Tag.INTEGER, MOST_JOBS)
        wanted = (user, limit, WANTED_OF_JOB, attribute("which-jobs", Tag.KEYWORD, which))
        try:
            answer = self._answer(Operation.GET_JOBS, *wanted)
        except (PrinterRejectedError, NotFoundError) as exc:
            log.debug("%s: no list of its %s jobs: %s", self._uri, which, exc)
            return ()
        return answer.all_groups(GroupTag.JOB)

    def _answer(self, operation: Operation, *attributes: Attribute) -> Message:
        """Exchange a request of operation attributes only for a response of success."""
        answer = self._exchange(operation, self._groups(attributes))
        raise_for_status(answer)
        return answer

    def _exchange(self, operation: Operation, groups: tuple[Group, ...]) -> Message:
        """Exchange a request without a document for a response, in the version that the printer speaks."""
        for version in self._versions:
            request = replace(self._request(operation, groups), version=version)
            try:
                answer = self._post(encode_message(request))
            except TransportError as exc:
                raise PrinterUnreachableError(str(exc)) from exc
            if answer.code not in TOO_NEW:
                self._versions = VERSIONS[VERSIONS.index(version) :]
                break
        return answer

    def _post(self, body: bytes | Upload, timeout_seconds: float | None = None) -> Message:
        headers = {"Content-Type": "application/ipp", "Accept": "application/ipp"}
        answer = self._http.request("POST", self._url, headers=headers, body=body, timeout_seconds=timeout_seconds)
        return parse_answer(answer)

    def _request(self, operation: Operation, groups: tuple[Group, ...]) -> Message:
        return Message(operation, groups, self._versions[0], next(self._request_ids) % 2**31)

    def _groups(self, operation: tuple[Attribute, ...] = (), job: tuple[Attribute, ...] = ()) -> tuple[Group, ...]:
        """Give the groups of a request; the first three attributes are what RFC 8011 wants first, in its order."""
        first = (
            attribute("attributes-charset", Tag.CHARSET, "utf-8"),
            attribute("attributes-natural-language", Tag.NATURAL_LANGUAGE, "en"),
            attribute("printer-uri", Tag.URI, self._uri),
        )
        groups = (Group(GroupTag.OPERATION, Attributes((*first, *operation))), Group(GroupTag.JOB, Attributes(job)))
        return groups if job else groups[:1]


def http_url(uri: str) -> str:
    """Give the URL behind an IPP URI: `ipp://h/ipp/print` is `http://h:631/ipp/print`, ipps is https (RFC 8010)."""
    parts = urlsplit(uri)
    scheme = "https" if parts.scheme == "ipps" else "http"
    authority = parts.netloc.rpartition("@")[2]
    if not re.search(r":[0-9]+$", authority):
        authority = f"{authority.removesuffix(':')}:{DEFAULT_PORT}"
    return f"{scheme}://{authority}{parts.path or '/'}"


def _opened(job: Job) -> BinaryIO:
    try:
        return job.document.path.open("rb")
    except OSError as exc:
        raise StorageError(f"the document of job {job.id} can't be read: {exc.strerror}") from exc
