"""What `doctor` finds: one line a check, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Result = Literal["ok", "warning", "failed"]

NAMED = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was tested, such as `broker`.
        subject: which one, where there are several: a printer's alias or id, a host.
        message: what was found.
        advice: what to do next; empty where nothing is.
    """

    check: str
    result: Result
    message: str
    advice: str = ""
    subject: str | None = None

    def line(self) -> str:
        """Give it for a person."""
        name = f"{self.check} {self.subject}" if self.subject else self.check
        found = f"{self.message}: {self.advice}" if self.advice else self.message
        return f"{self.result:8} {name:20} {found}"

    def to_json(self) -> dict[str, Any]:
        """Give it for machines."""
        return {
            "check": self.check,
            "subject": self.subject,
            "result": self.result,
            "message": self.message,
            "advice": self.advice or None,
        }


def named(names: Sequence[str]) -> str:
    """Give the first names of many."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


Printers = Sequence[Mapping[str, Any]]
"""As the running agent lists them."""

Look = Callable[[], Iterable[Finding]]
