"""The counts of the campaign, in all and for each destination."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.crash.verdict import Evidence


def is_good(evidence: Evidence) -> bool:
    """Whether the agent kept its promises."""
    return evidence.verdict().is_good and not any(evidence.falsely_aborted())


def counts(evidence: Evidence, cuts: int) -> dict[str, Any]:
    """Count everything; what a kill or a cut excuses, it excuses once for each destination."""
    destinations = sorted({order.printer for order in evidence.orders})
    of_each = {
        name: replace(evidence, orders=[order for order in evidence.orders if order.printer == name])
        for name in destinations
    }
    return {**_counts(evidence), "cuts": cuts, "destinations": {name: _counts(it) for name, it in of_each.items()}}


def _counts(evidence: Evidence) -> dict[str, int]:
    return evidence.verdict().to_json() | {"falsely_aborted": sum(1 for _ in evidence.falsely_aborted())}
