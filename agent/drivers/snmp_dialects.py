"""Which version and community each host is asked with: tried in turn until it answers, and remembered then.

Who guards one printer with a community of its own doesn't want every printer to hear it at every poll. So a host that
has once answered is asked its way; only when it falls silent are the others tried, and then not before ten minutes
have passed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.drivers.snmp_message import Version
from agent.drivers.snmp_socket import Address

REMEMBER_V1_SECONDS = 3600.0
TRY_OTHERS_SECONDS = 600.0
FOR_EVER = float("inf")

_VERSIONS = {"auto": (Version.V2C, Version.V1), "1": (Version.V1,), "2c": (Version.V2C,)}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A version and a community."""

    version: Version
    community: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a host has last answered to, whether it still did, and when others are tried."""

    dialect: Dialect
    answers: bool
    until: float


class Dialects:
    """What to ask whom with; safe in several threads, because each address is asked by one at a time.

    Args:
        communities: the read communities, the most likely first.
        version: `auto` is v2c, then v1.
        attempts: how often a host is asked at least.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        communities: Sequence[str],
        *,
        version: Literal["auto", "1", "2c"],
        attempts: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = [Dialect(number, name.encode()) for number in _VERSIONS[version] for name in communities]
        self._attempts = attempts
        self._clock = clock
        self._known: dict[Address, _Known] = {}

    def of_strangers(self) -> list[Dialect]:
        """List what to try with hosts that nothing is known of, one an attempt."""
        return (self._all * self._attempts)[: max(len(self._all), self._attempts)]

    def of(self, address: Address) -> list[Dialect]:
        """List what to try with a host, one an attempt."""
        known, present = self._known.get(address), self._clock()
        if known is None:
            return self.of_strangers()
        if present < known.until:
            return [known.dialect] * self._attempts
        self._known[address] = replace(known, until=present + TRY_OTHERS_SECONDS)
        if known.answers:  # by v1, which is what a host speaks too whose v2c answer was lost
            return [dialect for dialect in self._all if dialect.community == known.dialect.community]
        return [known.dialect, *(dialect for dialect in self._all if dialect != known.dialect)]

    def answered_to(self, address: Address) -> Dialect | None:
        """Give what a host answers to, as far as anybody knows."""
        known = self._known.get(address)
        return known.dialect if known and known.answers else None

    def remember(self, address: Address, dialect: Dialect) -> None:
        """Note that a host has answered."""
        until = FOR_EVER if dialect.version is Version.V2C else self._clock() + REMEMBER_V1_SECONDS
        self._known[address] = _Known(dialect, answers=True, until=until)

    def doubt(self, address: Address) -> None:
        """Note that a host has fallen silent."""
        known = self._known.get(address)
        if known and known.answers:
            self._known[address] = replace(known, answers=False, until=self._clock())
