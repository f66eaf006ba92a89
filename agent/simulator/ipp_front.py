"""A pretended printer by IPP: strict where RFC 8010 and RFC 8011 are, over the truth of a `PrinterEngine`."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from agent.drivers.ipp_message import encode_message, read_message
from agent.drivers.ipp_values import Attribute, Attributes, Group, GroupTag, Message, Operation, Status, Tag, attribute
from agent.errors import AgentError, ConflictError, NotFoundError, PrinterProtocolError
from agent.job import JobState
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.ipp_description import OPTION_TAGS, Origin, describe_job, describe_printer, sort_options, up_time

log = logging.getLogger(__name__)

BLOCK_BYTES = 262_144
ORIGINS_LIMIT = 10_000
VERSIONS = ((1, 1), (2, 0))
CHARSETS = frozenset({"utf-8", "us-ascii"})
UNTYPED = "application/octet-stream"
WHICH_JOBS = frozenset({"completed", "not-completed"})
LISTED = frozenset({"job-id", "job-uri"})
EVERYTHING = frozenset({"all", "printer-description", "job-description", "job-template"})

KNOWN = frozenset(OPTION_TAGS) | {"which-jobs"}

Reply = tuple[Group, ...]


class RefusalError(AgentError):
    """Raised when a request gets no success; carries the status code and the attributes that are to blame."""

    def __init__(self, status: Status, message: str, unsupported: tuple[Attribute, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.unsupported = unsupported


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose document is still on its way."""

    message: Message
    document: Iterator[bytes]

    @property
    def operation(self) -> Attributes:
        """The operation attributes."""
        return self.message.group(GroupTag.OPERATION)

    @property
    def printer_uri(self) -> str:
        """The printer that is addressed."""
        return self.operation.text("printer-uri") or ""

    @property
    def user(self) -> str:
        """Who asks, by his own word."""
        return self.operation.text("requesting-user-name") or "anonymous"

    def wanted_of(self, attributes: Attributes, default: frozenset[str] = EVERYTHING) -> Attributes:
        """Give those attributes that `requested-attributes`, else `default`, names by themselves or by a group."""
        requested = frozenset(self.operation.texts("requested-attributes")) or default
        if requested & EVERYTHING:
            return attributes
        return Attributes(tuple(item for item in attributes.items if item.name in requested))


