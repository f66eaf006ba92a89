"""Hold the agent's requests and the simulator's answers to the Device API's document, where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters

from agent.device_report import DeviceReport
from agent.http import Answer, HttpClient
from agent.model import PrinterStatus
from agent.printos.openapi import OpenApi
from tests.printos_parts import LOGIN, PASSWORD, a_press, printos

DOCUMENT = Path(__file__).parents[1].parent / "shared" / "spec" / "hp-printos-device-api-openapi.yml"
HOST = "https://printos.api.hp.com"


@pytest.fixture(scope="module")
def document() -> OpenAPI:
    """Give the OpenAPI document, which is not part of the project."""
    if not DOCUMENT.is_file():
        pytest.skip(f"no OpenAPI document at {DOCUMENT}")
    return OpenAPI.from_file_path(str(DOCUMENT))


class Recorded:
    """One exchange, as openapi-core wants to see it; the simulator stands for the server of the document."""

    def __init__(self, method: str, url: str, body: bytes | None, answer: Answer) -> None:
        self.method = method.lower()
        self.host_url = HOST
        self.path = urlsplit(url).path.removeprefix("/openapi")
        self.parameters = RequestParameters()
        self.content_type = "application/json"
        self.body = body
        self.answer = answer


class RecordedAnswer:
    """The answer of an exchange."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.content_type = answer.headers.get("Content-Type", "")
        self.headers = answer.headers
        self.data = answer.body


class Recorder:
    """The real client, with a note of what it exchanged."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.exchanges: list[Recorded] = []

    def request(self, method: str, url: str, **details: Any) -> Answer:
        """Exchange, and write it down."""
        answer = self._http.request(method, url, **details)
        self.exchanges.append(Recorded(method, url, details.get("body"), answer))
        return answer


@pytest.fixture
def exchanges() -> list[Recorded]:
    """Give all that the agent says in the dialect: list, create, adopt, two statuses."""
    with printos() as bench:
        recorder = Recorder(bench.http)
        http = cast("HttpClient", recorder)
        _live(OpenApi(http=http, base_url=f"{bench.simulator.url}/openapi", now=bench.ticker.now))
    return [exchange for exchange in recorder.exchanges if not exchange.path.endswith(("/login", "/logout"))]


def _live(client: OpenApi) -> None:
    token = client.login_administrator(LOGIN, PASSWORD)
    for printer in (a_press(), a_press(2, status=PrinterStatus())):
        device = client.provision_device(
            printer, device_type="", model="HP T300M", replace=False, token=token, password=PASSWORD
        )
        client.post_status(device, DeviceReport(printer), timeout_seconds=5)
    client.logout_administrator(token)


def test_the_agents_requests_are_those_of_the_document(document: OpenAPI, exchanges: list[Recorded]) -> None:
    """Every list, creation and status validates."""
    for exchange in exchanges:
        document.validate_request(exchange)
    assert [exchange.method for exchange in exchanges] == ["get", "post", "put", "get", "post", "put"]


def test_the_agent_sends_only_fields_of_the_document(document: OpenAPI, exchanges: list[Recorded]) -> None:
    """The document leaves its objects open; the agent adds nothing to them all the same."""
    sent = [json.loads(exchange.body) for exchange in exchanges if exchange.body]
    names = {name for body in sent for part in (body, body.get("metrics", {})) for name in part}
    assert names == {"model", "serialNumber", "location", "status", "metrics", "pagesTotal", "inkLevel"}


def test_the_simulators_answers_are_those_of_the_document(document: OpenAPI, exchanges: list[Recorded]) -> None:
    """Every answer validates, with its status code."""
    for exchange in exchanges:
        document.validate_response(exchange, RecordedAnswer(exchange.answer))
    assert [exchange.answer.status for exchange in exchanges] == [200, 201, 200] * 2
