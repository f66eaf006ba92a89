"""Signed requests: an answer becomes a value or our error, which names the clock where that is to blame."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from agent.errors import AnswerLostError, CloudRefusedError, CloudUnreachableError, ConnectFailedError
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, sign_printos
from agent.simulator.printos_faults import Fault
from tests.printos_parts import Bench, printos
from tests.scripted_server import OK, answering, read_head, scripted
from tests.spool_parts import nothing

KEY = ApiKey("demo-key", "demo-secret")
FLOW = "/api/partner/flow"


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Run a simulator that knows the key."""
    with printos(api_key=KEY.key, api_secret=KEY.secret) as it:
        yield it


def an_exchange(bench: Bench, *, key: ApiKey = KEY, ahead_seconds: float = 0.0) -> SignedExchange:
    """Give one whose clock may be wrong."""
    return SignedExchange(
        service="Box",
        http=bench.http,
        base_url=f"{bench.simulator.url}/box/",
        key=key,
        sign=sign_printos,
        now=lambda: bench.ticker.now() + timedelta(seconds=ahead_seconds),
    )


def test_an_answer_is_its_json(bench: Bench) -> None:
    """The query goes along, and is not signed."""
    exchange = an_exchange(bench)
    assert exchange.ask("GET", FLOW)["items"]
    assert exchange.ask("GET", "/api/partner/file/uploadurls", query={"mimeType": "application/pdf"})["uploadUrl"]
    assert exchange.ask("POST", "/api/partner/folder", body={"name": "Menus"})["name"] == "Menus"


def test_a_refusal_says_what_the_service_said(bench: Bench) -> None:
    """And its status; the secret is nowhere in it."""
    with pytest.raises(CloudRefusedError, match=r"Box refuses: HTTP 401: the digest is wrong") as told:
        an_exchange(bench, key=ApiKey(KEY.key, "hunter2")).ask("GET", FLOW)
    assert told.value.status == 401
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(("ahead_seconds", "words"), [(120, "120 seconds ahead"), (-120, "120 seconds behind")])
def test_a_refusal_names_a_clock_that_is_wrong(bench: Bench, ahead_seconds: float, words: str) -> None:
    """By the Date of the answer."""
    with pytest.raises(CloudRefusedError, match=words):
        an_exchange(bench, key=ApiKey("other", "x"), ahead_seconds=ahead_seconds).ask("GET", FLOW)


@pytest.mark.parametrize("ahead_seconds", [1200, -1200])
def test_a_clock_that_is_far_off_is_waited_for(bench: Bench, ahead_seconds: float) -> None:
    """A box without a battery gets the time from the network after its start."""
    with pytest.raises(CloudUnreachableError, match=r"only while the clock is wrong.*1200 seconds"):
        an_exchange(bench, ahead_seconds=ahead_seconds).ask("GET", FLOW)


def test_what_commits_goes_over_a_connection_of_its_own(bench: Bench) -> None:
    """One that was kept may be dead, as behind a router that has forgotten it, and then nobody knows what arrived."""
    kept: list[socket.socket] = []
    noted: list[str] = []

    def answer_once(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(OK)
        kept.append(sock.dup())

    with scripted(answer_once, answering(OK)) as url:
        exchange = SignedExchange(
            service="Box", http=bench.http, base_url=url, key=KEY, sign=sign_printos, now=bench.ticker.now
        )
        exchange.send("GET", FLOW)
        answer = exchange.commit("/f", {"a": 1}, committing=lambda: noted.append("committing"), beat=nothing)
    kept[0].close()
    assert (answer.status, noted) == (200, ["committing"])


@pytest.mark.parametrize("is_noted", [True, False])
def test_what_broke_off_before_its_last_byte_was_not_committed(bench: Bench, is_noted: bool) -> None:
    """The cause of the error says whether anybody may have it."""
    bench.simulator.faults.add(Fault("POST", "/box/api/partner/folder", when="before"))

    def committing() -> None:
        if not is_noted:
            raise OSError("the connection broke")

    with pytest.raises(CloudUnreachableError) as told:
        an_exchange(bench).commit("/api/partner/folder", {"name": "Menus"}, committing=committing, beat=nothing)
    assert type(told.value.__cause__) is (AnswerLostError if is_noted else ConnectFailedError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_is_out_of_order_may_say_for_how_long(bench: Bench, status: int) -> None:
    """Then it has no cause below HTTP."""
    bench.simulator.faults.add(Fault("GET", f"/box{FLOW}", status=status, headers={"Retry-After": "7"}))
    with pytest.raises(CloudUnreachableError, match="out of order") as told:
        an_exchange(bench).ask("GET", FLOW)
    assert (told.value.retry_after_seconds, told.value.__cause__) == (7.0, None)


def test_nothing_sent_is_told_from_an_answer_lost(bench: Bench) -> None:
    """The one may be done again."""
    exchange = an_exchange(bench)
    bench.simulator.stop()
    with pytest.raises(CloudUnreachableError) as told:
        exchange.send("POST", "/api/partner/folder", body={"name": "x"})
    assert isinstance(told.value.__cause__, ConnectFailedError)
