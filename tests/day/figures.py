"""What a day comes to: each login with its reason, each status with its age, and what neither should be. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

RENEWED_AFTER_SECONDS = 1740.0
"""Sessions of half an hour are renewed a minute ahead."""

INTERVAL_SECONDS = 120.0
CHANGE_SECONDS = 60.0
SLACK_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
SECONDS_A_LOGIN = 0.5
"""How far turns are apart when all want one."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A time in which nothing can be told; `loses_sessions` where all must log in again after it."""

    kind: str
    begin: float
    end: float
    loses_sessions: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.begin

    def limit_seconds(self, devices: int) -> float:
        """Give how long after its end the last device is told again: a pause, and every device's login."""
        return LONGEST_PAUSE_SECONDS + devices * SECONDS_A_LOGIN + SLACK_SECONDS

    def hinders(self, before: float, after: float, devices: int) -> bool:
        """Whether it can have made a status late that followed another."""
        return before < self.end + self.limit_seconds(devices) and after >= self.begin


@dataclass
class Ledger:
    """What was seen, of each device by its serial number; moments are of the fake clock.

    `changes` are those that PrintOS was told of: when they happened and when it was told.
    """

    logins: dict[str, list[float]] = field(default_factory=dict)
    statuses: dict[str, list[float]] = field(default_factory=dict)
    changes: list[tuple[float, float]] = field(default_factory=list)
    wrong: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """A day in numbers; ages and delays are seconds."""

    devices: int
    logins: Mapping[str, int]
    logins_most_a_second: int
    logins_most_a_minute: int
    failed_calls: int
    statuses: int
    statuses_wrong: int
    statuses_too_old: int
    statuses_too_soon: int
    calm_age_median: float
    calm_age_most: float
    change_delay_median: float
    change_delay_most: float
    age_most: Mapping[str, float]
    all_told_after: Mapping[str, float]

    @property
    def is_good(self) -> bool:
        """Whether every login was needed, and every status was true, in time and not too often."""
        wrong = (self.statuses_wrong, self.statuses_too_old, self.statuses_too_soon, self.logins.get("unneeded", 0))
        return not any(wrong)

    def to_json(self) -> dict[str, Any]:
        """Give what machines read."""
        return {"good": self.is_good, **asdict(replace(self, logins=dict(self.logins)))}


def reckon(ledger: Ledger, troubles: Sequence[Trouble]) -> Figures:
    """Add up a day."""
    devices = len(ledger.statuses)
    logins = [at for moments in ledger.logins.values() for at in moments]
    gaps = [gap for moments in ledger.statuses.values() for gap in pairwise(moments)]
    calm = [after - before for before, after in gaps if not _hindered(before, after, troubles, devices)]
    delays = [told - at for at, told in ledger.changes if not _hindered(at, told, troubles, devices)]
    age_most = {
        trouble.kind: max(after - before for before, after in gaps if trouble.hinders(before, after, devices))
        for trouble in troubles
    }
    reasons = (reason for moments in ledger.logins.values() for reason in reasons_of_logins(moments, troubles))
    late = sum(age > INTERVAL_SECONDS + SLACK_SECONDS for age in calm)
    late += sum(delay > CHANGE_SECONDS + SLACK_SECONDS for delay in delays)
    late += sum(age_most[trouble.kind] > _age_limit(trouble, devices) for trouble in troubles)
    return Figures(
        devices=devices,
        logins=Counter(reasons),
        logins_most_a_second=max(Counter(map(int, logins)).values()),
        logins_most_a_minute=max(Counter(int(at // 60) for at in logins).values()),
        failed_calls=ledger.failures,
        statuses=sum(map(len, ledger.statuses.values())),
        statuses_wrong=ledger.wrong,
        statuses_too_old=late,
        statuses_too_soon=sum(age < CHANGE_SECONDS - 1 for age in calm),
        calm_age_median=statistics.median(calm),
        calm_age_most=max(calm),
        change_delay_median=statistics.median(delays),
        change_delay_most=max(delays),
        age_most=age_most,
        all_told_after={trouble.kind: _all_told_after(ledger, trouble) for trouble in troubles},
    )


def reasons_of_logins(moments: Sequence[float], troubles: Sequence[Trouble]) -> Iterator[str]:
    """Give why a device logged in each time: `first`, `expiry`, the kind of what lost its session, or `unneeded`."""
    yield from ("first" for _ in moments[:1])
    for before, after in pairwise(moments):
        lost = (trouble.kind for trouble in troubles if trouble.loses_sessions and before < trouble.end <= after)
        yield "expiry" if after - before > RENEWED_AFTER_SECONDS - 1 else next(lost, "unneeded")


def _hindered(before: float, after: float, troubles: Sequence[Trouble], devices: int) -> bool:
    return any(trouble.hinders(before, after, devices) for trouble in troubles)


def _age_limit(trouble: Trouble, devices: int) -> float:
    return INTERVAL_SECONDS + trouble.seconds + trouble.limit_seconds(devices)


def _all_told_after(ledger: Ledger, trouble: Trouble) -> float:
    firsts = (next(at for at in moments if at >= trouble.end) for moments in ledger.statuses.values())
    return max(firsts) - trouble.end
