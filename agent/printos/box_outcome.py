"""What Box's answers come to for a job: the errors of the agent, and what a folder tells of its only file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from agent.errors import (
    CloudRefusedError,
    CloudUnreachableError,
    NotFoundError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.job import JobReading, JobState
from agent.printos.box_message import BoxFolder, reading_of

Told = TypeVar("Told")

BY_FOLDER = "folder:"
"""Begins the id of a file whose own id was in an answer that was lost; that of its folder follows."""
UNCONFIRMED = ("queued-in-device", "agent-completion-unconfirmed")
SIGNATURE = re.compile(r"x-amz-|x-goog-|awsaccesskeyid=|expires=|signature=|$", re.IGNORECASE)
"""How those words of a presigned URL begin that change with every signature."""
OK = 200
NOT_FOUND = 404
BUSY = frozenset({429, 503})
REDIRECTS = frozenset(range(300, 400))
CLIENT_ERRORS = frozenset(range(400, 500))
MAY_HAVE_ACTED = frozenset({408})
OURS_TO_MEND = REDIRECTS | {OK, 401, 403}
"""What somebody can end: of an answer that can't be read the names can be set, the others are a matter of the key, or
of the way there."""


def says_no(status: int) -> bool:
    """Whether an HTTP status says that nothing was made; of a gateway's or a server's failure nobody knows."""
    return status in REDIRECTS or status in CLIENT_ERRORS - MAY_HAVE_ACTED


def told(ask: Callable[[], Told]) -> Told:
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


def reading_of_folder(folder: BoxFolder) -> JobReading:
    """Tell of the only file of a folder."""
    if len(folder.files) == 1:
        return reading_of(folder.files[0])
    if not folder.file_count:
        raise NotFoundError(f"Box shows no file in the folder {folder.id}")
    message = f"Box has it, in a folder of its own (preflight there: {folder.preflight_status or 'not told'})"
    return JobReading(JobState.COMPLETED, f"{BY_FOLDER}{folder.id}", state_reasons=UNCONFIRMED, message=message)


def unsigned(url: str) -> tuple[str, ...]:
    """Take a URL apart without the words of its query that are another signature every time."""
    place, _, query = url.partition("?")
    return (place, *(word for word in query.split("&") if not SIGNATURE.match(word)))
