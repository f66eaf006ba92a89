"""HP's REST interface of a pretended printer: strict, JSON unless XML is preferred, with the shapes of the driver."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from agent.errors import ConflictError, NotFoundError
from agent.model import PrinterState, Supply
from agent.simulator.control_front import Faults
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.http_front import Request, Response

DEVICE_ID = "1"
STATUS_WORDS = {PrinterState.IDLE: "ready", PrinterState.PROCESSING: "busy", PrinterState.STOPPED: "error"}

Act = Callable[[Request], Response]


class HpRestFront:
    """Serves `/Devices/1/…` and `/dev/rest/consumables`.

    Args:
        engine: the printer.
        faults: what goes wrong with documents.
        basic: the login and password that it demands, if any.
        bearer: the token that it takes instead, if any.
    """

    def __init__(
        self,
        engine: PrinterEngine,
        *,
        faults: Faults,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
    ) -> None:
        self._engine = engine
        self._faults = faults
        self._accepted = _credentials(basic, bearer)
        device = f"/Devices/{DEVICE_ID}"
        self._paths: Mapping[str, Mapping[str, Act]] = {
            "/Devices": {"GET": lambda request: _told(request, "Devices", {"devices": [self._device()]})},
            device: {"GET": lambda request: _told(request, "Device", self._device())},
            f"{device}/ProductStatus": {"GET": lambda request: _told(request, "ProductStatus", self._status())},
            f"{device}/Consumables": {"GET": self._consumables},
            "/dev/rest/consumables": {"GET": self._consumables},
            f"{device}/Print/Jobs": {"GET": self._list, "POST": self._create},
        }
        self._jobs_path = f"{device}/Print/Jobs"

    def answer(self, request: Request) -> Response | None:
        """Answer a request; None where its path is not ours."""
        if not request.path.startswith(("/Devices", "/dev/rest/")):
            return None
        if self._accepted and request.headers.get("Authorization") not in self._accepted:
            challenge = {"WWW-Authenticate": 'Basic realm="printer"'}
            return Response(HTTPStatus.UNAUTHORIZED, b"log in\n", headers=challenge)
        acts = self._paths.get(request.path.rstrip("/")) or self._job_acts(request.path)
        if acts is None:
            return Response(HTTPStatus.NOT_FOUND, b"not found\n")
        if request.method not in acts:
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"no\n", headers={"Allow": ", ".join(sorted(acts))})
        return acts[request.method](request)

    def _job_acts(self, path: str) -> Mapping[str, Act] | None:
        folder, _, job_id = path.rpartition("/")
        is_job = folder == self._jobs_path and job_id.isascii() and job_id.isdigit()
        return {"GET": self._show, "DELETE": self._cancel} if is_job else None

    def _create(self, request: Request) -> Response:
        document_format = request.headers.get("Content-Type", "")
        if document_format.partition(";")[0].strip() not in self._engine.capabilities().document_formats:
            return Response(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, b"unsupported document format\n")
        copies = request.query.get("copies", "1")
        if not (copies.isascii() and copies.isdigit() and 1 <= int(copies[:4]) <= 999):  # noqa: PLR2004 - as it says it can
            return Response(HTTPStatus.BAD_REQUEST, b"copies is 1 to 999\n")
        options = {name: value for name, value in request.query.items() if name != "jobName"} | {"copies": int(copies)}

        def take() -> Response:
            job_id = self._engine.create_job(request.query.get("jobName", "document"), document_format, options)
            self._engine.receive(job_id, request.body.chunks())
            facts = {"jobId": str(job_id), "status": "pending"}
            where = {"Location": f"{self._jobs_path}/{job_id}"}
            return _told(request, "Job", facts, status=HTTPStatus.CREATED, headers=where)

        return self._faults.applied(take)

    def _list(self, request: Request) -> Response:
        return _told(request, "Jobs", {"jobs": [_job(job) for job in self._engine.jobs()]})

    def _show(self, request: Request) -> Response:
        job = self._engine.job(_job_id(request))
        return Response(HTTPStatus.NOT_FOUND, b"no such job\n") if job is None else _told(request, "Job", _job(job))

    def _cancel(self, request: Request) -> Response:
        try:
            self._engine.cancel(_job_id(request))
        except NotFoundError as exc:
            return Response(HTTPStatus.NOT_FOUND, f"{exc}\n".encode())
        except ConflictError as exc:
            return Response(HTTPStatus.CONFLICT, f"{exc}\n".encode())
        return Response(HTTPStatus.NO_CONTENT)

    def _consumables(self, request: Request) -> Response:
        supplies = self._engine.status().supplies
        return _told(request, "Consumables", {"consumables": [_consumable(supply) for supply in supplies]})

    def _device(self) -> dict[str, Any]:
        identity = self._engine.identity
        return {"id": DEVICE_ID, "model": identity.make_and_model, "serialNumber": identity.serial}

    def _status(self) -> dict[str, Any]:
        identity, status = self._engine.identity, self._engine.status()
        return {
            "status": STATUS_WORDS[status.state],
            "stateReasons": list(status.state_reasons),
            "acceptingJobs": status.accepting_jobs,
            "impressionsCompleted": status.impressions_completed,
            "model": identity.make_and_model,
            "serialNumber": identity.serial,
            "uuid": identity.uuid,
            "mac": identity.mac,
            "deviceName": identity.name,
            "location": identity.location,
            "firmwareVersion": identity.firmware,
            "documentFormats": list(self._engine.capabilities().document_formats),
        }


def _credentials(basic: tuple[str, str] | None, bearer: str | None) -> frozenset[str]:
    accepted = set()
    if basic is not None:
        accepted.add(f"Basic {b64encode(':'.join(basic).encode()).decode()}")
    if bearer is not None:
        accepted.add(f"Bearer {bearer}")
    return frozenset(accepted)


def _job_id(request: Request) -> int:
    return int(request.path.rpartition("/")[2][:9])


def _job(job: SimulatedJob) -> dict[str, Any]:
    return {
        "jobId": str(job.id),
        "name": job.name,
        "status": job.state.keyword,
        "stateReasons": list(job.state_reasons),
        "impressionsCompleted": job.impressions_completed,
    }


def _consumable(supply: Supply) -> dict[str, Any]:
    percent = supply.percent
    if percent is not None and supply.supply_class == "receptacle":
        percent = 100 - percent
    return {
        "name": supply.description,
        "type": supply.supply_type,
        "color": supply.colorant,
        "percentRemaining": None if percent is None else round(percent),
    }


def _told(
    request: Request,
    root: str,
    facts: Mapping[str, Any],
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] = {},
) -> Response:
    """Write the answer in the one form that `Accept` names first, JSON unless it is XML."""
    if "xml" in request.headers.get("Accept", "").partition(",")[0]:
        element = Element(root)
        _write_xml(element, facts)
        return Response(status, tostring(element, xml_declaration=True, encoding="utf-8"), "application/xml", headers)
    return Response(status, json.dumps(facts).encode() + b"\n", "application/json", headers)


def _write_xml(parent: Element, facts: Mapping[str, Any]) -> None:
    """Add the facts as children, in capitals as HP writes XML; the items of `consumables` are `Consumable`."""
    for name, value in facts.items():
        tag = name[0].upper() + name[1:]
        if isinstance(value, list):
            parent_of_items = SubElement(parent, tag)
            for item in value:
                _write_xml(parent_of_items, {tag.removesuffix("s"): item})
        elif isinstance(value, dict):
            _write_xml(SubElement(parent, tag), value)
        elif value is not None:
            SubElement(parent, tag).text = str(value).lower() if isinstance(value, bool) else str(value)
