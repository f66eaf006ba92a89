"""The pretended Site Flow takes what HP's samples send, header by header, and refuses what the real one would."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from tests.file_server import FileServer
from tests.printos_parts import Bench, printos
from tests.siteflow_parts import ORDER, changed

KEY, SECRET = "demo-key", "demo-secret"
PDF = write_pdf("Card", pages=2)
SHIP_TO = {
    "name": "John Doe",
    "address1": "5th Avenue",
    "town": "New York",
    "postcode": "12345",
    "state": "New York",
    "isoCountry": "US",
    "email": "johnd@acme.example",
    "phone": "01234567890",
}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Run a simulator with a key; its orders go on by a clock that the test moves."""
    with printos(api_key=KEY, api_secret=SECRET) as running:
        yield running


def sample_order(path: str = "http://127.0.0.1:9/cards.pdf", source_id: str = "RO7C7T") -> dict[str, Any]:
    """Give an order as HP's Python samples put it together: no quantity is missing, `fetch` is a text."""
    item = {
        "sourceItemId": "16FY89",
        "sku": "Flat",
        "quantity": 1,
        "components": [{"code": "Content", "path": path, "fetch": "true"}],
    }
    shipment = {"shipTo": SHIP_TO, "carrier": {"code": "customer", "service": "shipping"}}
    data = {"sourceOrderId": source_id, "postbackAddress": "http://postback.example", "items": [item]}
    return {"destination": {"name": "hp.psp"}, "orderData": {**data, "shipments": [shipment]}}


def digest(text: str, hash_name: str = "sha256", secret: str = SECRET) -> str:
    """Sign a text."""
    return hmac.new(secret.encode(), text.encode(), hash_name).hexdigest()


def printos_headers(bench: Bench, method: str, path: str) -> dict[str, str]:
    """Sign as `siteflow_api.py` does: whole seconds, nothing between path and date."""
    date = bench.ticker.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "content-type": "application/json",
        "x-hp-hmac-authentication": f"{KEY}:{digest(f'{method} {path}{date}')}",
        "x-hp-hmac-date": date,
        "x-hp-hmac-algorithm": "SHA256",
    }


def oneflow_headers(bench: Bench, method: str, path: str, **changes: str) -> dict[str, str]:
    """Sign as `OneflowSDK.py` does: a date without a zone, spaces between the parts."""
    date = bench.ticker.now().strftime("%Y-%m-%d %H:%M:%S")
    headers = {
        "content-type": "application/json",
        "x-oneflow-algorithm": "SHA256",
        "x-oneflow-authorization": f"{KEY}:{digest(f'{method} {path} {date}')}",
        "x-oneflow-date": date,
    }
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def ask(bench: Bench, method: str, path: str, content: Any = None, *, query: str = "") -> tuple[int, Any]:
    """Send a call of the old route and give its status and what it says."""
    headers = printos_headers(bench, method, path)
    answer = bench.call(method, f"/siteflow{path}{query}", content, headers=headers)
    return answer.status, json.loads(answer.body)


def created(bench: Bench, order: dict[str, Any] | None = None) -> str:
    """Create an order and give its id, once its artwork was looked for."""
    status, answer = ask(bench, "POST", "/api/order", order or sample_order())
    assert status == 201, answer
    bench.simulator.siteflow.book.settle()
    return str(answer["order"]["_id"])


def status_of(bench: Bench, order_id: str) -> str:
    """Tell how an order is."""
    return str(ask(bench, "GET", f"/api/order/{order_id}")[1]["order"]["orderData"]["status"])


def uploaded(bench: Bench, document: bytes = PDF) -> str:
    """Upload a document as `siteflow_api.py` begins it, and give where it is fetched from."""
    status, urls = ask(bench, "GET", "/api/file/getpreupload", query="?mimeType=application/pdf")
    assert status == 201
    put = bench.http.request("PUT", urls["upload"], headers={"Content-Type": "application/pdf"}, body=document)
    assert put.status == 200
    return str(urls["fetch"])


def test_hps_python_sample_of_the_old_route_succeeds(bench: Bench) -> None:
    """All that `siteflow_api.py` can do: validate, submit, look, list, cancel, products, skus, upload URLs."""
    order = sample_order(uploaded(bench))
    assert ask(bench, "POST", "/api/order/validate", order)[0] == 200
    order_id = created(bench, order)
    assert ask(bench, "GET", f"/api/order/{order_id}")[1]["order"]["files"][0]["pageCount"] == 2
    assert [it["_id"] for it in ask(bench, "GET", "/api/order/")[1]["data"]] == [order_id]
    assert ask(bench, "GET", "/api/product")[0] == ask(bench, "GET", "/api/sku")[0] == 200
    assert ask(bench, "PUT", "/api/order/hp.psp/RO7C7T/cancel")[0] == 200
    assert status_of(bench, order_id) == "cancelled"


