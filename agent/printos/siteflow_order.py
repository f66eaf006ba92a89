"""A Site Flow order made of what a ticket asks, the operator's template and a document, and checked. Pure.

An order is JSON: `{"destination": {"name": …}, "orderData": {"sourceOrderId": …, "items": […], "shipments": […]}}`.
What is checked here is what every account demands; the rest (skus, carriers, countries) only Site Flow knows.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PRINT_TYPES = ("digital", "litho", "largeformat")
PRODUCT_KEYS = ("sku", "sourceProductId", "productId")
ADDRESS_KEYS = ("name", "address1", "town", "isoCountry")
COUNTRY = re.compile("[A-Za-z]{2}")
PARTS_LIMIT = 200
"""Items, components and shipments that are looked at: a ticket has no more."""

Order = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place of an order, such as `orderData.items[0].sku`."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def order_of(asked: Mapping[str, Any], template: Mapping[str, Any], *, destination: str = "") -> Order:
    """Lay what a ticket asks over the template; both are whole orders, or only the orderData of one.

    Objects are laid over each other key by key, each element of the ticket's list over the first one of the template's.
    """
    order: Order = _over(_whole(template), _whole(asked))
    if destination and isinstance(order.setdefault("destination", {}), dict):
        order["destination"].setdefault("name", destination)
    return order


def source_order_id(order: Mapping[str, Any]) -> str | None:
    """Give the order's own id at whoever orders; None where it has none."""
    data = order.get("orderData")
    told = data.get("sourceOrderId") if isinstance(data, dict) else None
    return told if isinstance(told, str) and told else None


def completed(order: Mapping[str, Any], *, source_id: str, copies: int) -> Order:
    """Give an order with what it lacks: its own id, those of its items, quantities, and which shipment is meant."""
    whole = copy.deepcopy(dict(order))
    data = whole.get("orderData")
    if not isinstance(data, dict):
        return whole
    data.setdefault("sourceOrderId", source_id)
    for number, item in enumerate(_objects(data.get("items")), 1):
        item.setdefault("sourceItemId", f"{data['sourceOrderId']}-{number}")
        item.setdefault("quantity", copies)
        item.setdefault("shipmentIndex", 0)
    for index, shipment in enumerate(_objects(data.get("shipments"))):
        shipment.setdefault("shipmentIndex", index)
    return whole


def has_quantities(order: Mapping[str, Any]) -> bool:
    """Whether every item says how often it is wanted, so that copies have no place."""
    data = order.get("orderData")
    items = _objects(data.get("items") if isinstance(data, dict) else None)
    return bool(items) and all("quantity" in item for item in items)


def count_open(order: Mapping[str, Any]) -> int:
    """Count the components that have yet to get a document."""
    return len(_open(order))


def with_document(order: Mapping[str, Any], url: str) -> Order:
    """Give an order whose open component is fetched from a URL."""
    whole = copy.deepcopy(dict(order))
    for component in _open(whole):
        component |= {"path": url, "fetch": True}
    return whole


def problems(order: Mapping[str, Any], *, open_components: int = 0) -> list[Problem]:
    """Say what Site Flow would surely refuse.

    Args:
        order: a whole order.
        open_components: how many components may lack a path, since a document is to come.
    """
    return list(_problems(order, open_components))


def _whole(order: Mapping[str, Any]) -> Mapping[str, Any]:
    return order if "orderData" in order or not order else {"orderData": order}


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {name: _over(below.get(name), above[name]) if name in above else copy.deepcopy(below[name])
                for name in {**below, **above}}  # fmt: skip
    if isinstance(below, Sequence) and isinstance(above, list) and not isinstance(below, str):
        first = next(iter(below), None)
        laid = [_over(first, element) if isinstance(element, Mapping) else element for element in above[:PARTS_LIMIT]]
        return laid + above[PARTS_LIMIT:]  # which is refused, and not before it has become as large as the template
    return copy.deepcopy(above)


def _objects(content: Any) -> list[dict[str, Any]]:
    return [element for element in content[:PARTS_LIMIT] if isinstance(element, dict)] if _is_list(content) else []


def _is_list(content: Any) -> bool:
    return isinstance(content, list)


