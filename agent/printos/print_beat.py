"""Print Beat: the print attempts of presses, and how the presses are; what comes is cleaned and typed here.

Two keys for two roles read the two halves: *Jobs Enquiries* the attempts, *Print Beat data access* the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from agent.errors import CloudUnreachableError
from agent.printos.exchange import find_node, printable
from agent.printos.signed_exchange import SignedExchange

PAGE_ATTEMPTS = 100
JOBS_PATH = "/externalApi/jobs"
REAL_TIME_PATH = "/externalApi/v1/RealTimeData"
HISTORIC_PATH = "/externalApi/v1/Historic"

SERIAL_FIELDS = ("pressSerialNumber", "serialNumber", "serial", "deviceSerialNumber", "deviceId")
NUMBERS = frozenset({
    "epmImpressions", "impressions", "impressions1Color", "impressions2Colors", "impressionsNColors", "jobElapseTime",
    "jobsInQueue", "marker", "oneShotImpressions", "printedJobs", "sheets", "meters", "totalImpsSinceInstallation",
    "totalPrintedImpsSinceInstallation", "totalPrintedSheetsSinceInstallation",
})  # fmt: skip
TEXTS = frozenset({
    "currentJob", "impressionsType", "jobCompleteTime", "jobName", "jobProgress", "jobSubmitTime",
    "lastTimeStateChanged", "maintenanceStatus", "model", "operatorName", "pressName", "pressSerialNumber",
    "pressState", "version",
})  # fmt: skip
TOTALS = frozenset({"", "all", "sum", "summary", "total", "totals"})
MARKER_LIMIT = 1 << 63
DEPTH_LIMIT = 6
KEYS_LIMIT = 100
ITEMS_LIMIT = 200
RECORD_LIMIT_BYTES = 32_768

Record = Mapping[str, Any]
DevicesAs = Literal["repeated", "joined"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to print a job, in HP's words; `marker` rises from attempt to attempt."""

    marker: int
    serial: str
    facts: Record


@dataclass(frozen=True, slots=True)
class Press:
    """How one press is now, in HP's words; `serial` is None where the answer doesn't tell whose it is."""

    serial: str | None
    name: str
    facts: Record


