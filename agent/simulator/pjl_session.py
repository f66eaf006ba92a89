"""What a pretended printer does with one connection to its raw port: PJL by HP's Technical Reference Manual, strictly.

A line that isn't PJL, where PJL is due, is a document in the default language: it is printed as text. A PJL line with
a mistake in it is passed over whole. The printer hangs up as soon as the other side does.
"""

from __future__ import annotations

import itertools
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agent.drivers.pjl_message import LANGUAGES, UEL
from agent.job import JobState
from agent.model import PrinterState, PrinterStatus
from agent.simulator.engine import PrinterEngine, SimulatedJob

BLOCK_BYTES = 262_144
TICK_SECONDS = 0.02
IDLE_SECONDS = 300.0
LONGEST_LINE = 1024
FORMATS = ((b"%PDF-", "application/pdf"), (b"%!", "application/postscript"), (b"\x1bE", "application/vnd.hp-PCL"))
TEXT = "text/plain"

MEDIA_TYPES = {language: media_type for media_type, language in LANGUAGES.items()}
CODES = {"media-jam-error": (40022, "13.1 JAM"), "cover-open-error": (40021, "12 PRINTER OPEN")}
LOAD_PAPER = (41213, "LOAD TRAY 1 A4")
READY, PRINTING = (10001, "00 READY"), (10023, "PRINTING")
ENGINE_OPTIONS = {"GRAYSCALE": "monochrome", "COLOR": "color"}

_LINE = re.compile(rb"@PJL(?:[ \t]+([A-Z]+)((?:[ \t][^\x00-\x08\x0a-\x1f]*)?))?[ \t]*\r?\n")
_STRING = r'"[^"\x00-\x08\x0a-\x1f]{0,80}"'
_ARGUMENTS = {
    "COMMENT": r".*",
    "ECHO": r".*",
    "EOJ": rf"(NAME\s*=\s*{_STRING})?",
    "ENTER": r"LANGUAGE\s*=\s*[A-Z]+",
    "INFO": r"[A-Z]+",
    "JOB": rf"(NAME\s*=\s*{_STRING})?(\s*(START|END)\s*=\s*[0-9]+)*",
    "RESET": r"",
    "SET": rf"[A-Z]+\s*=\s*([A-Z0-9.]+|{_STRING})",
    "USTATUS": r"((DEVICE|JOB|PAGE)\s*=\s*(ON|OFF|VERBOSE)|TIMED\s*=\s*[0-9]{1,3})",
    "USTATUSOFF": r"",
}


class Input:
    """The bytes of the connection, as they come; `on_idle` is called while none do."""

    def __init__(self, sock: socket.socket, on_idle: Callable[[], None]) -> None:
        self.is_cut_short = False
        self._sock = sock
        self._on_idle = on_idle
        self._bytes = b""
        self._has_ended = False

    def starts_with(self, prefix: bytes) -> bool:
        """Whether these bytes are next; waits until that can be told."""
        while len(self._bytes) < len(prefix) and prefix.startswith(self._bytes) and self._fill():
            pass
        return self._bytes.startswith(prefix)

    def take(self, prefix: bytes) -> bool:
        """Take these bytes where they are next."""
        is_next = self.starts_with(prefix)
        self._bytes = self._bytes[len(prefix) :] if is_next else self._bytes
        return is_next

    def has_more(self) -> bool:
        """Wait for another byte; False at the end."""
        return bool(self._bytes) or self._fill()

    def line(self) -> bytes:
        """Take a line with its end."""
        while b"\n" not in self._bytes and len(self._bytes) < LONGEST_LINE and self._fill():
            pass
        line, separator, self._bytes = self._bytes.partition(b"\n")
        return line + separator

    def document(self) -> Iterator[bytes]:
        """Take what comes until the UEL, which is taken too, or the end."""
        while True:
            body, uel, rest = self._bytes.partition(UEL)
            if uel:
                self._bytes = rest
                yield from filter(None, (body,))
                return
            keep = next((size for size in range(len(UEL) - 1, 0, -1) if body.endswith(UEL[:size])), 0)
            out, self._bytes = body[: len(body) - keep], body[len(body) - keep :]
            yield from filter(None, (out,))
            if not self._fill():
                out, self._bytes = self._bytes, b""
                yield from filter(None, (out,))
                self.is_cut_short = True
                return

    def _fill(self) -> bool:
        """Read more; False at the end. OSError where the other side breaks off or says nothing for long."""
        given_up_at = time.monotonic() + IDLE_SECONDS
        while not self._has_ended:
            self._on_idle()
            if select.select([self._sock], [], [], TICK_SECONDS)[0]:
                data = self._sock.recv(BLOCK_BYTES)
                self._has_ended = not data
                self._bytes += data
                return bool(data)
            if time.monotonic() > given_up_at:
                raise TimeoutError("idle")
        return False


