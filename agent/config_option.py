"""How an option of agent.toml is declared."""

from __future__ import annotations

from dataclasses import field
from typing import Any

DAY = 86_400
MIB = 1_048_576


def option(
    default: Any,
    about: str,
    *,
    low: int | None = None,
    high: int | None = None,
    pattern: str | None = None,
    default_text: str | None = None,
) -> Any:
    """Declare an option. `default_text` tells people of a default that is worked out at start."""
    limits = {"about": about, "low": low, "high": high, "pattern": pattern, "default_text": default_text}
    return field(default=default, metadata=limits)