def _open(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = order.get("orderData")
    items = _objects(data.get("items") if isinstance(data, dict) else None)
    return [it for item in items for it in _objects(item.get("components")) if not it.get("path")]


def _problems(order: Mapping[str, Any], open_components: int) -> Iterator[Problem]:
    destination = order.get("destination")
    if not isinstance(destination, Mapping) or not _is_text(destination.get("name")):
        yield Problem("destination.name", "must be the account that the order goes to")
    data = order.get("orderData")
    if not isinstance(data, Mapping):
        yield Problem("orderData", "is missing")
        return
    if not _is_text(data.get("sourceOrderId")):
        yield Problem("orderData.sourceOrderId", "must be a text of your own that is unique")
    if data.get("printType", "digital") not in PRINT_TYPES:
        yield Problem("orderData.printType", f"must be {', '.join(PRINT_TYPES)}")
    if not data.get("items") and not data.get("stockItems"):
        yield Problem("orderData.items", "must have at least one")
    yield from _lists(data)
    shipments = _objects(data.get("shipments"))
    for index, item in enumerate(_objects(data.get("items"))):
        yield from _item_problems(f"orderData.items[{index}]", item, len(shipments))
    for index, shipment in enumerate(shipments):
        yield from _shipment_problems(f"orderData.shipments[{index}]", shipment)
    if (found := count_open(order)) != open_components:
        yield Problem("orderData.items", _about_open(found, open_components))


def _lists(data: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("items", "stockItems", "shipments"):
        content = data.get(name, [])
        if not _is_list(content) or not all(isinstance(element, Mapping) for element in content):
            yield Problem(f"orderData.{name}", "must be a list of objects")
        elif len(content) > PARTS_LIMIT:
            yield Problem(f"orderData.{name}", f"has more than {PARTS_LIMIT}")
    if not data.get("shipments"):
        yield Problem("orderData.shipments", "must have at least one")


def _about_open(found: int, wanted: int) -> str:
    if not wanted:
        return f"{found} of the components have no path, and there is no document for them"
    without = "none lacks one" if not found else f"{found} lack one"
    return f"exactly one component must have no path, for the document to become it; {without}"


def _item_problems(path: str, item: Mapping[str, Any], shipments: int) -> Iterator[Problem]:
    if not _is_text(item.get("sourceItemId")):
        yield Problem(f"{path}.sourceItemId", "must be a text of your own")
    if not any(_is_text(item.get(name)) for name in PRODUCT_KEYS):
        yield Problem(f"{path}.sku", "must be the product's")
    quantity = item.get("quantity", 1)
    if not _is_whole(quantity) or quantity < 1:
        yield Problem(f"{path}.quantity", "must be a whole number from 1")
    index = item.get("shipmentIndex", 0)
    if not _is_whole(index) or not 0 <= index < max(shipments, 1):
        yield Problem(f"{path}.shipmentIndex", "must be the place of one of the shipments, from 0")
    components = item.get("components", [])
    if not _is_list(components) or not all(isinstance(component, Mapping) for component in components):
        yield Problem(f"{path}.components", "must be a list of objects")
        return
    for number, component in enumerate(components[:PARTS_LIMIT]):
        yield from _component_problems(f"{path}.components[{number}]", component)


def _component_problems(path: str, component: Mapping[str, Any]) -> Iterator[Problem]:
    if not _is_text(component.get("code")):
        yield Problem(f"{path}.code", "must be that of the product's component")
    where = component.get("path")
    if where and not (isinstance(where, str) and _is_url(where)):
        yield Problem(f"{path}.path", "must be a URL that Site Flow can fetch")


def _shipment_problems(path: str, shipment: Mapping[str, Any]) -> Iterator[Problem]:
    address = shipment.get("shipTo")
    if not isinstance(address, Mapping):
        yield Problem(f"{path}.shipTo", "is missing")
        return
    for name in ADDRESS_KEYS:
        if not _is_text(address.get(name)):
            yield Problem(f"{path}.shipTo.{name}", "is missing")
    country = address.get("isoCountry")
    if isinstance(country, str) and country and not COUNTRY.fullmatch(country):
        yield Problem(f"{path}.shipTo.isoCountry", "must be two letters, such as GB")
    carrier = shipment.get("carrier")
    if carrier is None:
        return
    if not isinstance(carrier, Mapping) or not (
        _is_text(carrier.get("alias")) or (_is_text(carrier.get("code")) and _is_text(carrier.get("service")))
    ):
        yield Problem(f"{path}.carrier", "must have code and service, or alias")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) and bool(parts.netloc)
