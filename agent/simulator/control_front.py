"""What a test does to a pretended printer over HTTP: jams, empty supplies, refusals, lost answers; and its report."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from agent.errors import NotFoundError
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.http_front import DropConnectionError, Request, Response

ROOT = "/simulator/"


@dataclass(slots=True)
class Faults:
    """What goes wrong with the next documents, and how many have come; thread-safe."""

    _refusals: int = 0
    _refusal_status: int = HTTPStatus.SERVICE_UNAVAILABLE
    _drops: int = 0
    _counters: dict[str, int] = field(default_factory=lambda: {"documents": 0, "refused": 0, "dropped": 0})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, status: int, times: int) -> None:
        """Answer the next `times` documents with `status`, and take none of them."""
        with self._lock:
            self._refusal_status, self._refusals = status, times

    def drop_answer(self, times: int) -> None:
        """Take the next `times` documents and hang up without an answer."""
        with self._lock:
            self._drops = times

    def counters(self) -> dict[str, int]:
        """Count the documents that came, and those that were refused or whose answer was dropped."""
        with self._lock:
            return dict(self._counters)

    def applied(self, take: Callable[[], Response]) -> Response:
        """Take a document, unless it is to be refused, and answer, unless the answer is to be dropped."""
        with self._lock:
            self._counters["documents"] += 1
            if self._refusals:
                self._refusals -= 1
                self._counters["refused"] += 1
                return Response(self._refusal_status, b"refused\n", headers={"Retry-After": "1"})
            is_dropped = self._drops > 0
            self._drops -= is_dropped
            self._counters["dropped"] += is_dropped
        response = take()
        if is_dropped:
            raise DropConnectionError
        return response


class ControlFront:
    """The paths under `/simulator/`: what happens to the printer by POST, `report` by GET."""

    def __init__(self, engine: PrinterEngine, *, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults
        self._acts: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            "jam": lambda _query: engine.jam(),
            "stand-still": lambda query: engine.stand_still(query["reason"]),
            "clear": lambda _query: engine.clear(),
            "cancel": lambda _query: engine.cancel_at_panel(),
            "cut-power": lambda _query: engine.cut_power(),
            "supply": lambda query: engine.set_supply(query["colorant"], float(query["percent"])),
            "refuse": lambda query: faults.refuse(int(query.get("status", "503")), int(query.get("times", "1"))),
            "drop-answer": lambda query: faults.drop_answer(int(query.get("times", "1"))),
        }

    def answer(self, request: Request) -> Response | None:
        """Answer a request; None where its path is not ours."""
        if not request.path.startswith(ROOT):
            return None
        act = self._acts.get(request.path.removeprefix(ROOT))
        if request.method == "GET" and request.path == f"{ROOT}report":
            return Response(body=json.dumps(self._report()).encode() + b"\n", content_type="application/json")
        if act is None or request.method != "POST":
            return Response(HTTPStatus.NOT_FOUND, b"not found\n")
        try:
            act(request.query)
        except (KeyError, ValueError, NotFoundError) as exc:
            return Response(HTTPStatus.BAD_REQUEST, f"{exc}\n".encode())
        return Response(HTTPStatus.NO_CONTENT)

    def _report(self) -> dict[str, Any]:
        status = self._engine.status()
        return {
            "state": status.state.keyword,
            "state_reasons": list(status.state_reasons),
            "impressions_completed": status.impressions_completed,
            "supplies": [supply.to_json() for supply in status.supplies],
            "jobs": [_job(job) for job in self._engine.history()],
            **self._faults.counters(),
        }


def _job(job: SimulatedJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.keyword,
        "state_reasons": list(job.state_reasons),
        "document_format": job.document_format,
        "options": dict(job.options),
        "impressions_completed": job.impressions_completed,
        "size": job.size,
        "sha256": job.sha256,
        "path": None if job.path is None else str(job.path),
    }
