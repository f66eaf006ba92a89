"""What the agent sends to PrintOS, request by request, to a server that knows only HP's documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.credentials import DeviceLogin
from agent.device_report import DeviceReport
from agent.errors import CloudError, CloudRefusedError
from agent.http import HttpClient
from agent.model import Identity
from agent.printos.openapi import OpenApi
from agent.printos.platform import Platform
from tests.printos_parts import LOGIN, PASSWORD, Ticker, a_press
from tests.printos_stand_in import StandIn, stand_in

ADMIN_LOGIN = "POST /base/api/aaa/v1/users/login"
ADMIN_LOGOUT = "POST /base/api/aaa/v1/users/logout"
CREATE = "POST /base/api/aaa/v1/organizations/devices"
DEVICE_LOGIN = "POST /base/api/aaa/v1/devices/login"
STATUS = "POST /base/api/system-statistics/v1/devices"
OPEN_STATUS = "PUT /base/devices/d-0000/status"
CREDENTIALS = {"login": "dev-login", "password": "dev-secret"}
MADE = {"result": [{"device": {"deviceId": "d-0000"}, "credentials": CREDENTIALS}]}
PLATFORM = {
    ADMIN_LOGIN: (200, {"authToken": "admin-token"}),
    CREATE: (200, MADE),
    DEVICE_LOGIN: (200, {"authToken": "device-token"}),
    STATUS: (204, None),
}
OPENAPI = {
    "POST /base/users/login": (200, {"authToken": "admin-token"}),
    "GET /base/devices": (200, {"devices": []}),
    "POST /base/devices": (201, {"id": "d-0000", "model": "HP T300M", "credentials": CREDENTIALS}),
    "POST /base/devices/login": (200, {"authToken": "device-token"}),
    OPEN_STATUS: (200, None),
}


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give the transport."""
    http = HttpClient()
    yield http
    http.close()


def live(client: Platform | OpenApi) -> DeviceLogin:
    """Make a device and tell its status twice."""
    token = client.login_administrator(LOGIN, PASSWORD)
    device = client.provision_device(
        a_press(), device_type="IHPSPress", model="HP T300M", replace=False, token=token, password=PASSWORD
    )
    client.logout_administrator(token)
    client.login_device(device)
    for _ in range(2):
        client.post_status(device, DeviceReport(a_press(), jobs=6), timeout_seconds=5)
    return device


def platform(site: StandIn, http: HttpClient) -> Platform:
    """Give a client of HP's dialect whose base URL ends with a slash."""
    return Platform(http=http, base_url=f"{site.url}/base/", now=Ticker().now)


@pytest.mark.parametrize("slash", ["", "/"])
def test_platform_asks_what_hps_sample_asks(http: HttpClient, slash: str) -> None:
    """The calls in their order, whether the base URL ends with a slash or not; a logout may not be there."""
    with stand_in(PLATFORM) as site:
        live(Platform(http=http, base_url=f"{site.url}/base{slash}", now=Ticker().now))
    assert site.calls() == [ADMIN_LOGIN, CREATE, ADMIN_LOGOUT, DEVICE_LOGIN, STATUS, STATUS]


def test_platform_sends_the_documented_fields_and_no_other(http: HttpClient) -> None:
    """To the letter: the administrator's password twice, the device's login once, a word and an integer as status."""
    with stand_in(PLATFORM) as site:
        live(platform(site, http))
    assert [seen.content for seen in site.seen if seen.call != ADMIN_LOGOUT] == [
        {"login": LOGIN, "password": PASSWORD},
        {
            "name": "Press 1",
            "description": "hall",
            "serialNumber": "EX0000001",
            "model": "HP T300M",
            "type": "IHPSPress",
            "securityPassword": PASSWORD,
        },
        CREDENTIALS,
        {"deviceStatus": "DS_ON", "totalJobs": 6},
        {"deviceStatus": "DS_ON", "totalJobs": 6},
    ]


def test_platform_always_describes_a_device(http: HttpClient) -> None:
    """HP's sample sends every field: without a location the model describes a printer."""
    nowhere = replace(a_press(), identity=Identity(serial="EX1", make_and_model="HP T300M"))
    with stand_in(PLATFORM) as site:
        platform(site, http).provision_device(
            nowhere, device_type="IHPSPress", model="HP T300M", replace=False, token="t", password=PASSWORD
        )
    assert (site.seen[0].content["name"], site.seen[0].content["description"]) == ("HP T300M", "HP T300M")


