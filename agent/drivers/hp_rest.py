"""HP's REST interface of a printer: `/Devices/{id}/ProductStatus`, `/Consumables`, `/Print/Jobs`.

Its description leaves open how a job's options travel. Here the document is the body, with its Content-Type, and the
options are query parameters with the names and values of IPP: `copies=2&sides=two-sided-long-edge`, lists with commas
(`page-ranges=1-3,7-7`), and `jobName`, whose last word is the token of the attempt. The answer's `Location`, or `jobId`
in its body, names the job, which is then followed by GET and canceled by DELETE; where that answer was lost, the job is
looked for by its name in `GET …/Print/Jobs`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlencode, urlsplit

from agent.drivers.hp_rest_message import parse_device_id, parse_job, parse_jobs, parse_reading
from agent.errors import (
    ConflictError,
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
from agent.http import Answer, HttpClient
from agent.job import ATTEMPT_TOKEN, Job, JobOptions, JobReading, JobState, Journal
from agent.model import Reading
from agent.upload import Upload

log = logging.getLogger(__name__)

DEFAULT_DEVICE_ID = "1"
ANSWER_LIMIT_BYTES = 1_048_576
PRINT_ANSWER_SECONDS = 120.0
RETRY_AFTER_LIMIT_SECONDS = 3600.0
ACCEPT = {"Accept": "application/json, application/xml;q=0.9"}
TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
NEVER = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED})
REASONS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "account-authorization-failed",
    HTTPStatus.FORBIDDEN: "account-authorization-failed",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-document-format",
}


class HpRest:
    """Reads and prints by HP's REST interface.

    Args:
        uri: its root, such as `http://h:8080`, or one device of it, `http://h:8080/Devices/<id>`. Of a root the first
            device that `GET /Devices` lists is meant, `1` where it lists none.
        http: with the printer's credentials, if it wants any.
    """

    name = "hp-rest"
    options = frozenset({"copies", "sides", "media", "print-color-mode", "page-ranges", "print-quality", "finishings"})

    def __init__(self, uri: str, *, http: HttpClient) -> None:
        parts = urlsplit(uri)
        root, _, device = parts.path.rstrip("/").partition("/Devices")
        self._root = f"{parts.scheme}://{parts.netloc}{root.rstrip('/')}"
        self._device_id = unquote(device.strip("/")) or None
        self._http = http

    def read(self) -> Reading:
        """Read status, identity and supplies.

        Raises:
            PrinterUnreachableError: it doesn't answer, or is out of order.
            PrinterProtocolError: it answers, but has no such interface.
            PrinterRejectedError: it wants other credentials.
        """
        device = self._device()
        status = self._get(f"{device}/ProductStatus")
        if status is None:
            raise PrinterProtocolError(f"{self._root}: no product status")
        consumables = self._get(f"{device}/Consumables") or self._get(f"{self._root}/dev/rest/consumables")
        return parse_reading(status, consumables)

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Send the job's document and give what the printer answers about it.

        Raises:
            PrinterUnreachableError: no byte of the document left.
            PrinterBusyError: the printer took nothing and says: later.
            PrinterRejectedError: the printer took nothing and says no.
            OutcomeUnknownError: some of it left, and no answer came that settles it.
            PrinterProtocolError: it has no such interface; nothing left.
            StorageError: the document can't be read.
        """
        url = f"{self._jobs_url()}?{urlencode(_parameters(job))}"
        with _open(job.document.path) as file:
            document = Upload(
                b"",
                file,
                job.document.size,
                on_start=journal.sending,
                on_end=journal.left,
                on_progress=journal.beat,
            )
            answer = self._post(url, job.document.format, document)
        _require_taken(answer)
        reading = _created(answer)
        if reading.device_job_id:
            journal.created(reading.device_job_id)
        if not document.has_ended:
            raise OutcomeUnknownError("the printer took the document before it can have had all of it")
        return reading

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:  # noqa: ARG002 - as PrintTarget
        """Ask what became of a job.

        Raises:
            NotFoundError: the printer doesn't know it, or not any more.
            PrinterUnreachableError: it doesn't answer, or is out of order.
            PrinterProtocolError: what it says makes no sense.
            PrinterRejectedError: it wants other credentials.
        """
        body = self._get(self._job_url(device_job_id))
        if body is None:
            raise NotFoundError(f"the printer doesn't know job {device_job_id}")
        reading = parse_job(body)
        # nothing says that a press gives names back as it got them: only one of ours tells anything
        name = reading.name if ATTEMPT_TOKEN.search(reading.name or "") else None
        return replace(reading, device_job_id=device_job_id, name=name)

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:  # noqa: ARG002 - as PrintTarget
        """Cancel a job.

        Raises:
            NotFoundError: the printer doesn't know it, or not any more.
            ConflictError: it is finished.
            PrinterUnreachableError: it doesn't answer, or is out of order.
            PrinterRejectedError: it says no.
        """
        answer = self._exchange("DELETE", self._job_url(device_job_id))
        if answer.status in GONE:
            raise NotFoundError(f"the printer doesn't know job {device_job_id}")
        if answer.status == HTTPStatus.CONFLICT:
            raise ConflictError(f"job {device_job_id} is finished")
        if answer.status not in TAKEN:
            raise _refusal(answer)

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Look for the newest job that bears the token of this attempt, or of any attempt at the job.

        None where the printer lists no such job, or none at all, which proves nothing.

        Raises:
            PrinterUnreachableError: it doesn't answer, or is out of order.
        """
        try:
            body = self._get(self._jobs_url())
            listed = parse_jobs(body) if body else ()
        except (PrinterRejectedError, PrinterProtocolError) as exc:
            log.debug("%s: no list of jobs: %s", self._root, exc)
            return None
        named = (reading for reading in listed if job.is_named(reading.name, of_any_attempt=of_any_attempt))
        return max(named, key=_number, default=None)

    def _device(self) -> str:
        """Give the URL of the device, having asked once which there is."""
        if self._device_id is None:
            body = self._get(f"{self._root}/Devices")
            self._device_id = (parse_device_id(body) if body else None) or DEFAULT_DEVICE_ID
        return f"{self._root}/Devices/{quote(self._device_id, safe='')}"

    def _jobs_url(self) -> str:
        return f"{self._device()}/Print/Jobs"

    def _job_url(self, device_job_id: str) -> str:
        return f"{self._jobs_url()}/{quote(device_job_id, safe='')}"

    def _get(self, url: str) -> bytes | None:
        """Give what is there; None where nothing is."""
        answer = self._exchange("GET", url)
        if answer.status in GONE:
            return None
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer)
        return answer.body

    def _exchange(self, method: str, url: str) -> Answer:
        try:
            return self._http.request(method, url, headers=ACCEPT, limit_bytes=ANSWER_LIMIT_BYTES)
        except TransportError as exc:
            raise PrinterUnreachableError(str(exc)) from exc

    def _post(self, url: str, document_format: str, document: Upload) -> Answer:
        headers = {**ACCEPT, "Content-Type": document_format}
        try:
            return self._http.request(
                "POST",
                url,
                headers=headers,
                body=document,
                limit_bytes=ANSWER_LIMIT_BYTES,
                timeout_seconds=PRINT_ANSWER_SECONDS,
            )
        except TransportError as exc:
            kind = OutcomeUnknownError if document.has_started else PrinterUnreachableError
            raise kind(str(exc)) from exc


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise StorageError(f"can't read the document: {exc.strerror}") from exc


def _parameters(job: Job) -> dict[str, str]:
    """Give the query parameters of a job: of the options only what was asked for."""
    values = _values(job.options)
    parameters = {name: values[name] for name in sorted(job.options.requested())}
    return {**parameters, "jobName": f"{job.shown_name} {job.attempt_token}"}


def _values(options: JobOptions) -> dict[str, str]:
    return {
        "copies": str(options.copies),
        "sides": options.sides or "",
        "media": options.media or "",
        "print-color-mode": options.color_mode or "",
        "page-ranges": ",".join(f"{first}-{last}" for first, last in options.page_ranges),
        "print-quality": options.print_quality or "",
        "finishings": ",".join(options.finishings),
    }


def _number(reading: JobReading) -> tuple[int, str]:
    """Give what orders jobs by age: the number of an id, the longer the newer where it is none."""
    job_id = reading.device_job_id or ""
    return (int(job_id) if job_id.isascii() and job_id.isdigit() else len(job_id), job_id)


def _created(answer: Answer) -> JobReading:
    """Read the answer to a document that was taken; a body that makes no sense changes nothing about that."""
    try:
        reading = parse_job(answer.body) if answer.body else JobReading(state=None)
    except PrinterProtocolError as exc:
        log.warning("a job was taken, but the answer can't be read: %s", exc)
        reading = JobReading(state=None)
    location = urlsplit(answer.headers.get("Location", "")).path.rstrip("/").rpartition("/Print/Jobs/")[2]
    job_id = reading.device_job_id or unquote(location) or None
    state = reading.state or (JobState.PENDING if job_id else None)
    return replace(reading, device_job_id=job_id, state=state)


def _require_taken(answer: Answer) -> None:
    """Return where the document was taken; a failure inside the printer leaves that open."""
    if answer.status in TAKEN:
        return
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in LATER | NEVER:
        raise OutcomeUnknownError(f"the printer answered {answer.status} to the document")
    if answer.status in LATER:
        raise PrinterBusyError(f"the printer answered {answer.status}", retry_after_seconds=_retry_after(answer))
    raise _refusal(answer)


def _refusal(answer: Answer) -> PrinterError:
    message = f"the printer answered {answer.status}"
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in NEVER:
        return PrinterUnreachableError(message)
    if answer.status in LATER:
        return PrinterUnreachableError(message)
    return PrinterRejectedError(message, reason=REASONS.get(answer.status, "aborted-by-system"))


def _retry_after(answer: Answer) -> float | None:
    """Give the pause in seconds; None where the printer names none, or a date by a clock of its own."""
    text = answer.headers.get("Retry-After", "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), RETRY_AFTER_LIMIT_SECONDS)
