"""The types of arguments: a text to a value, or argparse's own one-line error."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from math import isfinite

LARGEST_PORT = 65_535


def port(text: str) -> int:
    """Read a port, 1 to 65535."""
    number = port_to_take(text)
    if not number:
        raise ArgumentTypeError("must be 1 to 65535")
    return number


def port_to_take(text: str) -> int:
    """Read a port to listen at; 0 takes a free one."""
    if not text.isdecimal() or int(text) > LARGEST_PORT:
        raise ArgumentTypeError(f"must be a whole number up to {LARGEST_PORT}")
    return int(text)


def positive_seconds(text: str) -> float:
    """Read a time that is longer than none, and ends."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and seconds > 0):
        raise ArgumentTypeError("must be a number of seconds greater than 0")
    return seconds


def moment(text: str) -> datetime:
    """Read a day or a time; without a time zone it is this box's."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ArgumentTypeError("must be a day such as 2026-01-31, or a time such as 2026-01-31T15:04:05Z") from None
