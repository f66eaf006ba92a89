"""What one publisher may have printed in a day; pure.

A publisher is the user that the topic names, and all tickets whose topic names none are one publisher, `""`: what a
ticket says of itself is charged to nobody. A day is a calendar day where this box is (its time zone).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from agent.config_schema import LimitsConfig, UserConfig


@dataclass(frozen=True, slots=True)
class Usage:
    """What a publisher has had in a day: jobs and bytes when they were accepted, pages when their job had ended."""

    jobs: int = 0
    bytes: int = 0
    pages: int = 0


def limits_of(publisher: str, everybody: LimitsConfig, users: Iterable[UserConfig]) -> LimitsConfig:
    """Give the limits of a publisher: its own, and everybody's where it has none of its own; 0 is no limit."""
    own = next((user for user in users if user.name == publisher), None)
    if own is None:
        return everybody
    return LimitsConfig(
        jobs_per_day=everybody.jobs_per_day if own.jobs_per_day is None else own.jobs_per_day,
        bytes_per_day=everybody.bytes_per_day if own.bytes_per_day is None else own.bytes_per_day,
        pages_per_day=everybody.pages_per_day if own.pages_per_day is None else own.pages_per_day,
    )


def exceeded(limits: LimitsConfig, used: Usage, more: Usage) -> str | None:
    """Name the limit that would be exceeded by `more`, as agent.toml calls it; None where all is within."""
    for key, limit, wanted in (
        ("jobs_per_day", limits.jobs_per_day, used.jobs + more.jobs),
        ("bytes_per_day", limits.bytes_per_day, used.bytes + more.bytes),
        ("pages_per_day", limits.pages_per_day, used.pages + more.pages),
    ):
        if limit and wanted > limit:
            return key
    return None


def day_of(moment: datetime) -> str:
    """Give the calendar day of a moment on this box, such as `2026-01-02`."""
    return moment.astimezone().date().isoformat()


def end_of(day: str) -> datetime:
    """Give the moment at which a day of `day_of` is over."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time()).astimezone()