@pytest.mark.parametrize("dialect", ["platform", "openapi"])
def test_every_request_is_json_and_shows_its_token_twice(http: HttpClient, dialect: str) -> None:
    """Accept and Content-Type as documented, the token as header and as cookie, no token where nobody is logged in."""
    with stand_in(PLATFORM if dialect == "platform" else OPENAPI) as site:
        live((Platform if dialect == "platform" else OpenApi)(http=http, base_url=f"{site.url}/base", now=Ticker().now))
    for seen in site.seen:
        token = None if seen.path.endswith("/login") else "device-token" if "dev" in seen.path else "admin-token"
        token = "admin-token" if seen.call in (CREATE, "POST /base/devices", "GET /base/devices") else token
        assert seen.headers["Accept"] == "application/json"
        assert seen.headers["Content-Type"] == (None if seen.method == "GET" else "application/json")
        assert seen.headers["Indigo-SmS-Auth-Token"] == token
        assert seen.headers["Cookie"] == (token and f"Indigo-SmS-Auth-Token={token}")


def test_openapi_asks_what_the_document_has(http: HttpClient) -> None:
    """The three calls of the document, with logins around them, to the letter."""
    with stand_in(OPENAPI) as site:
        live(OpenApi(http=http, base_url=f"{site.url}/base/", now=Ticker().now))
    assert [(seen.call, seen.content) for seen in site.seen if not seen.path.endswith("/users/logout")] == [
        ("POST /base/users/login", {"login": LOGIN, "password": PASSWORD}),
        ("GET /base/devices", None),
        ("POST /base/devices", {"model": "HP T300M", "serialNumber": "EX0000001", "location": "hall"}),
        ("POST /base/devices/login", CREDENTIALS),
        (OPEN_STATUS, {"status": "idle", "metrics": {"pagesTotal": 1234, "inkLevel": 60.0}}),
        (OPEN_STATUS, {"status": "idle", "metrics": {"pagesTotal": 1234, "inkLevel": 60.0}}),
    ]


@pytest.mark.parametrize("auth", ["none", "bearer"])
def test_openapi_without_sessions_makes_only_the_documents_calls(http: HttpClient, auth: str) -> None:
    """No login and no logout of anybody; credentials that come all the same are not used."""
    with stand_in(OPENAPI) as site:
        live(OpenApi(http=http, base_url=f"{site.url}/base", now=Ticker().now, auth=auth, bearer="b"))  # type: ignore[arg-type]  # one of Auth
    assert site.calls() == ["GET /base/devices", "POST /base/devices", OPEN_STATUS, OPEN_STATUS]
    assert {seen.headers["Authorization"] for seen in site.seen} == {"Bearer b" if auth == "bearer" else None}
    assert {seen.headers["Cookie"] for seen in site.seen} == {None}


def test_openapi_goes_on_where_people_cannot_log_in(http: HttpClient) -> None:
    """The document has no login: a server that has none either is asked without."""
    without = {call: answer for call, answer in OPENAPI.items() if call != "POST /base/users/login"}
    with stand_in(without) as site:
        assert live(OpenApi(http=http, base_url=f"{site.url}/base", now=Ticker().now)).login == "dev-login"
    assert site.of("POST /base/devices")[0].headers["Indigo-SmS-Auth-Token"] is None


@pytest.mark.parametrize("call", [STATUS, DEVICE_LOGIN, CREATE, ADMIN_LOGIN])
def test_a_refusal_that_repeats_a_secret_is_not_repeated(http: HttpClient, call: str) -> None:
    """Neither a password nor a token, in whatever form of JSON a server quotes what it was sent."""
    quoted = f"no: {PASSWORD}, dev-secret, admin-token, device-token"
    with (
        stand_in({**PLATFORM, call: (403, {"smsError": {"message": quoted}})}) as site,
        pytest.raises(CloudError) as caught,
    ):
        live(platform(site, http))
    sent = {ADMIN_LOGIN: [PASSWORD], CREATE: [PASSWORD, "admin-token"], DEVICE_LOGIN: ["dev-secret"]}
    assert "***" in str(caught.value)
    assert not [secret for secret in sent.get(call, ["device-token"]) if secret in str(caught.value)]


def test_a_secret_of_many_forms_is_not_repeated(http: HttpClient) -> None:
    """A password with quotes and letters beyond ASCII, as text and as the two forms of JSON."""
    password = 'pass"wörd'
    forms = f"no: {password} {json.dumps(password)} {json.dumps(password, ensure_ascii=False)}"
    for told in (forms, {"smsError": {"message": forms}}):
        with stand_in({ADMIN_LOGIN: (403, told)}) as site, pytest.raises(CloudRefusedError) as caught:
            platform(site, http).login_administrator(LOGIN, password)
        assert "no: ***" in str(caught.value)
        assert "rd" not in str(caught.value)
