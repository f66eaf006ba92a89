"""Cuts of the network between the agent and PrintOS: of the cable, for seconds, and of single calls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.cable import Cable
from tests.cloud_crash.cloud import Cloud
from tests.crash.verdict import Kill, Printer

CALLS: tuple[tuple[str, str, tuple[Printer, ...]], ...] = (
    ("PUT", "/s3/.*", ()),
    ("POST", "/box/api/partner/file", ("box",)),
    ("POST", "/siteflow/api/order", ("siteflow",)),
    ("POST", "/box/api/partner/folder", ()),
    ("GET", "/box/api/partner/file/uploadurls", ()),
    ("GET", "/box/api/partner/file/[0-9a-f]+", ()),
    ("POST", "/siteflow/api/order/validate", ()),
    ("GET", "/siteflow/api/order/bysourceid/.*", ()),
    ("GET", "/siteflow/api/file/getpreupload", ()),
    ("GET", "/siteflow/api/order/[0-9a-f]+", ()),
)
"""The calls, and to whom each counts."""

MOMENTS = ("before", "middle", "after")
TROUBLES = ("500", "502", "503")
TROUBLE_SHARE = 0.15
CALL_SHARE = 0.5
"""So many of the cuts are of single calls, and so many of these are answers instead, of a server in trouble."""

WIRE: dict[str, tuple[str, str]] = {
    "silence": ("tcp dport {port} drop", "tcp sport {port} drop"),
    "no answers": ("", "tcp sport {port} drop"),
    "resets": ("tcp dport {port} reject with tcp reset", ""),
    "an instant": ("", ""),
}
STATELESS_SHARE = 0.5
"""After so many of the cuts of the cable the connections are gone as well, as after a router's restart."""

PAUSE_SECONDS = (0.1, 0.6)
SHORT_SECONDS = (0.2, 2.5)
LONG_SECONDS = 33.0
"""Longer than any answer is waited for."""

LONG_SHARE = 0.02


class Cuts:
    """Cuts again and again, as often as `step` is called.

    Args:
        line: the cable.
        cloud: what is at its end.
        note: is told of each before it takes effect.
        seed: of all that is random.
    """

    def __init__(self, line: Cable, cloud: Cloud, *, note: Callable[[Kill], None], seed: int) -> None:
        self._line = line
        self._cloud = cloud
        self._note = note
        self._random = random.Random(seed)
        self._of_cable = self._of_calls = 0
        self._next_at = 0.0
        self._mend_at: float | None = None

    def step(self) -> None:
        """Begin or end a cut, where it is time for that."""
        now = time.monotonic()
        if self._mend_at is not None:
            if now >= self._mend_at:
                self.mend()
        elif now >= self._next_at:
            self._begin(now)

    def mend(self) -> None:
        """End a cut of the cable."""
        if self._mend_at is not None:
            self._mend_at = None
            self._line.mend()
            if self._random.random() < STATELESS_SHARE:
                self._line.reset(self._cloud.port)
            self._rest()

    def count(self) -> int:
        """Count the cuts that there were, as far as that is known."""
        return self._of_cable + self._of_calls

    def _begin(self, now: float) -> None:
        if self._random.random() >= CALL_SHARE:
            self._cut_cable(now)
            return
        faults = self._cloud.faults()
        self._of_calls = faults["happened"]
        if not faults["waiting"]:
            self._cut_call()
        self._rest()

    def _cut_call(self) -> None:
        method, path, counts_to = self._random.choice(CALLS)
        how = {"when": self._random.choice(MOMENTS)}
        if self._random.random() < TROUBLE_SHARE:
            how = {"status": self._random.choice(TROUBLES)}
        self._note(Kill(f"{method} {path} {how}", is_on_the_line=False, is_cut=True, cuts_off=counts_to))
        self._cloud.add_fault(method=method, path=path, **how)

    def _cut_cable(self, now: float) -> None:
        how = self._random.choice(list(WIRE))
        is_long = self._random.random() < LONG_SHARE
        seconds = LONG_SECONDS if is_long else self._random.uniform(*SHORT_SECONDS)
        self._note(Kill(f"{how} for {seconds:.1f} s", is_on_the_line=False, is_cut=True))
        self._of_cable += 1
        inward, outward = (rule.format(port=self._cloud.port) for rule in WIRE[how])
        if inward or outward:
            self._line.fail(inward, outward)
            self._mend_at = now + seconds
        else:
            self._line.reset(self._cloud.port)
            self._rest()

    def _rest(self) -> None:
        self._next_at = time.monotonic() + self._random.uniform(*PAUSE_SECONDS)
