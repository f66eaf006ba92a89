"""The HTTP of the pretended PrintOS: what can't be read is refused as everything else is, and never half taken."""

from __future__ import annotations

import json

import pytest

from agent.errors import AnswerLostError
from tests.printos_parts import LOGIN, PASSWORD, printos, received

LOGIN_PATH = "/platform/api/aaa/v1/users/login"
CREATION = b"POST /openapi/devices HTTP/1.1"


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "not json",
        "[]",
        '"x"',
        "[" * 50_000,
        r'{"login": "\ud800", "password": "x"}',
        '{"login": NaN, "password": "x"}',
        '{"login": 1e999, "password": "x"}',
    ],
)
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    """The type must be JSON (415), and the body an object with the right fields (400)."""
    with printos() as bench:
        url = bench.simulator.url + LOGIN_PATH
        as_text = bench.http.request("POST", url, headers={"Content-Type": "text/plain"}, body=body.encode())
        as_json = bench.http.request("POST", url, headers={"Content-Type": "application/json"}, body=body.encode())
    assert (as_text.status, as_json.status) == (415, 400)


@pytest.mark.parametrize(
    ("request_line", "rest", "status"),
    [
        (CREATION, b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (CREATION, b"Transfer-Encoding: chunked\r\n\r\nmany\r\n", 400),
        (CREATION, b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", 413),
        (CREATION, b"Content-Length: 99999999\r\n\r\n", 413),
        (CREATION, b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, 413),
        (CREATION, b"Content-Length: -1\r\n\r\n", 400),
        (CREATION, b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET http://[1/devices HTTP/1.1", b"\r\n", 400),
        (b"nonsense", b"\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_refused_and_ends_the_connection(request_line: bytes, rest: bytes, status: int) -> None:
    """As smsError, which even a client sees that is still sending."""
    with printos() as bench:
        answer = received(bench, request_line + b"\r\nHost: x\r\n" + rest)
    error = json.loads(answer.rpartition(b"\r\n")[2].strip() or b"{}")["smsError"]
    assert error["statusCode"] == status
    assert set(error) == {"statusCode", "message", "moreInfoUrl", "developerInfo", "subCode", "serviceName"}


def test_a_body_may_come_in_chunks() -> None:
    """Some clients always send so."""
    body = json.dumps({"login": LOGIN, "password": PASSWORD}).encode()
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\nX: y\r\n\r\n"
    head = f"POST {LOGIN_PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with printos() as bench:
        answer = received(bench, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("middle", 0), ("after", 1)])
def test_a_connection_ends_where_it_was_told_to(when: str, created: int) -> None:
    """Before anything is done, in the middle of the body, or with all done but the answer."""
    with printos(open=True) as bench:
        assert bench.call("POST", f"/simulator/fault?method=POST&path=/openapi/devices&when={when}").status == 200
        with pytest.raises(AnswerLostError):
            bench.call("POST", "/openapi/devices", {"model": "HP T230", "serialNumber": "S1", "location": ""})
        assert len(bench.report()["devices"]) == created


def test_an_answer_is_what_it_was_told_to_be_once() -> None:
    """The next such call goes as always."""
    with printos(open=True) as bench:
        bench.call("POST", "/simulator/fault?method=GET&path=/openapi/.*&status=429&retry_after=7")
        answers = [bench.call("GET", "/openapi/devices") for _ in range(2)]
    assert [(answer.status, answer.headers.get("Retry-After")) for answer in answers] == [(429, "7"), (200, None)]


@pytest.mark.parametrize("query", ["", "method=GET", "method=GET&path=[&when=after", "method=GET&path=/&when=soon"])
def test_a_fault_that_cannot_be_is_refused(query: str) -> None:
    """It says what it wants to know."""
    with printos() as bench:
        assert bench.call("POST", f"/simulator/fault?{query}").status == 400