@pytest.mark.parametrize("base", ["", "/siteflow"])
def test_hps_oneflow_samples_succeed(bench: Bench, base: str) -> None:
    """`submit-order.py` validates and submits; its endpoint may have a path, which it does not sign."""
    for path in ("/api/order/validate", "/api/order"):
        headers = oneflow_headers(bench, "POST", path)
        assert bench.call("POST", f"{base}{path}", sample_order(), headers=headers).status == 200


def test_the_orders_of_hps_javascript_ruby_and_php_samples_succeed(bench: Bench) -> None:
    """Two components, `fetch` false, empty lists, a stock item; PHP's looks whether files are to be sent to it."""
    order = changed(sample_order(), "orderData.items.0.sku", "PEARSON85x11")
    order["orderData"]["items"][0]["components"] = [
        {"code": code, "path": "http://127.0.0.1:9/cards.pdf", "fetch": False} for code in ("cover", "inner")
    ]
    order["orderData"] |= {"attributes": [], "stockItems": [{"code": "123", "quantity": 10}]}
    answer = bench.call("POST", "/api/order", order, headers=oneflow_headers(bench, "POST", "/api/order"))
    assert answer.status == 200
    assert [file["fetch"] for file in json.loads(answer.body)["order"]["files"]] == [True, True]


def test_what_signs_the_whole_path_succeeds(bench: Bench) -> None:
    """HP's JavaScript does, with a date in milliseconds; SHA1 is taken where no algorithm is told."""
    date = bench.ticker.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for path, hash_name in (("/siteflow/api/product", "sha256"), ("/api/product", "sha1")):
        headers = {
            "x-oneflow-authorization": f"{KEY}:{digest(f'GET {path} {date}', hash_name)}",
            "x-oneflow-date": date,
            **({"x-oneflow-algorithm": "SHA256"} if hash_name == "sha256" else {}),
        }
        assert bench.call("GET", path, headers=headers).status == 200


@pytest.mark.parametrize(
    ("signed", "secret", "words"),
    [
        ("POST /api/order {date}", "another", "wrong secret"),
        ("POST /api/orders {date}", SECRET, "another method, path or date"),
        ("GET /api/order {date}", SECRET, "another method, path or date"),
        ("POST /api/order{date}", SECRET, "a space belongs between the path and the date"),
        ("POST {date} /api/order", SECRET, "the order is method, path, date"),
        ("POST /siteflow/api/order{date}", SECRET, "digest is wrong"),
    ],
)
def test_what_is_signed_wrongly_is_refused(bench: Bench, signed: str, secret: str, words: str) -> None:
    """In Site Flow's shape, with what is wrong."""
    date = bench.ticker.now().strftime("%Y-%m-%d %H:%M:%S")
    headers = oneflow_headers(bench, "POST", "/api/order")
    headers["x-oneflow-authorization"] = f"{KEY}:{digest(signed.format(date=date), secret=secret)}"
    answer = bench.call("POST", "/siteflow/api/order", sample_order(), headers=headers)
    assert answer.status == 401
    assert words in json.loads(answer.body)["error"]["message"]


def test_the_old_ways_end_where_they_ended(bench: Bench) -> None:
    """SHA1 on the old route, PrintOS's signature at the root, a stranger's key, another day, no signature."""
    old = printos_headers(bench, "GET", "/api/product") | {"x-hp-hmac-algorithm": "SHA1"}
    assert bench.call("GET", "/siteflow/api/product", headers=old).status == 400
    assert bench.call("GET", "/api/product", headers=printos_headers(bench, "GET", "/api/product")).status == 401
    for change in ({"x_oneflow_authorization": "stranger:00"}, {"x_oneflow_date": "2026-01-01 00:00:00"}):
        headers = oneflow_headers(bench, "GET", "/api/product", **change)
        assert bench.call("GET", "/api/product", headers=headers).status == 401
    assert bench.call("GET", "/siteflow/api/product").status == 401


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("destination", None, "destination.name"),
        ("orderData.sourceOrderId", None, "orderData.sourceOrderId"),
        ("orderData.items", [], "orderData.items"),
        ("orderData.items.0.sku", "boat", "orderData.items.0.sku"),
        ("orderData.items.0.quantity", "1", "orderData.items.0.quantity"),
        ("orderData.items.0.components.0.code", "sail", "orderData.items.0.components.0.code"),
        ("orderData.items.0.components.0.code", ["Content"], "orderData.items.0.components.0.code"),
        ("orderData.items.0.components.0.path", None, "orderData.items.0.components.0.path"),
        ("orderData.items.0.shipmentIndex", 3, "orderData.items.0.shipmentIndex"),
        ("orderData.shipments", None, "orderData.shipments"),
        ("orderData.shipments.0.shipTo.isoCountry", "USA", "orderData.shipments.0.shipTo.isoCountry"),
        ("orderData.shipments.0.carrier", {}, "orderData.shipments.0.carrier"),
    ],
)
def test_an_invalid_order_is_refused_with_each_mistake(bench: Bench, path: str, value: Any, told: str) -> None:
    """HTTP 400, code 208, and a path and a message each; nothing is created."""
    order = changed(sample_order(), path, value)
    for call in ("/api/order/validate", "/api/order"):
        status, answer = ask(bench, "POST", call, order)
        assert (status, answer["error"]["code"]) == (400, 208)
        assert [validation["path"] for validation in answer["error"]["validations"]] == [told]
    assert bench.simulator.report()["siteflow"]["orders"] == []