@dataclass(frozen=True, slots=True)
class RealTime:
    """The presses, and the row that sums them up, where there is one."""

    presses: tuple[Press, ...]
    total: Record | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a press in the past."""

    press: str
    date: str
    value: float | None
    score: float | None


class PrintBeat:
    """The calls.

    Args:
        data: signs with the key of *Print Beat data access*; None where there is none.
        jobs: signs with the key of *Jobs Enquiries*; None where there is none.
        devices_as: how several presses stand in a query.
        unit_system: `Metric` or `Imperial`.
    """

    def __init__(
        self, *, data: SignedExchange | None, jobs: SignedExchange | None, devices_as: DevicesAs, unit_system: str
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._devices_as = devices_as
        self._unit_system = unit_system

    @property
    def tells_jobs(self) -> bool:
        """Whether there is a key for the attempts."""
        return self._jobs is not None

    @property
    def tells_presses(self) -> bool:
        """Whether there is a key for the state of presses."""
        return self._data is not None

    def attempts(self, devices: Sequence[str], *, after: int) -> tuple[Attempt, ...]:
        """Read a page of the attempts after a marker, the oldest first; perhaps with that of the marker itself.

        Raises:
            CloudError: as `SignedExchange.ask`; also where the answer makes no sense.
        """
        return self._read_attempts(devices, startMarker=str(after))

    def newest(self, devices: Sequence[str]) -> tuple[Attempt, ...]:
        """Read the page of the newest attempts, the oldest first; raises as `attempts`."""
        return self._read_attempts(devices, sortOrder="DESC")

    def presses(self, devices: Sequence[str]) -> RealTime:
        """Read how presses are now; raises as `attempts`."""
        assert self._data is not None
        query = {"resolution": "Day", "unitSystem": self._unit_system}
        content = self._data.ask("GET", REAL_TIME_PATH, query={**self._devices(devices), **query})
        return parse_real_time(content, devices)

    def historic(
        self, devices: Sequence[str], kpi: str, begin: datetime, end: datetime, resolution: str
    ) -> tuple[Point, ...]:
        """Read a KPI such as `PrintVolume` over time, in UTC; raises as `attempts`."""
        assert self._data is not None
        query = {
            "from": f"{begin.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "to": f"{end.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "resolution": resolution,
            "unitSystem": self._unit_system,
        }
        return parse_historic(
            self._data.ask("GET", f"{HISTORIC_PATH}/{kpi}", query={**self._devices(devices), **query})
        )

    def _read_attempts(self, devices: Sequence[str], **query: str) -> tuple[Attempt, ...]:
        assert self._jobs is not None
        return parse_attempts(self._jobs.ask("GET", JOBS_PATH, query={**query, **self._devices(devices)}))

    def _devices(self, devices: Sequence[str]) -> dict[str, str | Sequence[str]]:
        return {"devices": ",".join(devices) if self._devices_as == "joined" else tuple(devices)}


def parse_attempts(content: Any) -> tuple[Attempt, ...]:
    """Read a page of attempts: by marker, each marker once; what has no marker is left out.

    Raises:
        CloudUnreachableError: it is none, so that the same is asked again later.
    """
    rows = _rows(content, "attempts")
    attempts = {attempt.marker: attempt for row in rows if (attempt := _attempt(row)) is not None}
    return tuple(attempts[marker] for marker in sorted(attempts))


def parse_real_time(content: Any, devices: Sequence[str] = ()) -> RealTime:
    """Read how presses are; the last row is the total where it has no serial number and no name but that of a total.

    A row without a serial number is of the one press that was asked for, where it was one.

    Raises:
        CloudUnreachableError: it is no such answer.
    """
    records = [_record(row) for row in _rows(content, "data") if isinstance(row, dict)]
    total = records.pop() if records and _is_total(records[-1]) else None
    only = devices[0] if len(devices) == len(records) == 1 else None
    presses = (Press(_serial(it) or only, str(it.get("pressName") or ""), it) for it in records)
    return RealTime(tuple(presses), total)


def parse_historic(content: Any) -> tuple[Point, ...]:
    """Read the values of presses in the past.

    Raises:
        CloudUnreachableError: it is no such answer.
    """
    return tuple(
        Point(
            press=printable(str(unit.get("unitName") or unit.get("unitId") or "")),
            date=printable(str(event.get("date") or "")),
            value=_value(event.get("value")),
            score=_value(event.get("score")),
        )
        for unit in _rows(content, "unitEvents")
        if isinstance(unit, dict)
        for event in unit.get("events") or ()
        if isinstance(event, dict)
    )


def _rows(content: Any, name: str) -> Sequence[Any]:
    rows = content if isinstance(content, list) else find_node(content, name)
    if not isinstance(rows, list):
        raise CloudUnreachableError(f"Print Beat answers something else: there is no list of {name}")
    return rows


def _attempt(row: Any) -> Attempt | None:
    marker = row.get("marker") if isinstance(row, dict) else None
    if isinstance(marker, str) and marker.isascii() and marker.isdigit() and len(marker) < len(str(MARKER_LIMIT)):
        marker = int(marker)
    if not isinstance(marker, int) or isinstance(marker, bool) or not 0 <= marker < MARKER_LIMIT:
        return None
    facts = {**_record(row), "marker": marker}
    return Attempt(marker, _serial(facts) or "", facts)


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row in its own words, known fields of their type or null; of a monstrous one the plain ones."""
    record = {name: _typed(name, value) for name, value in _clean(row, 0).items()}
    if len(json.dumps(record)) > RECORD_LIMIT_BYTES:
        return {name: value for name, value in record.items() if not isinstance(value, list | dict)}
    return record


def _typed(name: str, value: Any) -> Any:
    if name in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        return None
    return value if name not in TEXTS or isinstance(value, str) else None


def _clean(value: Any, depth: int) -> Any:
    """Give what JSON had without control characters, without what is no number, and not too large."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | dict) and depth == DEPTH_LIMIT:
        return None
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value[:ITEMS_LIMIT]]
    if isinstance(value, dict):
        return {printable(name): _clean(item, depth + 1) for name, item in list(value.items())[:KEYS_LIMIT]}
    return value if not isinstance(value, int) or abs(value) < MARKER_LIMIT else None


def _serial(record: Record) -> str | None:
    found = (record.get(name) for name in SERIAL_FIELDS)
    return next((str(it) for it in found if isinstance(it, str | int) and not isinstance(it, bool) and it != ""), None)


def _is_total(record: Record) -> bool:
    name = str(record.get("pressName") or record.get("name") or "").strip().lower()
    return _serial(record) is None and name in TOTALS and not record.get("pressState")


def _value(node: Any) -> float | None:
    number = node.get("value") if isinstance(node, dict) else node
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return None
    return float(number)
