"""The client of Site Flow signs and asks as the configuration says, and takes odd answers for what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.cloud_clients import build_siteflow
from agent.config import parse_config
from agent.errors import CloudRefusedError, CloudUnreachableError, NotFoundError
from agent.http import HttpClient
from agent.printos.siteflow import InvalidOrderError, NotNowError, SiteFlow, ThrottledError
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.siteflow_rules import PRODUCTS
from tests.scripted_server import Script, read_head, scripted
from tests.siteflow_parts import KEY, ORDER, SECRET


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give the transport."""
    with closing(HttpClient()) as client:
        yield client


def configured(folder: Path, http: HttpClient, base_url: str, more: str = "") -> SiteFlow:
    """Build a client as agent.toml says."""
    (folder / "secret").write_text(SECRET)
    text = f'[siteflow]\nkey = "{KEY}"\nsecret_file = "secret"\nbase_url = "{base_url.rstrip("/")}"\n{more}'
    return build_siteflow(parse_config(text, folder / "agent.toml").siteflow, http)


def saying(content: Any, heads: list[bytes] | None = None, status: str = "200 OK") -> Script:
    """Answer one request with JSON, and keep its head."""

    def script(sock: Any) -> None:
        head = read_head(sock)
        if heads is not None:
            heads.append(head.lower())
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return script


@pytest.mark.parametrize("signing", ["oneflow", "printos"])
def test_both_ways_of_signing_are_taken(tmp_path: Path, http: HttpClient, signing: str) -> None:
    """By a simulator that is strict about each; also where an id has letters that a path can't have."""
    simulator = PrintOSSimulator(PrintOSOptions("a", "b", api_key=KEY, api_secret=SECRET))
    simulator.start()
    try:
        siteflow = configured(tmp_path, http, f"{simulator.url}/siteflow", f'signing = "{signing}"')
        assert len(siteflow.skus()) == len(siteflow.products()) == len(PRODUCTS)
        with pytest.raises(NotFoundError):
            siteflow.order_by_source("a/b c%d?e")
        assert siteflow.upload_urls("application/pdf").upload.startswith(simulator.url)
    finally:
        simulator.stop()


def test_a_service_user_names_its_account(tmp_path: Path, http: HttpClient) -> None:
    """Beside the signature, and only where one is configured."""
    heads: list[bytes] = []
    with scripted(saying([], heads), saying([], heads)) as url:
        configured(tmp_path, http, url, 'account = "42"').skus()
        http.close()
        configured(tmp_path, http, url).skus()
    assert [b"x-oneflow-account: 42" in head for head in heads] == [True, False]


def test_orders_are_created_where_the_configuration_says(tmp_path: Path, http: HttpClient) -> None:
    """All else is asked elsewhere."""
    heads: list[bytes] = []
    receipt = {"_id": "5f", "url": "https://orders.example/5f"}
    with scripted(saying(receipt, heads)) as orders_url:
        siteflow = configured(tmp_path, http, "http://127.0.0.1:9", f'orders_url = "{orders_url.rstrip("/")}"')
        record = siteflow.submit(ORDER)
    assert record is not None
    assert record.id == "5f"
    assert heads[0].startswith(b"post /api/order http/1.1")


@pytest.mark.parametrize(
    ("answer", "ask", "error"),
    [
        (saying({"success": False, "error": {"message": "no"}}), lambda it: it.validate(ORDER), CloudRefusedError),
        (saying({"success": False, "error": {"validations": ["x"]}}), lambda it: it.validate(ORDER), InvalidOrderError),
        (saying({"error": "slow"}, status="429 Too Many"), lambda it: it.skus(), ThrottledError),
        (saying(b"<html>", status="503 Down"), lambda it: it.skus(), NotNowError),
        (saying(b"\xff\x00", status="500 Oops"), lambda it: it.skus(), CloudUnreachableError),
        (saying({"message": "no"}, status="403 No"), lambda it: it.skus(), CloudRefusedError),
        (saying({}, status="302 Elsewhere"), lambda it: it.skus(), CloudRefusedError),
        (
            saying({"order": {"_id": "1", "orderData": {"sourceOrderId": "B"}}}),
            lambda it: it.order_by_source("A"),
            NotFoundError,
        ),
        (saying([]), lambda it: it.order("1"), NotFoundError),
        (saying({"upload": "file:///etc/passwd"}), lambda it: it.upload_urls("a/b"), CloudUnreachableError),
    ],
)
def test_an_odd_answer_is_an_error_of_ours(
    tmp_path: Path, http: HttpClient, answer: Script, ask: Callable[[SiteFlow], Any], error: type[Exception]
) -> None:
    """Which says whether to try again; another order than the one that was asked for is none."""
    with scripted(answer) as url, pytest.raises(error):
        ask(configured(tmp_path, http, url))


def test_lists_are_read_whatever_they_are_wrapped_in(tmp_path: Path, http: HttpClient) -> None:
    """And what is no object in them is left out."""
    for content in ([{"code": "a"}, 5], {"data": [{"code": "a"}]}, {"count": 1, "skus": [{"code": "a"}, None]}):
        with scripted(saying(content)) as url:
            assert configured(tmp_path, http, url).skus() == [{"code": "a"}]
        http.close()
