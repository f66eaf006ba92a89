"""Which presses Print Beat is asked about: one that it doesn't know makes it refuse the whole list.

A list that is refused is halved until each part is taken or is a single press. That one is left out, and asked about
by itself every hour.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from agent.errors import CloudRefusedError

log = logging.getLogger(__name__)

ABOUT_PRESSES = frozenset({400, 404, 422})
"""Refusals that may be of one press in the list; 401 and 403 are of the key."""

AGAIN_SECONDS = 3600.0
NAMES_TOLD = 5

Part = tuple[str, ...]


class Roll:
    """What one half of Print Beat knows of presses.

    Args:
        subject: what is asked of them.
        monotonic: seconds that only rise.
    """

    def __init__(self, subject: str, *, monotonic: Callable[[], float]) -> None:
        self._subject = subject
        self._monotonic = monotonic
        self._parts: list[Part] = []
        self._doubted: Part = ()
        self._unknown: dict[str, float] = {}
        self._refusal = CloudRefusedError("no press is known", status=404)

    def known(self, devices: Sequence[str]) -> Part:
        """Give those that are to be asked about.

        Raises:
            CloudRefusedError: there is none among them that Print Beat knows.
        """
        known = tuple(press for press in devices if press not in self._unknown)
        if not known:
            raise CloudRefusedError(str(self._refusal), status=self._refusal.status)
        return known

    def doubt(self, known: Part) -> bool:
        """Begin to try the parts of a list that was refused; False where that would tell nothing, or told nothing."""
        if len(known) == 1 or known == self._doubted:
            return False
        self._doubted = known
        self._parts = _halves(known)
        return True

    def take(self) -> None:
        """Note that the list was taken: what refuses it from now on is something new."""
        self._doubted = ()

    def doubtful(self, devices: Sequence[str]) -> Part:
        """Give the presses that are to be tried next, perhaps one that was unknown an hour ago; else nothing."""
        self._unknown = {press: again_at for press, again_at in self._unknown.items() if press in devices}
        if not self._parts:
            present = self._monotonic()
            self._parts = [(press,) for press, again_at in self._unknown.items() if again_at <= present]
        return self._parts[-1] if self._parts else ()

    def settle(self, part: Part, *, refusal: CloudRefusedError | None) -> None:
        """Note what came of a try: that they are taken, or why not."""
        self._parts.remove(part)
        if refusal is None:
            for press in part:
                self._unknown.pop(press, None)
        elif len(part) > 1:
            self._parts += _halves(part)
        else:
            (press,) = part
            if press not in self._unknown:
                log.warning("Print Beat: %s: press %s is left out, for an hour: %s", self._subject, press, refusal)
            self._unknown[press] = self._monotonic() + AGAIN_SECONDS
            self._refusal = refusal

    def told(self) -> str:
        """Say that all is well, and which presses are left out."""
        if not self._unknown:
            return "ok"
        names = ", ".join(list(self._unknown)[:NAMES_TOLD])
        more = f" and {len(self._unknown) - NAMES_TOLD} more" if len(self._unknown) > NAMES_TOLD else ""
        return f"ok, without {names}{more}: {self._refusal}"


def _halves(part: Part) -> list[Part]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]
