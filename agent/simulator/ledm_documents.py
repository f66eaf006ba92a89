"""LEDM documents of a pretended printer, with the namespaces of HP's."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, tostring

from agent.model import PrinterState, Supply
from agent.simulator.document_front import Documents
from agent.simulator.engine import PrinterEngine

FOLDER = "/DevMgmt/"
SCHEMAS = "http://www.hp.com/schemas/imaging/con/"
DD = f"{SCHEMAS}dictionaries/1.0/"
TREE = f"{SCHEMAS}ledm/2007/09/21"
STATUS = f"{SCHEMAS}ledm/productstatusdyn/2007/10/31"
CATEGORIES = f"{SCHEMAS}ledm/productstatuscategories/2007/10/31"
ALERT_DETAILS = f"{SCHEMAS}ledm/alertdetails/2007/10/31"
CONFIG = f"{SCHEMAS}ledm/productconfigdyn/2009/03/16"
PRODUCT = f"{SCHEMAS}ledm/productconfigdyn/2007/11/05"
CONSUMABLES = f"{SCHEMAS}ledm/consumableconfigdyn/2007/11/19"
USAGE = f"{SCHEMAS}ledm/productusagedyn/2007/12/11"

STATE_WORDS = {PrinterState.IDLE: "ready", PrinterState.PROCESSING: "processing"}
CATEGORIES_BY_REASON = {
    "media-jam-error": ("jamInPrinter", "Error"),
    "marker-supply-low-warning": ("cartridgeLow", "Warning"),
    "marker-supply-empty-warning": ("cartridgeOut", "Warning"),
}
LABELS = {"black": "K", "cyan": "C", "magenta": "M", "yellow": "Y"}


def ledm_documents(engine: PrinterEngine) -> Documents:
    """Give what writes the documents of a printer: the tree, its status, configuration, consumables and usage."""
    return {
        f"{FOLDER}DiscoveryTree.xml": _tree,
        f"{FOLDER}ProductStatusDyn.xml": lambda: _status(engine),
        f"{FOLDER}ProductConfigDyn.xml": lambda: _config(engine),
        f"{FOLDER}ConsumableConfigDyn.xml": lambda: _consumables(engine),
        f"{FOLDER}ProductUsageDyn.xml": lambda: _usage(engine),
    }


def _tree() -> bytes:
    root = Element(f"{{{TREE}}}DiscoveryTree")
    for name in ("ProductStatusDyn", "ProductConfigDyn", "ConsumableConfigDyn", "ProductUsageDyn"):
        entry = SubElement(root, f"{{{TREE}}}SupportedTree")
        _add(entry, DD, "ResourceURI", f"{FOLDER}{name}.xml")
        _add(entry, DD, "ResourceType", f"ledm:hpLedm{name}")
    return _written(root)


def _status(engine: PrinterEngine) -> bytes:
    status = engine.status()
    alerts = list(_alerts(status.state_reasons))
    root = Element(f"{{{STATUS}}}ProductStatusDyn")
    words = [category for category, severity in alerts if severity == "Error"]
    for word in words or [STATE_WORDS[status.state]]:
        _add(SubElement(root, f"{{{STATUS}}}Status"), CATEGORIES, "StatusCategory", word)
    table = SubElement(root, f"{{{STATUS}}}AlertTable")
    for number, (category, severity) in enumerate(alerts, start=1):
        alert = SubElement(table, f"{{{STATUS}}}Alert")
        _add(alert, ALERT_DETAILS, "ProductStatusAlertID", category)
        _add(alert, DD, "SequenceNumber", str(number))
        _add(alert, ALERT_DETAILS, "Severity", severity)
    return _written(root)


def _config(engine: PrinterEngine) -> bytes:
    identity = engine.identity
    root = Element(f"{{{CONFIG}}}ProductConfigDyn")
    product = SubElement(root, f"{{{PRODUCT}}}ProductInformation")
    _add(SubElement(product, f"{{{DD}}}Version"), DD, "Revision", identity.firmware)
    _add(product, DD, "MakeAndModel", identity.make_and_model)
    _add(product, DD, "UUID", identity.uuid)
    _add(product, DD, "SerialNumber", identity.serial)
    settings = SubElement(root, f"{{{CONFIG}}}ProductSettings")
    _add(settings, DD, "FriendlyName", identity.name)
    _add(SubElement(settings, f"{{{PRODUCT}}}DeviceInformation"), DD, "DeviceLocation", identity.location)
    return _written(root)


def _consumables(engine: PrinterEngine) -> bytes:
    """Write them as printers do: the percentage in tens, and the one before in the same words below it."""
    root = Element(f"{{{CONSUMABLES}}}ConsumableConfigDyn")
    for supply in _markers(engine):
        info = SubElement(root, f"{{{CONSUMABLES}}}ConsumableInfo")
        _add(info, DD, "ConsumableLabelCode", LABELS[supply.colorant or ""])
        state = SubElement(info, f"{{{DD}}}ConsumableLifeState")
        _add(state, DD, "ConsumableState", "ok")
        _add(state, DD, "MeasuredQuantityState", "ok")
        _add(info, DD, "ConsumablePercentageLevelRemaining", str(round((supply.percent or 0) / 10) * 10))
        _add(info, DD, "ConsumableTypeEnum", "inkCartridge")
        previous = SubElement(info, f"{{{CONSUMABLES}}}PreviousCartridgeData")
        _add(previous, DD, "ConsumablePercentageLevelRemaining", "0")
    return _written(root)


def _usage(engine: PrinterEngine) -> bytes:
    root = Element(f"{{{USAGE}}}ProductUsageDyn")
    printer = SubElement(root, f"{{{USAGE}}}PrinterSubunit")
    _add(printer, DD, "TotalImpressions", str(engine.status().impressions_completed))
    subunit = SubElement(root, f"{{{USAGE}}}ConsumableSubunit")
    for supply in _markers(engine):
        consumable = SubElement(subunit, f"{{{USAGE}}}Consumable")
        _add(consumable, DD, "MarkerColor", (supply.colorant or "").capitalize())
        _add(consumable, DD, "ConsumableTypeEnum", "inkCartridge")
        _add(consumable, DD, "ConsumableRawPercentageLevelRemaining", str(int(supply.percent or 0)))
    return _written(root)


def _markers(engine: PrinterEngine) -> Iterator[Supply]:
    return (supply for supply in engine.status().supplies if supply.colorant in LABELS)


def _alerts(reasons: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return (CATEGORIES_BY_REASON[reason] for reason in reasons)


def _add(parent: Element, namespace: str, name: str, text: str | None) -> None:
    SubElement(parent, f"{{{namespace}}}{name}").text = text


def _written(root: Element) -> bytes:
    written: bytes = tostring(root, xml_declaration=True, encoding="utf-8")
    return written
