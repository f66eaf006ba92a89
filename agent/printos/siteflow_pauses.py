"""How long to wait before Site Flow is asked again: as HP's own SDKs do. Pure."""

from __future__ import annotations

import random

RETRIES = 3
THROTTLED_SECONDS = 18.0
OTHER_SECONDS = 0.1
JITTER = 0.4


def pause_seconds(failures: int, *, is_throttled: bool, spread: float | None = None) -> float:
    """Give the pause after so many failures in a row, from 1: it doubles each time, and up to 40 % come on top.

    Args:
        failures: counted up to three, as nobody waits longer than after the third.
        is_throttled: Site Flow said 429, which counts requests by the minute.
        spread: how much of the jitter, 0 to 1; random unless given.
    """
    base = THROTTLED_SECONDS if is_throttled else OTHER_SECONDS
    fraction = random.random() if spread is None else spread  # noqa: S311 - jitter is not a secret
    return float(base * 2 ** (min(failures, RETRIES) - 1) * (1 + JITTER * fraction))
