from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.credentials import DeviceLogin
from agent.errors import InputError
from agent.http import Answer, HttpClient
from agent.simulator.printos_http import TOKEN_NAME
from agent.simulator.processes import AgentCommand
from tests.printos_parts import LOGIN, PASSWORD, Bench, Ticker, printos

PLATFORM = "/platform/api/aaa/v1"
STATUS = "/platform/api/system-statistics/v1/devices"
ADMIN = {"login": LOGIN, "password": PASSWORD}
DEVICE_M2 = {"model": "M2", "serialNumber": "EX1"}
DEVICE = {
    "name": "Press 7",
    "description": "front room",
    "serialNumber": "EX1234567",
    "model": "HP T300M",
    "type": "IHPSPress",
    "securityPassword": PASSWORD,
}


def content(answer: Answer) -> Any:
    """Give an answer's JSON."""
    return json.loads(answer.body)


def bearing(token: str) -> dict[str, str]:
    """Give the header of a session."""
    return {TOKEN_NAME: token}


def as_admin(bench: Bench) -> dict[str, str]:
    """Log the administrator in."""
    return bearing(content(bench.call("POST", f"{PLATFORM}/users/login", ADMIN))["authToken"])


def as_device(bench: Bench, side: str = "platform") -> dict[str, str]:
    """Make a device and log it in."""
    if side == "platform":
        made = content(bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=as_admin(bench)))
        path = f"{PLATFORM}/devices/login"
    else:
        made = content(bench.call("POST", "/openapi/devices", {"model": "M1"}, headers=as_admin(bench)))
        path = "/openapi/devices/login"
    return bearing(content(bench.call("POST", path, made["credentials"]))["authToken"])


def test_the_platforms_sequence_answers_as_documented() -> None:
    """Login 200 with cookie and authToken, device 200 with credentials, status 204 and empty."""
    with printos() as bench:
        login = bench.call("POST", f"{PLATFORM}/users/login", ADMIN)
        token = content(login)["authToken"]
        assert login.headers["Set-Cookie"].startswith(f"{TOKEN_NAME}={token};")
        made = bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=bearing(token))
        assert (made.status, set(content(made))) == (200, {"device", "credentials"})
        told = bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=as_device(bench))
        assert (told.status, told.body) == (204, b"")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (TOKEN_NAME, "{token}"),
        ("indigo-sms-auth-token", "{token}"),
        ("Cookie", "Indigo-SmS-Auth-Token={token}"),
        ("Cookie", 'a[0]={"b": "c"}; ä; Indigo-SmS-Auth-Token="{token}"; d=1'),
    ],
)
def test_a_token_may_come_as_a_header_or_as_a_cookie(header: str, value: str) -> None:
    """Each documented way works alone: the header in any case, the cookie among whatever others the client has."""
    with printos() as bench:
        shown = {header: value.replace("{token}", as_device(bench)[TOKEN_NAME]).encode().decode("latin-1")}
        told = bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=shown)
    assert told.status == 204


