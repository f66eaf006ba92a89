"""What the pretended Site Flow demands of an order, in its way of telling: a path and a message for each mistake.

Fields that nobody knows are let be, as the real one does: HP's own samples have some with mistakes in their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.simulator.printos_http import RefusalError

VALIDATION_CODE = 208
ACCOUNT = "simulated-psp"
PRODUCTS: tuple[Mapping[str, Any], ...] = (
    {"_id": "5c0000000000000000000001", "productCode": "card", "name": "Card", "components": ["card"]},
    {"_id": "5c0000000000000000000002", "productCode": "Flat", "name": "Flat sheet", "components": ["Content"]},
    {"_id": "5c0000000000000000000003", "productCode": "Business Cards", "name": "Cards", "components": ["Content"]},
    {"_id": "5c0000000000000000000004", "productCode": "book", "name": "Book", "components": ["cover", "text"]},
    {"_id": "5c0000000000000000000005", "productCode": "PEARSON85x11", "name": "Pad", "components": ["cover", "inner"]},
)
SKUS: tuple[Mapping[str, Any], ...] = tuple(
    {"_id": f"5d000000000000000000000{number}", "code": product["productCode"], "productId": product["_id"],
     "components": [{"code": code} for code in product["components"]]}
    for number, product in enumerate(PRODUCTS, 1)
)  # fmt: skip
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    str(sku["code"]): tuple(component["code"] for component in sku["components"]) for sku in SKUS
}
PRINT_TYPES = ("digital", "litho", "largeformat")
COUNTRY = re.compile(r"[A-Z]{2}")
FETCHABLE = re.compile(r"https?://[^\s/]+/\S*")
SHIP_TO = ("name", "address1", "town", "isoCountry")

Mistake = tuple[str, str]


def mistakes(order: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give what is wrong with an order, as `error.validations` has it."""
    return [{"path": path, "message": message} for path, message in _mistakes(order)]


def invalid(found: Sequence[Mapping[str, str]]) -> RefusalError:
    """Give the refusal of an order for what is wrong with it."""
    error = {"message": "Validation Failed", "name": "ValidationError", "code": VALIDATION_CODE, "validations": found}
    told = f"Validation Failed: {json.dumps(found)}"
    return RefusalError(400, told, content={"success": False, "error": error})


def _mistakes(order: Mapping[str, Any]) -> Iterator[Mistake]:
    destination = order.get("destination")
    if not isinstance(destination, dict) or not isinstance(destination.get("name"), str) or not destination["name"]:
        yield "destination.name", "required"
    data = order.get("orderData")
    if not isinstance(data, dict):
        yield "orderData", "required"
        return
    if not isinstance(data.get("sourceOrderId"), str) or not data["sourceOrderId"]:
        yield "orderData.sourceOrderId", "required"
    if data.get("printType", "digital") not in PRINT_TYPES:
        yield "orderData.printType", "unknown value"
    items, stock = data.get("items", []), data.get("stockItems", [])
    shipments = data.get("shipments")
    if not isinstance(items, list) or not isinstance(stock, list) or not (items or stock):
        yield "orderData.items", "at least one item is required"
        return
    if not isinstance(shipments, list) or not shipments:
        yield "orderData.shipments", "at least one shipment is required"
        return
    for number, item in enumerate(items):
        yield from _of_item(f"orderData.items.{number}", item, len(shipments))
    for number, shipment in enumerate(shipments):
        yield from _of_shipment(f"orderData.shipments.{number}", shipment)


def _of_item(path: str, item: Any, shipments: int) -> Iterator[Mistake]:
    if not isinstance(item, dict):
        yield path, "must be an object"
        return
    if not isinstance(item.get("sourceItemId"), str) or not item["sourceItemId"]:
        yield f"{path}.sourceItemId", "required"
    if not _is_whole(item.get("quantity", 1)) or item.get("quantity", 1) < 1:
        yield f"{path}.quantity", "must be a positive integer"
    if not _is_whole(item.get("shipmentIndex", 0)) or not 0 <= item.get("shipmentIndex", 0) < shipments:
        yield f"{path}.shipmentIndex", "no such shipment"
    sku = item.get("sku")
    if not isinstance(sku, str) or sku not in COMPONENTS:
        yield f"{path}.sku", f"SKU not found: {sku}"
        return
    components = item.get("components", [])
    if not isinstance(components, list) or not components:
        yield f"{path}.components", "required"
        return
    for number, component in enumerate(components):
        yield from _of_component(f"{path}.components.{number}", component, COMPONENTS[sku])


def _of_component(path: str, component: Any, codes: Sequence[str]) -> Iterator[Mistake]:
    if not isinstance(component, dict) or component.get("code") not in codes:
        yield f"{path}.code", "the product has no such component"
        return
    if component.get("fetch") not in (True, False, None, "true", "false"):
        yield f"{path}.fetch", "must be a boolean"
    where = component.get("path")
    if not isinstance(where, str) or not FETCHABLE.fullmatch(where):
        yield f"{path}.path", "must be a URL that the artwork can be fetched from"


def _of_shipment(path: str, shipment: Any) -> Iterator[Mistake]:
    address = shipment.get("shipTo") if isinstance(shipment, dict) else None
    if not isinstance(address, dict):
        yield f"{path}.shipTo", "required"
        return
    for name in SHIP_TO:
        if not isinstance(address.get(name), str) or not address[name]:
            yield f"{path}.shipTo.{name}", "required"
    if isinstance(address.get("isoCountry"), str) and not COUNTRY.fullmatch(address["isoCountry"]):
        yield f"{path}.shipTo.isoCountry", "must be an ISO 3166-1 alpha-2 code"
    carrier = shipment.get("carrier")
    if carrier is not None and not (
        isinstance(carrier, dict) and (carrier.get("alias") or (carrier.get("code") and carrier.get("service")))
    ):
        yield f"{path}.carrier", "code and service, or alias, are required"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