@dataclass(slots=True)
class PjlJob:
    """A job between JOB and EOJ: its documents in the engine, and what has been told of it."""

    name: str | None
    documents: list[int] = field(default_factory=list)
    pages_told: int = 0
    is_cancel_told: bool = False
    is_closed: bool = False


class PjlSession:
    """Serves one connection until the other side is done.

    Args:
        engine: the printer.
        sock: the connection.
        peer: the other side, for the names of jobs that have none.
        tells: whether there is a back-channel.
        on_refused: is given each PJL line that was passed over for a mistake.
    """

    def __init__(
        self,
        engine: PrinterEngine,
        sock: socket.socket,
        *,
        peer: str,
        tells: bool,
        on_refused: Callable[[bytes], None],
    ) -> None:
        self._engine = engine
        self._sock = sock
        self._peer = peer
        self._tells = tells
        self._on_refused = on_refused
        self._input = Input(sock, self._tick)
        self._power_cuts = engine.power_cuts
        self._status: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._depth = 0
        self._jobs: list[PjlJob] = []
        self._device_told: tuple[int, str] | None = None
        self._timed_at = time.monotonic()

    def run(self) -> None:
        """Take what comes, print it and tell of it. OSError where the connection breaks."""
        is_pjl = False
        while self._input.has_more():
            if self._input.take(UEL):
                is_pjl = True
            elif is_pjl and self._input.starts_with(b"@PJL"):
                language = self._obey(self._input.line())
                if language is not None:
                    self._print(MEDIA_TYPES.get(language, "application/octet-stream"))
            else:
                self._print(TEXT if is_pjl else None)
                is_pjl = not self._input.is_cut_short

    # --- what is sent to it ---

    def _obey(self, line: bytes) -> str | None:
        """Do what a line says; gives the language that it enters."""
        found = _LINE.fullmatch(line)
        command, arguments = (found[1] or b"COMMENT", found[2] or b"") if found else (b"", b"")
        name, text = command.decode(), arguments.decode("latin-1").strip()
        if name not in _ARGUMENTS or not re.fullmatch(_ARGUMENTS[name], text):
            self._on_refused(line)
            return None
        values: dict[str, str] = {
            key: value.strip('"') for key, value in re.findall(rf"([A-Z]+)\s*=\s*({_STRING}|[^\s\"]+)", text)
        }
        if name == "ENTER":
            return values["LANGUAGE"]
        self._set(name, values)
        self._answer(name, text)
        return None

    def _set(self, command: str, values: dict[str, str]) -> None:
        if command == "SET":
            self._environment |= values
        elif command == "USTATUS":
            self._status |= values
        elif command == "USTATUSOFF":
            self._status.clear()
        elif command == "JOB":
            self._environment.clear()
            self._begin_job(values.get("NAME"))
        elif command == "EOJ" and self._depth:
            self._environment.clear()
            self._end_job(values.get("NAME"))
        elif command == "RESET":
            self._environment.clear()

    def _begin_job(self, name: str | None) -> None:
        self._depth += 1
        if self._depth == 1:
            self._jobs.append(PjlJob(name))
            self._tell_of("JOB", "START", _named(name))

    def _end_job(self, name: str | None) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._jobs[-1].name = name
            self._jobs[-1].is_closed = True

    def _answer(self, command: str, text: str) -> None:
        if command == "ECHO":
            self._say(f"@PJL ECHO {text}")
        elif command == "INFO":
            code, display = self._device()
            answers = {
                "ID": (f'"{self._engine.identity.make_and_model}"',),
                "STATUS": (f"CODE={code}", f'DISPLAY="{display}"', f"ONLINE={self._is_online()}"),
            }
            self._say(f"@PJL INFO {text}", *answers.get(text, ("?",)))

    def _print(self, document_format: str | None) -> None:
        chunks = self._input.document()
        first = next(chunks, b"")
        document_format = document_format or sniff(first)
        job = self._jobs[-1] if self._depth else None
        name = (job.name if job else None) or f"raw from {self._peer}"
        job_id = self._engine.create_job(name, document_format, self._options())
        if job is not None:
            job.documents.append(job_id)
        self._engine.receive(job_id, itertools.chain((first,), chunks))

    def _options(self) -> dict[str, object]:
        """Give the environment as the engine's options, with PJL's own words beside them."""
        options: dict[str, object] = dict(self._environment)
        if "COPIES" in self._environment:
            options["copies"] = int(self._environment["COPIES"])
        if self._environment.get("RENDERMODE") in ENGINE_OPTIONS:
            options["print-color-mode"] = ENGINE_OPTIONS[self._environment["RENDERMODE"]]
        return options

    # --- what it tells ---

    def _tick(self) -> None:
        """Tell what is news, unless the power is gone."""
        if self._engine.power_cuts != self._power_cuts:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionError("the power is cut")
        self._tell_device()
        for job in tuple(self._jobs):
            documents = self._documents(job)
            self._tell_job(job, documents)
            if job.is_closed and all(document.state.is_final for document in documents):
                self._tell_end(job)
                self._jobs.remove(job)

    def _tell_device(self) -> None:
        device = self._device()
        facts = (f"CODE={device[0]}", f'DISPLAY="{device[1]}"', f"ONLINE={self._is_online()}")
        if device != self._device_told:
            self._device_told = device
            self._tell_of("DEVICE", *facts)
        seconds = int(self._status.get("TIMED", "0"))
        if seconds and time.monotonic() - self._timed_at >= seconds:
            self._timed_at = time.monotonic()
            self._say("@PJL USTATUS TIMED", *facts)

    def _tell_job(self, job: PjlJob, documents: list[SimulatedJob]) -> None:
        for page in range(job.pages_told + 1, sum(document.impressions_completed for document in documents) + 1):
            self._tell_of("PAGE", str(page))
            job.pages_told = page
        if not job.is_cancel_told and any(document.state == JobState.CANCELED for document in documents):
            job.is_cancel_told = True
            self._tell_of("JOB", "CANCELED", _named(job.name), "RESULT=USER_CANCELED")

    def _tell_end(self, job: PjlJob) -> None:
        result = "USER_CANCELED" if job.is_cancel_told else "OK"
        self._tell_of("JOB", "END", _named(job.name), f"PAGES={job.pages_told}", f"RESULT={result}")

    def _documents(self, job: PjlJob) -> list[SimulatedJob]:
        found = (self._engine.job(job_id) for job_id in job.documents)
        return [document for document in found if document is not None]

    def _device(self) -> tuple[int, str]:
        status = self._engine.status()
        if status.state == PrinterState.STOPPED:
            return _code(status)
        return PRINTING if status.state == PrinterState.PROCESSING else READY

    def _is_online(self) -> str:
        return "FALSE" if self._engine.status().state == PrinterState.STOPPED else "TRUE"

    def _tell_of(self, kind: str, *lines: str) -> None:
        if self._status.get(kind, "OFF") != "OFF":
            self._say(f"@PJL USTATUS {kind}", *lines)

    def _say(self, *lines: str) -> None:
        if self._tells:
            self._sock.sendall("".join(f"{line}\r\n" for line in lines if line).encode() + b"\f")


def _code(status: PrinterStatus) -> tuple[int, str]:
    return next((CODES[reason] for reason in status.state_reasons if reason in CODES), LOAD_PAPER)


def _named(name: str | None) -> str:
    return "" if name is None else f'NAME="{name}"'


def sniff(first: bytes) -> str:
    """Tell a document's format from its first bytes."""
    return next((name for magic, name in FORMATS if first.startswith(magic)), "application/octet-stream")