def test_two_tokens_that_differ_are_refused() -> None:
    """A client that mixes sessions up is told so."""
    with printos() as bench:
        first, second = as_device(bench)[TOKEN_NAME], as_device(bench)[TOKEN_NAME]
        shown = {TOKEN_NAME: first, "Cookie": f"{TOKEN_NAME}={second}"}
        assert bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=shown).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PLATFORM}/users/login", 405),
        ("PUT", STATUS, 405),
        ("POST", "/openapi/devices/1/status", 405),
        ("DELETE", "/openapi/devices", 405),
        ("POST", "/platform/api/aaa/v9/users/login", 404),
        ("POST", "/platform/api/aaa/v1/users/login/", 404),
        ("GET", "/", 404),
        ("GET", "/openapi/devices/1/2/status", 404),
        ("TRACE", "/openapi/devices", 405),
        ("OPTIONS", STATUS, 405),
    ],
)
def test_a_wrong_method_or_path_is_refused(method: str, path: str, status: int) -> None:
    """405 names what is allowed, 404 what isn't there, both as smsError."""
    with printos() as bench:
        answer = bench.call(method, path, {})
    assert answer.status == content(answer)["smsError"]["statusCode"] == status
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": None}, 400),
        ({"type": None}, 400),
        ({"serialNumber": None}, 400),
        ({"colour": "red"}, 400),
        ({"name": 7}, 400),
        ({"name": ""}, 400),
        ({"serialNumber": "EX#1"}, 400),
        ({"type": "LaserJet"}, 400),
        ({"model": "HP LaserJet 4"}, 400),
        ({"securityPassword": "guess"}, 403),
        ({"serialNumber": "FOREIGN1"}, 409),
    ],
)
def test_a_wrong_device_is_refused(changes: dict[str, Any], status: int) -> None:
    """A missing, unknown or wrong field, an unknown type or model, another's serial: each is told."""
    wrong = {name: value for name, value in (DEVICE | changes).items() if value is not None}
    with printos() as bench:
        answer = bench.call("POST", f"{PLATFORM}/organizations/devices", wrong, headers=as_admin(bench))
        assert bench.report()["devices"] == []
    assert (answer.status, bool(content(answer)["smsError"]["message"])) == (status, True)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"deviceStatus": "DS_HAPPY"},
        {"deviceStatus": 1},
        {"deviceStatus": "DS_ON", "totalJobs": -1},
        {"deviceStatus": "DS_ON", "totalJobs": "many"},
        {"deviceStatus": "DS_ON", "totalJobs": True},
        {"deviceStatus": "DS_ON", "totalJobs": ""},
        {"deviceStatus": "DS_ON", "totalJobs": 1.5},
        {"deviceStatus": "DS_ON", "totalJobs": None},
        {"deviceStatus": "DS_ON", "printTimeComplete": "tomorrow"},
        {"deviceStatus": "DS_ON", "printTimeComplete": ""},
        {"deviceStatus": "DS_ON", "printTimeComplete": "2024-05-06"},
        {"deviceStatus": "DS_ON", "printTimeComplete": "2024-05-06 07:30:00"},
        {"deviceStatus": "DS_ON", "printTimeComplete": "2024-13-06T07:30:00"},
        {"deviceStatus": "DS_ON", "printTimeComplete": 1714980600},
        {"deviceStatus": "DS_ON", "mood": "fine"},
    ],
)
def test_a_wrong_status_is_refused(status: dict[str, Any]) -> None:
    """The states are a closed set, and so are the fields."""
    with printos() as bench:
        assert bench.call("POST", STATUS, status, headers=as_device(bench)).status == 400


@pytest.mark.parametrize(
    "details",
    [
        {"totalJobs": 6, "printTimeComplete": "2024-05-06T07:30:00"},
        {"totalJobs": "10", "printTimeComplete": "2016-11-01T10:04:24.0", "extendedInformation": {"ink": [1, 2]}},
        {"printTimeComplete": "2024-05-06T07:30:00Z", "extendedInformation": "free"},
        {"printTimeComplete": "2024-05-06T07:30:00.123456789+02:00", "extendedInformation": None},
    ],
)
def test_a_whole_status_is_taken(details: dict[str, Any]) -> None:
    """All documented fields, each in the forms of HP's two examples, and whatever people make of the free one."""
    with printos() as bench:
        answer = bench.call("POST", STATUS, {"deviceStatus": "DS_RIPPING", **details}, headers=as_device(bench))
    assert answer.status == 204


def test_a_token_opens_only_what_it_is_for() -> None:
    """No token and a foreign one are 401; a person's status, a device's device and the other dialect are 403."""
    told = {"deviceStatus": "DS_ON"}
    with printos() as bench:
        admin, device, stranger = as_admin(bench), as_device(bench), as_device(bench, "openapi")
        assert bench.call("POST", STATUS, told).status == 401
        assert bench.call("POST", STATUS, told, headers=bearing("0" * 26)).status == 401
        assert bench.call("POST", STATUS, told, headers=admin).status == 403
        assert bench.call("POST", STATUS, told, headers=stranger).status == 403
        assert bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=device).status == 403


def test_sessions_end_by_themselves_and_by_logout() -> None:
    """After their time, and after a logout, a token is worth nothing."""
    ticker = Ticker()
    with printos(ticker, session_seconds=60) as bench:
        admin, device = as_admin(bench), as_device(bench)
        assert bench.call("POST", f"{PLATFORM}/users/logout", {}, headers=admin).status == 200
        assert bench.call("GET", "/openapi/devices", headers=admin).status == 401
        ticker.advance(61)
        assert bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=device).status == 401


def test_an_unchanged_status_too_soon_is_429_where_that_is_asked_for() -> None:
    """A change may go at once; the same again waits, and Retry-After says how long."""
    with printos(status_seconds=60) as bench:
        device = as_device(bench)
        answers = [bench.call("POST", STATUS, {"deviceStatus": word}, headers=device) for word in ("DS_ON",) * 2]
        assert bench.call("POST", STATUS, {"deviceStatus": "DS_OFF"}, headers=device).status == 204
    assert [answer.status for answer in answers] == [204, 429]
    assert answers[1].headers["Retry-After"] == "61"


