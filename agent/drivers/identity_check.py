"""Asks who is at a printer's address before anything is sent there, lest a job go to whoever has the address now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from agent.drivers.choose import IdentitySource, PrintTarget, StatusSource
from agent.errors import NotFoundError, PrinterProtocolError, PrinterRejectedError, PrinterUnreachableError
from agent.identity import answers_as, credible
from agent.model import Identity, Printer

FRESH_SECONDS = 0.5
PLACES_LIMIT = 4096

Place = tuple[str, str]
"""A printer's id and its host."""


class IdentityCheck:
    """Gives what prints on a printer, once its address has proved to be its still.

    One answer holds for half a second: no address changes hands faster. A printer with nothing but a raw port can't be
    asked, nor can one that wants a login for it: these are believed. One that has told who it is before and doesn't
    now gets nothing.

    Attributes:
        on_stranger: called with a printer at whose address another answered, and what that told.

    Args:
        print_target: gives what prints on a printer; NotFoundError where nothing does.
        identity_source: gives what reads who a printer is; NotFoundError where nothing does.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        print_target: Callable[[Printer], PrintTarget],
        identity_source: Callable[[Printer], StatusSource],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._print_target = print_target
        self._identity_source = identity_source
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._checked: dict[Place, float] = {}
        self.on_stranger: Callable[[Printer, Identity], None] = lambda _printer, _told: None

    def target_for(self, printer: Printer) -> PrintTarget:
        """Give what prints on a printer.

        Raises:
            NotFoundError: nothing does.
            PrinterUnreachableError: it doesn't answer, or another one does.
        """
        target = self._print_target(printer)
        if not self._is_fresh(printer):
            self._check(printer)
        return target

    def _is_fresh(self, printer: Printer) -> bool:
        with self._lock:
            return self._monotonic() - self._checked.get(_place(printer), -FRESH_SECONDS) < FRESH_SECONDS

    def _check(self, printer: Printer) -> None:
        begun = self._monotonic()
        try:
            source = self._identity_source(printer)
            told = credible(source.read_identity() if isinstance(source, IdentitySource) else source.read().identity)
        except (NotFoundError, PrinterRejectedError):
            return
        except (PrinterUnreachableError, PrinterProtocolError) as exc:
            if source.name in printer.sources:
                raise PrinterUnreachableError(f"it doesn't say who it is: {exc}") from exc
            return
        if not answers_as(told, printer.identity):
            self.on_stranger(printer, told)
            name = told.make_and_model or told.name or "one without a name"
            raise PrinterUnreachableError(f"another printer ({name}) answers at {printer.host}; nothing was sent to it")
        with self._lock:
            if len(self._checked) >= PLACES_LIMIT:
                self._checked.clear()
            self._checked[_place(printer)] = begun


def _place(printer: Printer) -> Place:
    return printer.id, printer.host
