"""PJL to and from bytes: the wrapper around a document, and what the printer says back about it. Pure and total.

After HP's Printer Job Language Technical Reference Manual. JOB resets the environment, so that SET follows it; status
is switched on before it, so that its start is told. Nothing switches status off behind EOJ, since the end is told only
while it is on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.job import Job

UEL = b"\x1b%-12345X"
"""Universal Exit Language: ends whatever language is spoken and begins PJL."""

GOODBYE = UEL + b"@PJL\r\n@PJL USTATUSOFF\r\n" + UEL
"""Said when a job has ended, so that the printer has nothing left to tell on this connection."""

LANGUAGES = {
    "application/pdf": "PDF",
    "application/postscript": "POSTSCRIPT",
    "application/vnd.hp-pcl": "PCL",
    "application/vnd.hp-pclxl": "PCLXL",
}
"""PJL's name of the language of a document, by its media type in lower case."""

LONGEST_NAME = 80
LONGEST_USER = 40
TIMED_SECONDS = 30
LONGEST_REPLY = 8192
_MARK = re.compile(rb"([\r\n\f])")
_PREFIX = "@PJL"


def encode_head(job: Job, settings: Iterable[str], language: str | None) -> bytes:
    """Write what goes before the document.

    Args:
        job: whose name, user and token are told.
        settings: what is SET for it, such as `COPIES=2`; each must be PJL as it stands.
        language: PJL's name of the document's language; None where the document enters it by itself.
    """
    lines = (
        "USTATUS DEVICE = ON",
        "USTATUS JOB = ON",
        "USTATUS PAGE = ON",
        f"USTATUS TIMED = {TIMED_SECONDS}",
        f'JOB NAME = "{job_name(job)}"',
        *([f'SET USERNAME = "{user}"'] if (user := quotable(job.user or "", LONGEST_USER)) else ()),
        *(f"SET {setting}" for setting in settings),
        *([f"ENTER LANGUAGE = {language}"] if language else ()),
    )
    return UEL + _encode_lines(lines)


def encode_tail(job: Job) -> bytes:
    """Write what goes behind the document."""
    return UEL + _encode_lines((f'EOJ NAME = "{job_name(job)}"',)) + UEL


def job_name(job: Job) -> str:
    """Give the name that the printer tells the job by: the publisher's, cut to fit, and the token of this attempt.

    Where a PIN guards the job, its id stands for the publisher's name.
    """
    name = quotable((None if job.has_pin else job.name) or job.id, LONGEST_NAME - len(job.attempt_token) - 1)
    return f"{name} {job.attempt_token}".lstrip()


def quotable(text: str, limit: int) -> str:
    """Give what can stand between PJL's quotes: printable ASCII in one line; letters lose their accents."""
    plain = unicodedata.normalize("NFKD", text)
    kept = (char for char in plain if not unicodedata.combining(char))
    text = "".join(char if char.isascii() and char.isprintable() and char != '"' else " " for char in kept)
    return " ".join(text.split())[:limit].rstrip()


def is_wrapped(head: bytes) -> bool:
    """Whether a document that begins so brings PJL of its own."""
    return head.startswith(UEL)


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing that a printer said: `subject` is such as `USTATUS JOB`, `INFO ID` or `ECHO hello`, without `@PJL`."""

    subject: str
    lines: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """The lines of the form `NAME=value`: the name in capitals, the value without its quotes."""
        pairs = (line.partition("=") for line in self.lines)
        return {name.strip().upper(): value.strip().strip('"') for name, sign, value in pairs if sign}


class ReplyReader:
    """Makes replies of bytes that come in any pieces.

    A reply begins with `@PJL` at the beginning of a line and ends with a form feed, or where the next one begins. What
    belongs to none is passed over, and so is what one has beyond 8 KiB.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._subject: str | None = None
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Give the replies that are whole by now."""
        *parts, rest = _MARK.split(self._rest + data)
        self._rest = rest[:LONGEST_REPLY]
        for line, mark in zip(parts[::2], parts[1::2], strict=True):
            yield from self._take(line[:LONGEST_REPLY])
            if mark == b"\f":
                yield from self._finish()

    def end(self) -> Iterator[Reply]:
        """Give what was not finished when the printer hung up."""
        yield from self.feed(b"\f")

    def _take(self, line: bytes) -> Iterator[Reply]:
        text = _plain(line)
        if text.upper().startswith(_PREFIX):
            yield from self._finish()
            self._subject = text[len(_PREFIX) :].strip()
        elif text and self._subject is not None:
            self._size += len(text)
            if self._size <= LONGEST_REPLY:
                self._lines.append(text)

    def _finish(self) -> Iterator[Reply]:
        subject, lines = self._subject, tuple(self._lines)
        self._subject, self._lines, self._size = None, [], 0
        if subject:
            yield Reply(subject, lines)


def _encode_lines(lines: Iterable[str]) -> bytes:
    return b"".join(f"{_PREFIX} {line}".rstrip().encode("ascii") + b"\r\n" for line in ("", *lines))


def _plain(line: bytes) -> str:
    """Read a line in one row without control characters; some printers echo the UEL."""
    text = line.replace(UEL, b"").decode("latin-1")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