@pytest.mark.parametrize(
    "body",
    [
        {"status": 7},
        {"metrics": []},
        {"metrics": {"pagesTotal": 1.5}},
        {"metrics": {"pagesTotal": "7"}},
        {"metrics": {"inkLevel": True}},
    ],
)
def test_the_openapi_side_holds_to_its_types(body: dict[str, Any]) -> None:
    """Types are checked, in the status and in its metrics."""
    with printos() as bench:
        device = as_device(bench, "openapi")
        device_id = bench.report()["devices"][0]["id"]
        assert bench.call("PUT", f"/openapi/devices/{device_id}/status", body, headers=device).status == 400


def test_the_openapi_side_knows_whose_status_it_is() -> None:
    """Another device's id is 403, and an id that nobody has 404, whether a session is needed or not."""
    with printos() as bench:
        made = content(bench.call("POST", "/openapi/devices", {"model": "M2"}, headers=as_admin(bench)))
        device = as_device(bench, "openapi")
        assert bench.call("PUT", f"/openapi/devices/{made['id']}/status", {}, headers=device).status == 403
        assert bench.call("PUT", "/openapi/devices/nobodys/status", {}, headers=device).status == 404
    with printos(open=True) as bench:
        assert bench.call("PUT", "/openapi/devices/nobodys/status", {}).status == 404


def test_the_openapi_side_knows_whom_it_has_replaced() -> None:
    """The id of a device that was made anew is gone, which is another answer than that of an id that never was."""
    with printos(bearer_token="long-token") as bench:
        device_id = content(bench.call("POST", "/openapi/devices", DEVICE_M2, headers=as_admin(bench)))["id"]
        assert bench.call("POST", "/openapi/devices", DEVICE_M2, headers=as_admin(bench)).status == 201
        shown = {"Authorization": "Bearer long-token"}
        assert bench.call("PUT", f"/openapi/devices/{device_id}/status", {}, headers=shown).status == 410


def test_an_open_openapi_side_replaces_nothing() -> None:
    """Where there are no credentials, the device that is there is given again."""
    with printos(open=True) as bench:
        made = [content(bench.call("POST", "/openapi/devices", DEVICE_M2)) for _ in range(2)]
        assert made[0] == made[1]
        assert bench.call("PUT", f"/openapi/devices/{made[0]['id']}/status", {}).status == 200


def test_the_openapi_side_names_what_no_document_has() -> None:
    """Its objects are open, so unknown fields are taken; the report tells of them, for whoever wrote the client."""
    with printos(open=True) as bench:
        made = content(bench.call("POST", "/openapi/devices", {"model": "M2", "colour": "red"}))
        path = f"/openapi/devices/{made['id']}/status"
        assert bench.call("PUT", path, {"mood": "", "metrics": {"ink": 1}}).status == 200
        report = bench.report()
    told = [{"path": "/openapi/devices", "names": ["colour"]}, {"path": path, "names": ["mood"]}]
    assert report["unknown_fields"] == [*told, {"path": path, "names": ["ink"]}]


def test_the_openapi_side_takes_what_its_schema_takes() -> None:
    """No field is required, an integer may be written 5.0, and a number may be an integer."""
    with printos() as bench:
        device = as_device(bench, "openapi")
        path = f"/openapi/devices/{bench.report()['devices'][0]['id']}/status"
        metrics = {"pagesTotal": 5.0, "inkLevel": 7}
        bodies: list[dict[str, Any]] = [{}, {"status": "idle"}, {"metrics": {}}, {"metrics": metrics}]
        answers = [bench.call("PUT", path, body, headers=device) for body in bodies]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 4


@pytest.mark.parametrize(("token", "status"), [("long-token", 200), ("longer-token", 401), ("\xe9", 401), ("", 401)])
def test_a_bearer_token_opens_the_openapi_side_where_one_is_named(token: str, status: int) -> None:
    """That token and no other, whatever its letters."""
    with printos(bearer_token="long-token") as bench:
        shown = {"Authorization": f"Bearer {token}"}
        assert bench.call("GET", "/openapi/devices", headers=shown).status == status


def test_an_open_openapi_side_asks_for_nothing_and_gives_nothing() -> None:
    """No token is needed, and no credentials come."""
    with printos(open=True) as bench:
        made = bench.call("POST", "/openapi/devices", {"model": "M1", "serialNumber": "S1", "location": "hall"})
        listed = content(bench.call("GET", "/openapi/devices"))
    assert (made.status, "credentials" in content(made)) == (201, False)
    assert [device["serialNumber"] for device in listed["devices"]] == ["S1"]


def test_it_is_steered_over_http() -> None:
    """Outage, expiry and revocation are asked for by POST, also during an outage, and the report tells all of it."""
    with printos() as bench:
        device = as_device(bench)
        assert bench.call("POST", "/simulator/outage?seconds=60").status == 200
        assert bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=device).status == 503
        bench.call("POST", "/simulator/outage?seconds=0")
        assert content(bench.call("POST", "/simulator/expire-sessions"))["expired"] == 2
        login = content(bench.call("GET", "/simulator/report"))["devices"][0]["login"]
        assert bench.call("POST", f"/simulator/revoke?login={login}").status == 200
        assert bench.call("POST", "/simulator/revoke?login=nobody").status == 404
        assert bench.call("POST", "/simulator/outage?seconds=soon").status == 400