class IppFront:
    """Answers IPP requests for one engine; safe in several threads.

    Args:
        engine: the printer.
        versions: the IPP versions that it speaks; any other is refused, as by old printers.
    """

    def __init__(self, engine: PrinterEngine, *, versions: tuple[tuple[int, int], ...] = VERSIONS) -> None:
        self._engine = engine
        self._versions = versions
        self._lock = threading.Lock()
        self._origins: OrderedDict[int, Origin] = OrderedDict()
        self._operations: dict[int, Callable[[Request], Reply]] = {
            Operation.PRINT_JOB: self._print_job,
            Operation.VALIDATE_JOB: self._validate_job,
            Operation.CREATE_JOB: self._create_job,
            Operation.SEND_DOCUMENT: self._send_document,
            Operation.CANCEL_JOB: self._cancel_job,
            Operation.GET_JOB_ATTRIBUTES: self._get_job_attributes,
            Operation.GET_JOBS: self._get_jobs,
            Operation.GET_PRINTER_ATTRIBUTES: self._get_printer_attributes,
            Operation.IDENTIFY_PRINTER: self._identify_printer,
        }

    def answer(self, body: BinaryIO, length: int | None) -> bytes:
        """Answer the request in an HTTP body of `length` bytes, None where it ends by itself.

        A document is passed on as it comes; of a refused request it is left unread.
        """
        stream = _Limited(body, length)
        try:
            message = read_message(stream)
        except PrinterProtocolError as exc:
            return _encode(Message(Status.BAD_REQUEST, ()), str(exc))
        try:
            return self._answer(Request(message, stream.blocks()))
        except RefusalError as refusal:
            return self._encode_reply(message, refusal.status, _unsupported(refusal.unsupported), str(refusal))

    def _answer(self, request: Request) -> bytes:
        _demand(request.message.version in self._versions, Status.VERSION_NOT_SUPPORTED, "not this version of IPP")
        _demand_order(request.message)
        perform = self._operations.get(request.message.code)
        if perform is None:
            raise RefusalError(Status.OPERATION_NOT_SUPPORTED, f"no operation 0x{request.message.code:04x}")
        try:
            groups = perform(request)
        except NotFoundError as exc:
            raise RefusalError(Status.NOT_FOUND, str(exc)) from exc
        except ConflictError as exc:
            raise RefusalError(Status.NOT_POSSIBLE, str(exc)) from exc
        is_whole = all(group.tag != GroupTag.UNSUPPORTED for group in groups)
        return self._encode_reply(request.message, Status.OK if is_whole else Status.OK_IGNORED_OR_SUBSTITUTED, groups)

    def _encode_reply(self, asked: Message, status: Status, groups: Reply, told: str | None = None) -> bytes:
        version = asked.version if asked.version in self._versions else self._versions[-1]
        return _encode(Message(status, groups, version, asked.request_id), told)

    # --- operations ---

    def _get_printer_attributes(self, request: Request) -> Reply:
        printer = describe_printer(self._engine, request.printer_uri, self._versions)
        return (Group(GroupTag.PRINTER, request.wanted_of(printer)),)

    def _validate_job(self, request: Request) -> Reply:
        _, ignored = self._options(request)
        self._format(request)
        return ignored

    def _print_job(self, request: Request) -> Reply:
        options, ignored = self._options(request)
        job_id = self._create(request, self._format(request), options)
        self._engine.receive(job_id, request.document)
        return (*ignored, self._job_group(job_id, request))

    def _create_job(self, request: Request) -> Reply:
        options, ignored = self._options(request)
        job_id = self._create(request, UNTYPED, options)
        return (*ignored, self._job_group(job_id, request))

    def _send_document(self, request: Request) -> Reply:
        job = self._addressed(request)
        last = request.operation.boolean("last-document")
        _demand(last is not None, Status.BAD_REQUEST, "no last-document")
        _demand(last is True, Status.MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED, "one document a job")
        self._format(request)
        is_waiting = job.state == JobState.PENDING and "job-incoming" in job.state_reasons
        _demand(is_waiting, Status.NOT_POSSIBLE, "the job waits for no document")
        self._engine.receive(job.id, request.document)
        return (self._job_group(job.id, request),)

    def _cancel_job(self, request: Request) -> Reply:
        self._engine.cancel(self._addressed(request).id)
        return ()

    def _get_job_attributes(self, request: Request) -> Reply:
        job = self._describe(self._addressed(request), request)
        return (Group(GroupTag.JOB, request.wanted_of(job)),)

    def _get_jobs(self, request: Request) -> Reply:
        which = request.operation.text("which-jobs") or "not-completed"
        if which not in WHICH_JOBS:
            unsupported = (attribute("which-jobs", Tag.KEYWORD, which),)
            raise RefusalError(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED, "no such list of jobs", unsupported)
        jobs = [job for job in self._engine.jobs() if job.state.is_final == (which == "completed")]
        if request.operation.boolean("my-jobs"):
            jobs = [job for job in jobs if self._origin(job).user == request.user]
        if which == "completed":
            jobs.reverse()
        limited = jobs[: request.operation.integer("limit")]
        listed = (request.wanted_of(self._describe(job, request), LISTED) for job in limited)
        return tuple(Group(GroupTag.JOB, job) for job in listed)

    def _identify_printer(self, _request: Request) -> Reply:
        log.info("%s: beep", self._engine.identity.name)
        return ()

    # --- what a request means ---

    def _addressed(self, request: Request) -> SimulatedJob:
        """Give the job that a request names; its job-id comes right after the printer-uri."""
        names = [item.name for item in request.operation.items[3:4]]
        job_id = request.operation.integer("job-id")
        if names != ["job-id"] or job_id is None:
            raise RefusalError(Status.BAD_REQUEST, "no job-id after the printer-uri")
        job = self._engine.job(job_id)
        if job is None:
            raise NotFoundError(f"no job {job_id}")
        return job

    def _format(self, request: Request) -> str:
        supported = self._engine.capabilities().document_formats
        asked = request.operation.text("document-format") or UNTYPED
        is_supported = asked.lower() in {name.lower() for name in supported} or asked == UNTYPED
        _demand(is_supported, Status.DOCUMENT_FORMAT_NOT_SUPPORTED, f"no {asked}")
        compression = request.operation.text("compression") or "none"
        _demand(compression == "none", Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED, f"no compression {compression}")
        return asked

    def _options(self, request: Request) -> tuple[dict[str, object], Reply]:
        """Give what the job asks for, and in an unsupported attributes group what of it is ignored."""
        template = request.message.group(GroupTag.JOB)
        options, refused = sort_options(template, self._engine.capabilities().options)
        if refused and request.operation.boolean("ipp-attribute-fidelity"):
            raise RefusalError(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED, "not as asked", refused)
        return options, _unsupported(refused)

    def _job_group(self, job_id: int, request: Request) -> Group:
        job = self._engine.job(job_id)
        if job is None:
            raise NotFoundError(f"no job {job_id}")
        return Group(GroupTag.JOB, self._describe(job, request))

    def _create(self, request: Request, document_format: str, options: dict[str, object]) -> int:
        job_id = self._engine.create_job(_job_name(request), document_format, options)
        with self._lock:
            self._origins[job_id] = Origin(request.user, up_time())
            if len(self._origins) > ORIGINS_LIMIT:
                self._origins.popitem(last=False)
        return job_id

    def _origin(self, job: SimulatedJob) -> Origin:
        with self._lock:
            return self._origins.get(job.id, Origin())

    def _describe(self, job: SimulatedJob, request: Request) -> Attributes:
        return describe_job(job, self._origin(job), request.printer_uri)


