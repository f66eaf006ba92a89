"""CDM documents of a pretended printer: JSON whose booleans are strings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from agent.model import Supply
from agent.simulator.document_front import Documents
from agent.simulator.engine import PrinterEngine

FOLDER = "/cdm/"
SERVICES = f"{FOLDER}servicesDiscovery"
CATEGORIES_BY_REASON = {
    "media-jam-error": ("jamInPrinter", "error"),
    "toner-low-warning": ("cartridgeLow", "warning"),
    "toner-empty-warning": ("cartridgeOut", "warning"),
}
LABELS = {"black": "K", "cyan": "C", "magenta": "M", "yellow": "Y"}


def cdm_documents(engine: PrinterEngine) -> Documents:
    """Give what writes the documents of a printer."""
    documents = {
        f"{FOLDER}system/v1/status": lambda: {"status": _system_word(engine)},
        f"{FOLDER}system/v1/identity": lambda: _identity(engine),
        f"{FOLDER}system/v1/configuration": lambda: {"deviceLocation": engine.identity.location},
        f"{FOLDER}print/v2/status": lambda: _print_status(engine),
        f"{FOLDER}alert/v1/alerts": lambda: {"alerts": _alerts(engine)},
        f"{FOLDER}supply/v1/suppliesPublic": lambda: {"suppliesList": _supplies(engine)},
        f"{FOLDER}deviceUsage/v1/lifetimeCounters": lambda: _counters(engine),
    }
    services = [{"links": [{"rel": "self", "href": path}]} for path in documents]
    return {
        SERVICES: lambda: _written({"services": services}),
        **{path: _writer(facts) for path, facts in documents.items()},
    }


def _system_word(engine: PrinterEngine) -> str:
    return {"idle": "ready", "stopped": "error"}.get(keyword := engine.status().state.keyword, keyword)


def _identity(engine: PrinterEngine) -> dict[str, Any]:
    identity = engine.identity
    model = (identity.make_and_model or "").removeprefix("HP ")
    return {
        "manufacturer": "HP",
        "makeAndModel": {"base": model, "family": model, "name": model},
        "serialNumber": identity.serial,
        "deviceUuid": identity.uuid,
        "firmwareVersion": identity.firmware,
    }


def _print_status(engine: PrinterEngine) -> dict[str, Any]:
    status = engine.status()
    return {
        "printerState": status.state.keyword,
        "printerStateReasons": list(status.state_reasons) or ["none"],
        "printerIsAcceptingJobs": str(status.accepting_jobs).lower(),
    }


def _alerts(engine: PrinterEngine) -> list[dict[str, Any]]:
    told = (CATEGORIES_BY_REASON[reason] for reason in engine.status().state_reasons)
    return [
        {"id": number, "category": category, "severity": severity, "sequenceNum": number}
        for number, (category, severity) in enumerate(told, start=1)
    ]


def _supplies(engine: PrinterEngine) -> list[dict[str, Any]]:
    markers = (supply for supply in engine.status().supplies if supply.colorant in LABELS)
    return [_supply(slot, supply) for slot, supply in enumerate(markers, start=1)]


def _supply(slot: int, supply: Supply) -> dict[str, Any]:
    label = LABELS[supply.colorant or ""]
    return {
        "slot": slot,
        "supplyType": "tonerCartridge",
        "supplyColorCode": label,
        "colors": [label],
        "supplyState": "ok",
        "percentLifeDisplay": round(supply.percent or 0),
        "isGenuineHP": "true",
    }


def _counters(engine: PrinterEngine) -> dict[str, Any]:
    return {"printUsage": {"impressions": {"total": engine.status().impressions_completed}}}


def _writer(facts: Callable[[], dict[str, Any]]) -> Callable[[], bytes]:
    return lambda: _written(facts())


def _written(facts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "1.1.0", **facts}).encode()