def test_an_id_is_ordered_once(bench: Bench) -> None:
    """Whoever orders has one sourceOrderId an order."""
    created(bench)
    status, answer = ask(bench, "POST", "/api/order", sample_order())
    assert (status, answer["error"]["validations"][0]["path"]) == (400, "orderData.sourceOrderId")
    assert ask(bench, "GET", "/api/order/bysourceid/RO7C7T")[0] == 200
    assert ask(bench, "GET", "/api/order/bysourceid/other")[0] == ask(bench, "GET", "/api/order/other")[0] == 404


def test_artwork_is_fetched_from_anybodys_url(bench: Bench) -> None:
    """What can't be fetched makes an error of the order, but not at once."""
    with FileServer(PDF) as server:
        good = created(bench, sample_order(server.url("/a.pdf")))
        bad = created(bench, sample_order(source_id="bad"))
    assert (status_of(bench, good), status_of(bench, bad)) == ("dataready", "dataready")
    bench.ticker.advance(5)
    assert (status_of(bench, good), status_of(bench, bad)) == ("shipped", "errored")
    report = bench.simulator.report()["siteflow"]["orders"]
    assert [order["sha256"] for order in report] == [[hashlib.sha256(PDF).hexdigest()], [None]]


def test_an_order_goes_on_with_time_and_can_be_cancelled_until_it_is_printed(bench: Bench) -> None:
    """Then it is too late."""
    order_id = created(bench, sample_order(uploaded(bench)))
    seen = []
    for _ in range(4):
        seen.append(status_of(bench, order_id))
        bench.ticker.advance(1)
    assert seen == ["dataready", "printready", "printed", "shipped"]
    assert ask(bench, "PUT", f"/api/order/{order_id}/cancel")[0] == 409


def test_orders_are_listed_page_by_page(bench: Bench) -> None:
    """The newest first."""
    ids = [created(bench, sample_order(source_id=f"o-{number}")) for number in range(5)]
    pages = [ask(bench, "GET", "/api/order", query=f"?page={page}&pagesize=2")[1]["data"] for page in (1, 2, 3, 4)]
    assert [[order["_id"] for order in page] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1], []]
    assert ask(bench, "GET", "/api/order", query="?page=0")[0] == 400


def test_too_many_requests_are_refused_for_a_while(bench: Bench) -> None:
    """As often as the test says, with Retry-After where it wants one."""
    assert bench.call("POST", "/simulator/siteflow/throttle?times=2&retry_after=7").status == 200
    headers = oneflow_headers(bench, "GET", "/api/sku")
    answers = [bench.call("GET", "/api/sku", headers=headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert bench.simulator.report()["siteflow"]["counters"]["throttled"] == 2


def test_the_service_that_makes_orders_later_gives_a_receipt_for_each(bench: Bench) -> None:
    """Valid or not: that shows when the order is asked for."""
    bench.simulator.siteflow.is_receipt_only = True
    for order in (sample_order(), changed(ORDER, "orderData.items.0.sku", "boat")):
        status, receipt = ask(bench, "POST", "/api/order", order)
        assert (status, receipt.keys()) == (201, {"_id", "url", "timestamp", "sourceAccountId"})
    assert len(bench.simulator.report()["siteflow"]["orders"]) == 1


def test_an_order_may_be_shown_later_than_it_is_made() -> None:
    """For so long it is not to be found in any way."""
    with printos(api_key=KEY, api_secret=SECRET, order_delay_seconds=10.0) as bench:
        order_id = created_unseen(bench)
        assert ask(bench, "GET", f"/api/order/{order_id}")[0] == 404
        assert ask(bench, "GET", "/api/order")[1]["data"] == []
        bench.ticker.advance(10)
        assert ask(bench, "GET", "/api/order/bysourceid/RO7C7T")[1]["order"]["_id"] == order_id


def created_unseen(bench: Bench) -> str:
    """Create an order that isn't shown yet."""
    return str(ask(bench, "POST", "/api/order", sample_order())[1]["order"]["_id"])


def test_postbacks_tell_of_each_stage() -> None:
    """Once each; whoever doesn't listen loses them."""
    with printos(api_key=KEY, api_secret=SECRET, postback_url="http://127.0.0.1:9/", postback_token="t") as bench:
        created(bench)
        assert bench.simulator.siteflow.book.counters["postbacks_lost"] == 1
