"""Orders for the tests of Site Flow."""

from __future__ import annotations

import copy
from typing import Any

ADDRESS = {
    "name": "N. Watson",
    "address1": "1 Primrose Street",
    "town": "London",
    "postcode": "EC2A",
    "isoCountry": "GB",
}
CARRIER = {"code": "royalmail", "service": "firstclass"}
ORDER: dict[str, Any] = {
    "destination": {"name": "psp"},
    "orderData": {
        "sourceOrderId": "A1",
        "items": [
            {
                "sourceItemId": "A1-1",
                "sku": "card",
                "quantity": 2,
                "components": [{"code": "card", "path": "https://files.example/a.pdf", "fetch": True}],
            }
        ],
        "shipments": [{"shipTo": ADDRESS, "carrier": CARRIER}],
    },
}
TEMPLATE: dict[str, Any] = {
    "destination": {"name": "psp"},
    "orderData": {
        "items": [{"sku": "card", "components": [{"code": "card"}]}],
        "shipments": [{"shipTo": ADDRESS, "carrier": CARRIER}],
    },
}


def changed(order: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Give a copy of an order with another value at a path such as `orderData.items.0.sku`; None takes it out."""
    whole = copy.deepcopy(order)
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    node: Any = whole
    for part in way:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return whole
