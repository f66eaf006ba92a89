"""The pretended Print Beat, below `/printbeat`: attempts by marker, real-time data and figures over time, each signed.

What is there comes by `/simulator/beat/…`: `POST press?serial=S[&state=…]` for a press, `POST job?press=S[&name=…]
[&impressions=N][&count=N]` for attempts, `POST limit?requests=N` for how many requests a minute it takes.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from agent.model import Clock
from agent.simulator.printos_http import Call, RefusalError, Reply, Route
from agent.simulator.printos_signatures import Signatures

BASE = "/printbeat"
PAGE_ATTEMPTS = 100
ATTEMPTS_LIMIT = 10_000
PRESSES_LIMIT = 1000
MINUTE_SECONDS = 60.0
MOMENT = "%Y-%m-%d %H:%M:%S"
MOMENT_PATTERN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
SERIAL_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
RESOLUTIONS = ("Day", "Week", "Month")
UNIT_SYSTEMS = ("Metric", "Imperial")
KPIS = ("OverallPerformance", "PrintVolume", "Failures", "Jams", "Restarts")
JOBS_QUERY = frozenset({"startMarker", "devices", "sortOrder", "direction"})
REAL_TIME_QUERY = frozenset({"devices", "resolution", "unitSystem"})
HISTORIC_QUERY = REAL_TIME_QUERY | {"from", "to"}

Role = str
JOBS: Role = "Jobs Enquiries"
DATA: Role = "Print Beat data access"


class PrintBeatSide:
    """The calls of Print Beat.

    Attributes:
        presses: the state of each press, by its serial number.

    Args:
        signatures: of the keys that Print Beat knows.
        roles: of each key.
        monotonic: seconds that only rise.
        now: the present.
    """

    def __init__(
        self,
        signatures: Signatures,
        *,
        roles: Mapping[str, frozenset[Role]],
        monotonic: Callable[[], float],
        now: Clock,
    ) -> None:
        self.presses: dict[str, str] = {}
        self._signatures = signatures
        self._roles = roles
        self._monotonic = monotonic
        self._now = now
        self._attempts: deque[dict[str, Any]] = deque(maxlen=ATTEMPTS_LIMIT)
        self._marker = 0
        self._limit = 0
        self._requests: deque[float] = deque(maxlen=ATTEMPTS_LIMIT)
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Give its routes; HP's Python sample doubles the slash before `externalApi`."""
        calls = {
            "externalApi/jobs": self._signed(JOBS, JOBS_QUERY, self.list_attempts),
            "externalApi/v1/RealTimeData": self._signed(DATA, REAL_TIME_QUERY, self.read_presses),
            "externalApi/v1/Historic/{kpi}": self._signed(DATA, HISTORIC_QUERY, self.read_historic),
        }
        reading = [Route("GET", f"{BASE}{slash}{path}", it) for path, it in calls.items() for slash in ("/", "//")]
        steering = {"press": self.set_press, "job": self.add_jobs, "limit": self.set_limit}
        return reading + [Route("POST", f"/simulator/beat/{name}", it) for name, it in steering.items()]

    def add(self, press: str, name: str, impressions: int) -> int:
        """Let a press have printed a job; gives its marker."""
        with self._lock:
            self.presses.setdefault(press, "UP")
            self._marker += 1
            moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
            self._attempts.append(
                {
                    "marker": self._marker,
                    "deviceId": f"device-{press}",
                    "pressSerialNumber": press,
                    "jobName": name,
                    "jobProgress": "PRINTED",
                    "jobSubmitTime": moment,
                    "jobCompleteTime": moment,
                    "jobElapseTime": impressions,
                    "impressions": impressions,
                    "impressionsType": "A3",
                    "oneShotImpressions": impressions,
                    "inks": [{"color": "Cyan", "amountUsed": impressions // 3, "inkSerialNumber": "INK-1"}],
                    "substrates": [{"name": "Gloss 150", "amountUsed": impressions // 2}],
                }
            )
            return self._marker

    def list_attempts(self, call: Call) -> Reply:
        """Give a page of attempts after a marker, or the newest first."""
        devices = self._devices(call) if "devices" in call.query else list(self.presses)
        backward = _choice(call, "sortOrder", ("ASC", "DESC"), "ASC") == "DESC"
        backward = backward or _choice(call, "direction", ("forward", "backward"), "forward") == "backward"
        start = call.query.get("startMarker")
        if start is not None and not (start.isascii() and start.isdigit()):
            raise RefusalError(400, "startMarker must be a number")
        with self._lock:
            found = [it for it in self._attempts if it["pressSerialNumber"] in devices]
        if start is not None:
            found = [it for it in found if (it["marker"] < int(start) if backward else it["marker"] > int(start))]
        return Reply(200, {"attempts": (found[::-1] if backward else found)[:PAGE_ATTEMPTS]})

    def read_presses(self, call: Call) -> Reply:
        """Give how presses are, with a row that sums them up at the end."""
        devices = self._devices(call)
        _check_units(call)
        rows = [self._press(serial) for serial in devices]
        return Reply(200, {"data": [*rows, {"pressName": "Total", "value": sum(row["value"] for row in rows)}]})

    def read_historic(self, call: Call) -> Reply:
        """Give a figure of presses over time."""
        devices = self._devices(call)
        _check_units(call)
        kpi = call.match["kpi"]
        if kpi not in KPIS:
            raise RefusalError(404, f"there is no KPI {kpi}; there are {', '.join(KPIS)}")
        begin = _moment(call, "from")
        if "to" in call.query and _moment(call, "to") < begin:
            raise RefusalError(400, "to is before from")
        events = [{"date": f"{begin:{MOMENT}}", "value": {"value": 1.0}, "score": {"value": 100.0}}]
        units = [{"unitName": f"Press {serial}", "unitId": serial, "events": events} for serial in devices]
        return Reply(200, {"data": {"unitEvents": units}})

    def set_press(self, call: Call) -> Reply:
        """Let there be a press, in this `state`."""
        with self._lock:
            if len(self.presses) >= PRESSES_LIMIT:
                raise RefusalError(400, f"more than {PRESSES_LIMIT} presses")
            self.presses[_serial(call, "serial")] = call.query.get("state", "UP")
        return Reply(200, {})

    def add_jobs(self, call: Call) -> Reply:
        """Let a press have printed `count` jobs."""
        press, name = _serial(call, "press"), call.query.get("name", "job.pdf")
        count, impressions = _number(call, "count", 1), _number(call, "impressions", 10)
        markers = [self.add(press, name, impressions) for _ in range(min(count, ATTEMPTS_LIMIT))]
        return Reply(200, {"markers": markers})

    def set_limit(self, call: Call) -> Reply:
        """Take so many `requests` a minute; 0 for any number."""
        self._limit = _number(call, "requests", 0)
        return Reply(200, {})

    def report(self) -> dict[str, Any]:
        """Tell what is there."""
        return {"presses": dict(self.presses), "attempts": len(self._attempts), "requests": len(self._requests)}

    def _signed(self, role: Role, query: frozenset[str], answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def check_and_answer(call: Call) -> Reply:
            key = self._signatures.check(call, base=BASE)
            if role not in self._roles.get(key, frozenset()):
                raise RefusalError(403, f"the key has not the role {role}")
            self._count()
            if unknown := sorted(call.query.keys() - query):
                raise RefusalError(400, f"{unknown[0]} is unknown; known are {', '.join(sorted(query))}")
            return answer(call)

        return check_and_answer

    def _count(self) -> None:
        """Count a request; 429 where there were too many within a minute."""
        with self._lock:
            now = self._monotonic()
            recent = [at for at in self._requests if now - at < MINUTE_SECONDS]
            if self._limit and len(recent) >= self._limit:
                wait = int(recent[0] + MINUTE_SECONDS - now) + 1
                raise RefusalError(429, "too many requests", headers={"Retry-After": str(wait)})
            self._requests.append(now)

    def _devices(self, call: Call) -> list[str]:
        """Give the presses that a query names, repeated or joined by commas."""
        named = [serial for value in call.values("devices") for serial in value.split(",")]
        if not named:
            raise RefusalError(400, "devices is missing")
        for serial in named:
            if serial not in self.presses:
                raise RefusalError(400, f"no press has the serial number {serial}")
        return named

    def _press(self, serial: str) -> dict[str, Any]:
        with self._lock:
            jobs = [it for it in self._attempts if it["pressSerialNumber"] == serial]
        impressions = sum(it["impressions"] for it in jobs)
        return {
            "pressSerialNumber": serial,
            "pressName": f"Press {serial}",
            "pressState": self.presses[serial],
            "currentJob": jobs[-1]["jobName"] if jobs else None,
            "value": impressions,
            "jobsInQueue": 0,
            "printedJobs": len(jobs),
            "totalImpsSinceInstallation": impressions,
            "totalPrintedImpsSinceInstallation": impressions,
            "totalPrintedSheetsSinceInstallation": impressions // 2,
            "substrates": [{"name": "Gloss 150", "Weight": 150}],
        }


def _check_units(call: Call) -> None:
    _choice(call, "resolution", RESOLUTIONS)
    _choice(call, "unitSystem", UNIT_SYSTEMS)


def _choice(call: Call, name: str, known: tuple[str, ...], default: str = "") -> str:
    value = call.query.get(name, default)
    if value not in known:
        raise RefusalError(400, f"{name} must be one of {', '.join(known)}")
    return value


def _moment(call: Call, name: str) -> datetime:
    text = call.query.get(name, "")
    try:
        moment = datetime.strptime(text, MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusalError(400, f"{name} must be of the form 2024-05-06 07:08:09") from error
    if not MOMENT_PATTERN.fullmatch(text):
        raise RefusalError(400, f"{name} must be of the form 2024-05-06 07:08:09")
    return moment


def _serial(call: Call, name: str) -> str:
    serial = call.query.get(name, "")
    if not SERIAL_PATTERN.fullmatch(serial):
        raise RefusalError(400, f"{name} must be a serial number")
    return serial


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 9:  # noqa: PLR2004 - more than anybody asks for
        raise RefusalError(400, f"{name} must be a number")
    return int(text)
