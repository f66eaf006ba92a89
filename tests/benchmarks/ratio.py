"""A figure beside its peer's, and how figures are shown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Bound = Literal["at least", "at most"]
HEADINGS = ("figure", "ours", "peer", "theirs", "ratio", "aim", "")


@dataclass(frozen=True, slots=True)
class Ratio:
    """What the agent came to and what its peer came to; the aim is a bound on ours / theirs.

    A figure without a peer stands beside its own limit, so that its aim is at most 1.
    """

    name: str
    ours: float
    peer: str
    theirs: float
    bound: Bound
    aim: float

    @property
    def ratio(self) -> float:
        """Ours in parts of theirs."""
        return self.ours / self.theirs

    @property
    def holds(self) -> bool:
        """Whether the aim is met."""
        return self.ratio >= self.aim if self.bound == "at least" else self.ratio <= self.aim

    def to_json(self) -> dict[str, Any]:
        """Give the figure as machines read it."""
        return {
            "name": self.name,
            "ours": _rounded(self.ours),
            "peer": self.peer,
            "theirs": _rounded(self.theirs),
            "ratio": _rounded(self.ratio),
            "aim": self.aim,
            "holds": self.holds,
        }

    def to_row(self) -> tuple[str, ...]:
        """Give the figure as people read it."""
        numbers = (f"{self.ours:.4g}", self.peer, f"{self.theirs:.4g}", f"{self.ratio:.2f}")
        return (self.name, *numbers, f"{self.bound} {self.aim:g}", "holds" if self.holds else "MISSED")


def table(ratios: Sequence[Ratio]) -> str:
    """Lay figures out in columns."""
    rows = [HEADINGS, *(ratio.to_row() for ratio in ratios)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def alternate(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Measure both in alternating rounds, each first in every other one, and give the two medians."""
    figures: dict[Callable[[], float], list[float]] = {ours: [], theirs: []}
    for number in range(rounds):
        for measure in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            figures[measure].append(measure())
    return statistics.median(figures[ours]), statistics.median(figures[theirs])


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