def test_what_others_do_to_a_device_can_be_had() -> None:
    """It is made anew from elsewhere, deleted, or its serial number is another organisation's; only what is there."""
    with printos() as bench:
        old = as_device(bench)
        (device,) = bench.report()["devices"]
        anew = content(bench.call("POST", f"/simulator/replace-device?id={device['id']}"))["id"]
        assert bench.call("POST", STATUS, {"deviceStatus": "DS_ON"}, headers=old).status == 401
        assert [it["id"] for it in bench.report()["devices"]] == [anew]
        assert bench.call("POST", f"/simulator/delete-device?id={anew}").status == 200
        assert bench.report()["devices"] == []
        assert bench.call("POST", f"/simulator/hold-serial?serial={DEVICE['serialNumber']}").status == 200
        made = bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=as_admin(bench))
        assert made.status == 409
        wrong = ("delete-device?id=nobody", "replace-device?id=nobody", "replace-device", "hold-serial")
        assert [bench.call("POST", f"/simulator/{it}").status for it in wrong] == [404, 404, 404, 400]


def test_the_report_tells_no_secret() -> None:
    """Neither the administrator's password nor a device's nor a token is in it."""
    with printos() as bench:
        made = content(bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=as_admin(bench)))
        token = as_device(bench)[TOKEN_NAME]
        told = bench.call("GET", "/simulator/report").body.decode()
    assert not [secret for secret in (PASSWORD, made["credentials"]["password"], token) if secret in told]


def test_devices_outlive_a_restart_where_a_file_is_named(tmp_path: Path) -> None:
    """With a state file the credentials still work, the sessions don't."""
    with printos(state_file=tmp_path / "devices.json") as bench:
        client = bench.platform()
        token = client.login_administrator(LOGIN, PASSWORD)
        made = content(bench.call("POST", f"{PLATFORM}/organizations/devices", DEVICE, headers=bearing(token)))
    device = DeviceLogin("d", **made["credentials"])
    with printos(state_file=tmp_path / "devices.json") as bench:
        bench.platform().login_device(device)
        assert bench.call("GET", "/openapi/devices", headers=bearing(token)).status == 401


@pytest.mark.parametrize("text", ["not json", "5", '[{"id": "d"}]', '[{"colour": "red"}]'])
def test_a_state_file_of_something_else_is_told(tmp_path: Path, text: str) -> None:
    """It is named, and left as it is."""
    file = tmp_path / "devices.json"
    file.write_text(text)
    with pytest.raises(InputError, match="not what the simulator has kept"), printos(state_file=file):
        pytest.fail("it has started")
    assert file.read_text() == text


def test_serve_says_where_it_is_and_ends_on_sigterm() -> None:
    """One line of JSON when ready, exit code 0 when asked to end."""
    script = (
        "import sys; from agent.simulator.printos import PrintOSOptions, serve; "
        "sys.exit(serve(PrintOSOptions(admin_login='a', admin_password='b'), sys.stdout))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert ready["ready"] is True
    assert ready["platform_url"].endswith("/platform")
    for service in ("openapi", "box", "siteflow", "printbeat"):
        assert ready[f"{service}_url"].endswith(f"/{service}")


def test_every_option_of_the_command_line_reaches_it(tmp_path: Path) -> None:
    """A bearer token, a state file and a pace of statuses, as an integrator would ask for them."""
    files = {"--admin-password-file": tmp_path / "password", "--bearer-token-file": tmp_path / "token"}
    for file in files.values():
        file.write_text(f"{file.name}-secret\n")
    options = [word for pair in files.items() for word in pair]
    state = ("--state-file", tmp_path / "devices.json", "--status-seconds", "60")
    simulator = AgentCommand(
        "simulate", "printos", "--port", "0", "--admin-login", "a", *options, *state, log=tmp_path / "log"
    )
    simulator.start()
    http = HttpClient(bearer="token-secret")
    try:
        url = simulator.ready()["openapi_url"]
        json_type = {"Content-Type": "application/json"}
        made = content(http.request("POST", f"{url}/devices", headers=json_type, body=b"{}"))
        status = f"{url}/devices/{made['id']}/status"
        told = [http.request("PUT", status, headers=json_type, body=b'{"status": "idle"}').status for _ in range(2)]
    finally:
        http.close()
        assert simulator.stop() == 0
    assert told == [200, 429]
    assert made["id"] in (tmp_path / "devices.json").read_text()
