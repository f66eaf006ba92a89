"""Documents by reference: each is fetched, checked and on the disk before its job may print."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Protocol

from agent.document_format import HEAD_BYTES, tell_format
from agent.errors import FetchDelayedError, FetchFailedError, SpoolFullError, StorageError
from agent.loop import LONGEST_WAIT_SECONDS
from agent.part_file import PartFile
from agent.spool_incoming import Incoming, IncomingDocuments

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Bringer(Protocol):
    """What makes one attempt: `agent.fetch_transfer.Transfer`."""

    def bring(self, incoming: Incoming, part: PartFile, *, check: Callable[[], None]) -> None:
        """Make the part whole; raises FetchError or StorageError."""


class Fetcher:
    """The service between the web and the spool; several threads may step it, each has a document of its own.

    Attributes:
        on_arrival: called when a job may go on, since its document is there.
    """

    def __init__(
        self,
        *,
        documents: IncomingDocuments,
        transfer: Bringer,
        beat: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._transfer = transfer
        self._beat = beat
        self._monotonic = monotonic
        self._is_closing = threading.Event()
        self.on_arrival: Callable[[], None] = _nobody_waits

    def step(self) -> float:
        """Fetch the document that is due; gives the seconds until the next may be."""
        incoming = None if self._is_closing.is_set() else self._documents.take()
        if incoming is None:
            pause = self._documents.seconds_to_next()
            return LONGEST_WAIT_SECONDS if pause is None else pause
        try:
            with PartFile(self._documents.documents.reopen(incoming.name), beat=self._beat) as part:
                self._fetch(incoming, part)
        except StorageError:
            self._documents.pause(incoming)
            raise
        finally:
            self._documents.give_back(incoming)
        return 0.0

    def close(self) -> None:
        """Break off what comes; the next start goes on there."""
        self._is_closing.set()

    def _fetch(self, incoming: Incoming, part: PartFile) -> None:
        before = part.size
        try:
            self._transfer.bring(incoming, part, check=self._guard(incoming))
        except _AbandonedError:
            return
        except FetchFailedError as exc:
            self._fail(incoming, exc)
        except FetchDelayedError as exc:
            self._delay(incoming, exc, gained=part.size > before)
        except SpoolFullError as exc:
            part.restart()  # or two documents would wait for each other's room
            self._documents.release(incoming)
            self._delay(incoming, FetchDelayedError(str(exc)))
        except StorageError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it was, no other document waits for this one
            log.error("job %s: %s\n%s", incoming.job_id, type(exc).__name__, _places(exc))  # noqa: TRY400
            self._delay(incoming, FetchDelayedError("a mistake of ours, which the log tells"))
        else:
            self._arrived(incoming, part)

    def _arrived(self, incoming: Incoming, part: PartFile) -> None:
        told = tell_format(part.head(HEAD_BYTES))
        if self._documents.arrived(incoming, size=part.size, document_format=told):
            log.info("job %s: its document has come from %s (%d bytes)", incoming.job_id, incoming.host, part.size)
            self.on_arrival()

    def _fail(self, incoming: Incoming, exc: FetchFailedError) -> None:
        self._documents.fail(incoming, str(exc), reasons=exc.reasons)
        log.warning("job %s: its document won't come: %s", incoming.job_id, exc)

    def _delay(self, incoming: Incoming, exc: FetchDelayedError, *, gained: bool = False) -> None:
        pause = self._documents.pause(incoming, asked_seconds=exc.retry_after_seconds or 0.0, gained=gained)
        self._documents.tell_delay(incoming, str(exc))
        if pause.failures == 1:
            log.warning("job %s: its document does not come yet: %s; it is tried again", incoming.job_id, exc)

    def _guard(self, incoming: Incoming) -> Callable[[], None]:
        """Make what beats, and ends the transfer once the agent stops or nobody wants the document any more."""
        looks_at = self._monotonic() + LOOK_SECONDS

        def check() -> None:
            nonlocal looks_at
            self._beat()
            if self._is_closing.is_set():
                raise _AbandonedError
            if self._monotonic() >= looks_at:
                looks_at = self._monotonic() + LOOK_SECONDS
                if not self._documents.is_wanted(incoming):
                    raise _AbandonedError

        return check


class _AbandonedError(Exception):
    """Raised when a transfer shall end though it goes well."""


def _places(exc: Exception) -> str:
    """Say where an error came from. Not its text: that may have the URL in it."""
    return "".join(traceback.format_tb(exc.__traceback__)).rstrip()


def _nobody_waits() -> None:
    """Stand in for `on_arrival` until somebody does."""
