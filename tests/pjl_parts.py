"""A job with a token and a journal, for the tests of printing in PJL, and what a printer says of it."""

from __future__ import annotations

from pathlib import Path

from agent.job import Document, Job, JobOptions, JobState
from tests.spool_parts import TIME_ZERO

TOKEN = "0123456789ab-1"
START = f'@PJL USTATUS JOB\r\nSTART\r\nNAME="Order 17 {TOKEN}"\r\n\f'.encode()
END = f'@PJL USTATUS JOB\r\nEND\r\nNAME="Order 17 {TOKEN}"\r\nPAGES=3\r\n\f'.encode()
CANCELED = b"@PJL USTATUS JOB\r\nCANCELED\r\nRESULT=USER_CANCELED\r\n\f"
JAM = b'@PJL USTATUS DEVICE\r\nCODE=40022\r\nDISPLAY="JAM"\r\nONLINE=FALSE\r\n\f'
READY = b'@PJL USTATUS DEVICE\r\nCODE=10001\r\nDISPLAY="READY"\r\nONLINE=TRUE\r\n\f'


def a_job(document: Path, options: JobOptions | None = None) -> Job:
    """Make a job of a file, whose attempt has TOKEN."""
    return Job(
        id="order-17",
        printer_id="p",
        state=JobState.PROCESSING,
        document=Document(document, document.stat().st_size, "application/pdf"),
        received_at=TIME_ZERO,
        updated_at=TIME_ZERO,
        name="Order 17",
        options=options or JobOptions(),
        attempts=1,
        token=TOKEN.partition("-")[0],
    )


def written(folder: Path, data: bytes) -> Path:
    """Write a document."""
    path = folder / "document"
    path.write_bytes(data)
    return path
