"""Faults that the pretended PrintOS is told to have: the connection ends, or an answer stays away, at a chosen call."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from agent.simulator.printos_http import Call, RefusalError, Reply, Route

When = Literal["before", "middle", "after", "hold-before", "hold-middle", "hold-after"]
"""Where the connection ends: before anything is done, in the middle of the body, or once all is done but the answer.
`hold-…` says nothing there until it is let go, and then ends it likewise."""

MOST_FAULTS = 100
LONGEST_HOLD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the next call of a method whose path matches a pattern.

    Attributes:
        method: `PUT`, …
        pattern: of the whole path.
        when: where the connection ends.
        status: what is answered before anything is done, in place of an end of the connection; 0 for that.
        headers: of that answer.
        met: set once the call has come so far.
        let_go: ends a hold.
    """

    method: str
    pattern: str
    when: When = "before"
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    met: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def is_of(self, method: str, path: str) -> bool:
        """Whether it befalls a call."""
        return method == self.method and re.fullmatch(self.pattern, path) is not None

    def meet(self) -> None:
        """Note that the call has come so far, and hold it where that is asked for.

        Raises:
            RefusalError: the answer that was asked for.
        """
        self.met.set()
        if self.when.startswith("hold"):
            self.let_go.wait(LONGEST_HOLD_SECONDS)
        if self.status:
            raise RefusalError(self.status, "as asked", headers=self.headers)


class Faults:
    """Those that are to come, each for one call; safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._happened = 0

    def add(self, fault: Fault) -> Fault:
        """Have a fault happen to the next call that it is for; 409 where there are too many."""
        with self._lock:
            if len(self._waiting) >= MOST_FAULTS:
                raise RefusalError(409, f"{MOST_FAULTS} faults wait already")
            self._waiting.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """Give the fault of a call, which is then over."""
        with self._lock:
            fault = next((fault for fault in self._waiting if fault.is_of(method, path)), None)
            if fault is not None:
                self._waiting.remove(fault)
                self._happened += 1
            return fault

    def routes(self) -> list[Route]:
        """Give the call that adds one, and the one that counts them."""
        return [
            Route("POST", "/simulator/fault", self.order),
            Route("GET", "/simulator/faults", lambda _call: Reply(200, self.count())),
        ]

    def count(self) -> dict[str, int]:
        """Tell how many wait, and how many have happened."""
        with self._lock:
            return {"waiting": len(self._waiting), "happened": self._happened}

    def order(self, call: Call) -> Reply:
        """Add the fault of a query: `method`, `path` (a pattern), `when`, or a `status` with `retry_after`."""
        query = call.query
        when, status = query.get("when", "before"), query.get("status", "0")
        if when not in get_args(When) or not status.isdecimal() or not {"method", "path"} <= query.keys():
            raise RefusalError(400, f"say ?method=…&path=…&when=, one of {', '.join(get_args(When))}")
        headers = {"Retry-After": query["retry_after"]} if "retry_after" in query else {}
        try:
            fault = Fault(query["method"], re.compile(query["path"]).pattern, when, int(status), headers)  # type: ignore[arg-type]  # one of When, as was checked
        except re.error as error:
            raise RefusalError(400, f"path is no pattern: {error}") from error
        self.add(fault)
        return Reply(200, {"method": fault.method, "path": fault.pattern, "when": when, "status": fault.status})
