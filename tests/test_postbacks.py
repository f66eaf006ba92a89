"""A postback in any form makes its order be looked at, with the token only; it is believed in nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.config import parse_config
from agent.config_warnings import config_warnings
from agent.http import Answer, HttpClient
from agent.model import Event
from agent.postback import Postback, parse_postback
from agent.siteflow_postbacks import EVENTS_A_MINUTE, PATH, Postbacks
from agent.web import WebServer
from tests.web_parts import listening

TOKEN = "s3cret-token"
JSON = b'{"timestamp": "2026-01-02T03:04:05Z", "sourceOrderId": "A1", "status": "printready"}'
HEADERS = {"x-postback-token": TOKEN, "Content-Type": "application/json"}


def parsed(body: bytes, content_type: str = "", query: Sequence[tuple[str, str]] = ()) -> Postback:
    """Read a postback with the names that are Site Flow's own."""
    return parse_postback(body, content_type, list(query), id_keys=("sourceOrderId",), status_keys=("status",))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JSON, "application/json"),
        (b'\xef\xbb\xbf{"order": {"orderData": {"sourceOrderId": "A1"}}, "event": {"status": "printready"}}', ""),
        (b'[{"SourceOrderID": "A1", "Status": "printready"}]', "text/plain"),
        (b"timestamp: '2016',\n\tsourceOrderId: 'A1',\n\tstatus: 'printready' ", "application/json"),
        (b'{"sourceOrderId": "A1", "status": "printready",}', "application/json"),
        (b"<p><sourceOrderId>A1</sourceOrderId><x status='printready'/></p>", "application/xml"),
        (b'<o xmlns="urn:x"><status>printready</status><sourceOrderId> A1 </sourceOrderId></o>', "text/xml"),
        (b"<html><sourceOrderId>A1</sourceOrderId><br><status>printready</status></html>", "text/html"),
        (b"sourceOrderId=A1&status=printready", "application/x-www-form-urlencoded; charset=utf-8"),
        (b'{"sourceOrderId": "A1", "status": "printready", "at": "a=b"}', "application/x-www-form-urlencoded"),
        (b"Order A: sourceOrderId=A1; status=printready", "text/plain"),
    ],
)
def test_every_form_of_a_template_is_read(body: bytes, content_type: str) -> None:
    """JSON, nearly JSON, XML, a form, a text: at any depth, in letters of any case."""
    postback = parsed(body, content_type)
    assert (postback.source_order_ids, postback.status) == (("A1",), "printready")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\x00\xff\xfe",
        b"[" * 5000,
        b"<a>" * 5000,
        b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>',
        b'{"sourceOrderId": null}',
    ],
)
def test_what_says_nothing_is_empty(body: bytes) -> None:
    """Whatever its bytes are."""
    assert parsed(body) == Postback((), None, ())


def test_what_is_told_is_short_and_printable() -> None:
    """And there are not too many orders in one."""
    ids = [f"order-{number}" for number in range(5000)]
    postback = parsed(json.dumps({"sourceOrderId": ["a\x1b[2Jb\n", "x" * 9999, *ids]}).encode())
    assert len(postback.source_order_ids) == 100
    assert all(it.isprintable() and len(it) <= 200 for it in postback.source_order_ids)


@dataclass
class Bench:
    """The page, and what it has done."""

    web: WebServer | None = None
    seconds: float = 1000.0
    hurried: list[str] = field(default_factory=list)
    woken: int = 0
    events: list[Event] = field(default_factory=list)

    def hurry(self, ids: Sequence[str]) -> Sequence[str]:
        """Follow the order A1, and no other."""
        self.hurried += ids
        return [it for it in ids if it == "A1"]

    def wake(self) -> None:
        """Count."""
        self.woken += 1

    def send(
        self, method: str = "POST", body: bytes | None = JSON, headers: dict[str, str] | None = None, query: str = ""
    ) -> Answer:
        """Send a postback as Site Flow does."""
        assert self.web is not None
        url = f"http://127.0.0.1:{self.web.port}{PATH}{query}"
        with closing(HttpClient()) as http:
            return http.request(method, url, headers=HEADERS if headers is None else headers, body=body)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a page that listens on loopback."""
    it = Bench()
    postbacks = Postbacks(
        token=TOKEN,
        id_keys=("sourceOrderId",),
        status_keys=("status",),
        hurry=it.hurry,
        wake=it.wake,
        tell=it.events.append,
        monotonic=lambda: it.seconds,
    )
    with listening({PATH: postbacks.page}) as it.web:
        yield it


def test_a_postback_hurries_its_order_and_is_told(bench: Bench) -> None:
    """One of an order that isn't followed is told too, and wakes nobody."""
    assert bench.send().status == 204
    assert bench.send("PUT", b'{"sourceOrderId": "other"}').status == 204
    assert (bench.hurried, bench.woken) == (["A1", "other"], 1)
    assert [dict(event.facts) for event in bench.events] == [
        {"source_order_ids": ["A1"], "status": "printready", "followed": True},
        {"source_order_ids": ["other"], "status": None, "followed": False},
    ]
    assert {event.type for event in bench.events} == {"siteflow-postback"}


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, "", JSON),
        ({}, f"?token={TOKEN}", JSON),
        ({}, "", JSON[:-1] + b', "token": "s3cret-token"}'),
        ({}, f"?token={TOKEN}&sourceOrderId=A1&status=shipped", None),
    ],
)
def test_the_token_may_be_wherever_site_flow_can_put_it(
    bench: Bench, headers: dict[str, str], query: str, body: bytes | None
) -> None:
    """A header, the query or a field of the body."""
    assert bench.send("GET" if body is None else "POST", body, headers, query).status == 204
    assert bench.hurried == ["A1"]


@pytest.mark.parametrize("headers", [{}, {"x-postback-token": "wrong"}, {"Authorization": f"Basic {TOKEN}"}])
def test_without_the_token_nothing_happens(
    bench: Bench, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once a minute, however many come, and never with what was sent."""
    with caplog.at_level("INFO"):
        assert [bench.send(headers=headers).status for _ in range(5)] == [401] * 5
    assert (bench.hurried, bench.events) == ([], [])
    assert [record.message for record in caplog.records] == [
        f"'{PATH}': refused (token): the token is missing or wrong"
    ]


def test_a_postback_that_names_no_order_is_refused(bench: Bench) -> None:
    """The names of its fields are to be configured then; other methods aren't taken."""
    assert bench.send(body=b'{"orderNumber": "A1"}').status == 400
    assert bench.send("DELETE", None).status == 405


def test_a_flood_of_postbacks_writes_little(bench: Bench) -> None:
    """An event is a write on the disk: there are so many a minute, and the orders are looked at all the same."""
    for _ in range(EVENTS_A_MINUTE + 3):
        bench.send()
    assert (len(bench.events), len(bench.hurried)) == (EVENTS_A_MINUTE, EVENTS_A_MINUTE + 3)
    bench.seconds += 60
    bench.send()
    assert len(bench.events) == EVENTS_A_MINUTE + 1


def test_a_token_without_a_listener_is_doubtful() -> None:
    """`config check` says so."""
    text = '[siteflow]\nkey = "k"\nsecret_file = "s"\npostback_token_file = "t"\n'
    for more, warnings in (("", 1), ('[web]\nlisten = "127.0.0.1:8080"\n', 0)):
        assert len(list(config_warnings(parse_config(text + more, Path("agent.toml"))))) == warnings