class _Limited:
    """A body read up to its length."""

    def __init__(self, stream: BinaryIO, length: int | None) -> None:
        self._stream = stream
        self._left = length

    def read(self, count: int) -> bytes:
        part = self._stream.read(count if self._left is None else min(count, self._left))
        if self._left is not None:
            self._left -= len(part)
        return part

    def blocks(self) -> Iterator[bytes]:
        """Give the rest; ConnectionError where it ends early."""
        while part := self.read(BLOCK_BYTES):
            yield part
        if self._left:
            raise ConnectionError("the document ends early")


def _demand(condition: bool, status: Status, message: str) -> None:
    if not condition:
        raise RefusalError(status, message)


def _demand_order(message: Message) -> None:
    """See that the request begins as RFC 8011 section 4.1.4 wants it."""
    _demand(message.request_id > 0, Status.BAD_REQUEST, "no request-id")
    is_first = message.groups[:1] and message.groups[0].tag == GroupTag.OPERATION
    _demand(bool(is_first), Status.BAD_REQUEST, "no operation attributes first")
    operation = message.group(GroupTag.OPERATION)
    names = [item.name for item in operation.items]
    wanted = ["attributes-charset", "attributes-natural-language", "printer-uri"]
    _demand(names[:2] == wanted[:2], Status.BAD_REQUEST, "no charset and natural language first")
    charset = operation.text("attributes-charset") or ""
    _demand(charset.lower() in CHARSETS, Status.CHARSET_NOT_SUPPORTED, f"no charset {charset}")
    _demand(names[:3] == wanted and bool(operation.text("printer-uri")), Status.BAD_REQUEST, "no printer-uri third")
    _demand(len(set(names)) == len(names), Status.BAD_REQUEST, "an attribute twice")


def _unsupported(refused: tuple[Attribute, ...]) -> Reply:
    """Give refused values back, and an attribute that isn't known at all with the out-of-band `unsupported`."""
    told = (item if item.name in KNOWN else attribute(item.name, Tag.UNSUPPORTED, None) for item in refused)
    return (Group(GroupTag.UNSUPPORTED, Attributes(tuple(told))),) if refused else ()


def _job_name(request: Request) -> str:
    return request.operation.text("job-name") or request.operation.text("document-name") or "untitled"


def _encode(reply: Message, told: str | None) -> bytes:
    first: tuple[Attribute, ...] = (
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.NATURAL_LANGUAGE, "en"),
    )
    if told is not None:
        first = (*first, attribute("status-message", Tag.TEXT, told))
    groups = (Group(GroupTag.OPERATION, Attributes(first)), *reply.groups)
    return encode_message(Message(reply.code, groups, reply.version, reply.request_id))
