"""An HTTP server that takes uploads, by PUT as curl sends them or by IPP as a printer gets them, and times each."""

from __future__ import annotations

import threading
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

from agent.drivers.ipp_message import encode_message, read_message
from agent.drivers.ipp_values import Attributes, Group, GroupTag, Message, Operation, Status, Tag, attribute
from agent.job import JobState
from agent.model import PrinterState

BLOCK_BYTES = 262_144
LEAST_BYTES = 1_000_000
OPERATIONS = (Operation.PRINT_JOB, Operation.VALIDATE_JOB, Operation.CREATE_JOB, Operation.SEND_DOCUMENT,
              Operation.CANCEL_JOB, Operation.GET_JOB_ATTRIBUTES, Operation.GET_JOBS,
              Operation.GET_PRINTER_ATTRIBUTES)  # fmt: skip
CHARSET = (attribute("attributes-charset", Tag.CHARSET, "utf-8"),
           attribute("attributes-natural-language", Tag.NATURAL_LANGUAGE, "en"))  # fmt: skip
JOB = Group(
    GroupTag.JOB,
    Attributes((
        attribute("job-id", Tag.INTEGER, 1),
        attribute("job-uri", Tag.URI, "ipp://localhost/jobs/1"),
        attribute("job-state", Tag.ENUM, int(JobState.COMPLETED)),
        attribute("job-state-reasons", Tag.KEYWORD, "job-completed-successfully"),
    )),
)  # fmt: skip


class HttpSink:
    """Takes uploads on a port of its own on 127.0.0.1. `uploads` are the seconds from first to last byte of each."""

    def __init__(self) -> None:
        self.uploads: list[float] = []
        self._printer = _describe(uuid.uuid4())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http-sink")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    @property
    def uri(self) -> str:
        """The sink as an IPP printer."""
        return f"ipp://127.0.0.1:{self.port}/ipp/print"

    def start(self) -> None:
        """Listen."""
        self._server.server_bind()
        self._server.server_activate()
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def receive(self, body: BufferedIOBase, size: int) -> None:
        """Read a body to its end, and note how long a big one took."""
        begin, left, block = time.monotonic(), size, bytearray(BLOCK_BYTES)
        while left and (got := body.readinto(memoryview(block)[:left])):
            left -= got
        if size > LEAST_BYTES and not left:
            self.uploads.append(time.monotonic() - begin)

    def answer(self, body: BufferedIOBase, size: int) -> bytes:
        """Answer an IPP request as a printer that is done at once."""
        counted = _Counted(body)
        asked = read_message(counted)
        self.receive(body, size - counted.taken)
        groups = {
            Operation.GET_PRINTER_ATTRIBUTES: (self._printer,),
            Operation.VALIDATE_JOB: (),
            Operation.GET_JOBS: (),
        }
        reply = (Group(GroupTag.OPERATION, Attributes(CHARSET)), *groups.get(Operation(asked.code), (JOB,)))
        return encode_message(Message(Status.OK, reply, asked.version, asked.request_id))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            rbufsize = BLOCK_BYTES
            disable_nagle_algorithm = True

            def do_PUT(self) -> None:
                sink.receive(self.rfile, self._size())
                self._answer(HTTPStatus.CREATED, b"")

            def do_POST(self) -> None:
                self._answer(HTTPStatus.OK, sink.answer(self.rfile, self._size()))

            def log_message(self, *_: Any) -> None:
                """Say nothing: a benchmark prints figures."""

            def _size(self) -> int:
                return int(self.headers["Content-Length"])

            def _answer(self, status: HTTPStatus, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/ipp")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


class _Counted:
    """A stream that counts what is read of it."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self.taken = 0
        self._stream = stream

    def read(self, count: int = -1) -> bytes:
        content = self._stream.read(count)
        self.taken += len(content)
        return content


def _describe(identity: uuid.UUID) -> Group:
    return Group(
        GroupTag.PRINTER,
        Attributes((
            attribute("printer-uuid", Tag.URI, identity.urn),
            attribute("printer-make-and-model", Tag.TEXT, "Sink"),
            attribute("printer-state", Tag.ENUM, int(PrinterState.IDLE)),
            attribute("printer-state-reasons", Tag.KEYWORD, "none"),
            attribute("printer-is-accepting-jobs", Tag.BOOLEAN, True),
            attribute("document-format-supported", Tag.MIME_MEDIA_TYPE, "application/pdf", "application/octet-stream"),
            attribute("operations-supported", Tag.ENUM, *map(int, OPERATIONS)),
        )),
    )  # fmt: skip
