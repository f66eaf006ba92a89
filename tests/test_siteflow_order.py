"""An order is made of a ticket, a template and a document; what Site Flow would refuse is told with its place."""

from __future__ import annotations

from typing import Any

import pytest

from agent.printos.siteflow_order import (
    PARTS_LIMIT,
    completed,
    count_open,
    has_quantities,
    order_of,
    problems,
    source_order_id,
    with_document,
)
from tests.siteflow_parts import ADDRESS, ORDER, TEMPLATE, changed

OPEN = changed(ORDER, "orderData.items.0.components.0.path", None)


def test_a_whole_order_needs_nothing() -> None:
    """It is sent as it is."""
    assert order_of(ORDER, {}) == ORDER
    assert problems(ORDER) == []


def test_a_ticket_may_ask_for_nothing_but_what_the_template_says() -> None:
    """What every order has stands in the template; ids, quantity and shipment are filled in."""
    order = completed(order_of({}, TEMPLATE), source_id="job-1.abc", copies=3)
    assert problems(order, open_components=1) == []
    item = order["orderData"]["items"][0]
    assert (item["sourceItemId"], item["quantity"], item["shipmentIndex"]) == ("job-1.abc-1", 3, 0)
    assert source_order_id(order) == "job-1.abc"


def test_a_ticket_is_laid_over_the_template() -> None:
    """Key by key; each element of a list over the first one of the template's, which is what they have in common."""
    asked = {"items": [{"quantity": 5}, {"sku": "poster"}], "shipments": [{"shipTo": {"name": "Somebody Else"}}]}
    order = order_of(asked, TEMPLATE)
    items, shipment = order["orderData"]["items"], order["orderData"]["shipments"][0]
    assert [(item["sku"], item.get("quantity")) for item in items] == [("card", 5), ("poster", None)]
    assert shipment["shipTo"] == {**ADDRESS, "name": "Somebody Else"}
    assert TEMPLATE["orderData"]["items"] == [{"sku": "card", "components": [{"code": "card"}]}]


def test_an_order_without_an_end_is_not_laid_over_the_template_whole() -> None:
    """A ticket of a hundred thousand empty items would become a hundred thousand of the template's."""
    order = order_of({"items": [{}] * 100_000}, TEMPLATE)
    assert [item for item in order["orderData"]["items"] if item] == TEMPLATE["orderData"]["items"] * PARTS_LIMIT
    assert "orderData.items: has more than 200" in map(str, problems(order))


def test_the_account_of_the_configuration_is_the_last_resort() -> None:
    """A ticket's own goes before it."""
    data = ORDER["orderData"]
    assert order_of(data, {}, destination="ours")["destination"] == {"name": "ours"}
    assert order_of(ORDER, {}, destination="ours")["destination"] == {"name": "psp"}


def test_the_document_becomes_the_one_component_without_a_path() -> None:
    """None and two are told apart, and a whole order has no room for one."""
    two = changed(OPEN, "orderData.items.0.components", [{"code": "cover"}, {"code": "text"}])
    assert [count_open(order) for order in (ORDER, OPEN, two)] == [0, 1, 2]
    component = with_document(OPEN, "https://s3.example/f")["orderData"]["items"][0]["components"][0]
    assert component == {"code": "card", "path": "https://s3.example/f", "fetch": True}
    assert [str(problem) for order in (ORDER, two) for problem in problems(order, open_components=1)] == [
        "orderData.items: exactly one component must have no path, for the document to become it; none lacks one",
        "orderData.items: exactly one component must have no path, for the document to become it; 2 lack one",
    ]
    assert "there is no document" in str(problems(OPEN)[0])


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("destination", None, "destination.name"),
        ("destination.name", " ", "destination.name"),
        ("orderData", None, "orderData"),
        ("orderData.sourceOrderId", None, "orderData.sourceOrderId"),
        ("orderData.sourceOrderId", 42, "orderData.sourceOrderId"),
        ("orderData.printType", "laser", "orderData.printType"),
        ("orderData.items", [], "orderData.items"),
        ("orderData.items", {"sku": "card"}, "orderData.items"),
        ("orderData.shipments", None, "orderData.shipments"),
        ("orderData.items.0.sourceItemId", None, "orderData.items[0].sourceItemId"),
        ("orderData.items.0.sku", None, "orderData.items[0].sku"),
        ("orderData.items.0.quantity", 0, "orderData.items[0].quantity"),
        ("orderData.items.0.quantity", True, "orderData.items[0].quantity"),
        ("orderData.items.0.quantity", "2", "orderData.items[0].quantity"),
        ("orderData.items.0.shipmentIndex", 1, "orderData.items[0].shipmentIndex"),
        ("orderData.items.0.components", "card", "orderData.items[0].components"),
        ("orderData.items.0.components.0.code", None, "orderData.items[0].components[0].code"),
        ("orderData.items.0.components.0.path", "a.pdf", "orderData.items[0].components[0].path"),
        ("orderData.items.0.components.0.path", "https://[bad", "orderData.items[0].components[0].path"),
        ("orderData.shipments.0.shipTo", None, "orderData.shipments[0].shipTo"),
        ("orderData.shipments.0.shipTo.town", "", "orderData.shipments[0].shipTo.town"),
        ("orderData.shipments.0.shipTo.isoCountry", "England", "orderData.shipments[0].shipTo.isoCountry"),
        ("orderData.shipments.0.carrier", {"code": "dhl"}, "orderData.shipments[0].carrier"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(path: str, value: Any, told: str) -> None:
    """One thing wrong is one problem."""
    assert [problem.path for problem in problems(changed(ORDER, path, value))] == [told]


def test_a_carrier_may_be_an_alias_and_an_order_only_stock() -> None:
    """As HP's SDKs make them."""
    assert problems(changed(ORDER, "orderData.shipments.0.carrier", {"alias": "cheapest"})) == []
    stock = changed(changed(ORDER, "orderData.items", []), "orderData.stockItems", [{"code": "1", "quantity": 2}])
    assert problems(stock) == []


def test_copies_have_a_place_where_an_item_says_no_quantity() -> None:
    """Where all do, copies would contradict them."""
    assert [has_quantities(order) for order in (ORDER, order_of({}, TEMPLATE), {})] == [True, False, False]
