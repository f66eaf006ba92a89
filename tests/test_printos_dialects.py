from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Literal

import pytest

from agent.cloud_clients import build_printos
from agent.config_clouds import PrintosConfig
from agent.credentials import DeviceLogin
from agent.device_report import DeviceReport
from agent.errors import CloudRefusedError, CloudUnreachableError, ConfigError, ConflictError, RefusedError
from agent.http import HttpClient
from agent.model import Identity, Printer, PrinterState, PrinterStatus
from agent.printos.openapi import OpenApi
from agent.printos.platform import Platform
from tests.printos_parts import LOGIN, PASSWORD, Bench, Ticker, a_press, printos
from tests.printos_stand_in import stand_in

HALF_HOUR = 1800


def provision(client: Platform | OpenApi, printer: Printer, *, renew: bool = False) -> DeviceLogin:
    """Create a printer's device as the administrator."""
    token = client.login_administrator(LOGIN, PASSWORD)
    try:
        return client.provision_device(
            printer, device_type="IHPSPress", model="HP T300M", replace=renew, token=token, password=PASSWORD
        )
    finally:
        client.logout_administrator(token)


def post(client: Platform | OpenApi, device: DeviceLogin, printer: Printer | None = None) -> None:
    """Post a status."""
    client.post_status(device, DeviceReport(printer or a_press(), jobs=3), timeout_seconds=5)


def dialect(bench: Bench, name: str) -> Platform | OpenApi:
    """Give a client of either dialect."""
    return bench.platform() if name == "platform" else bench.openapi()


both = pytest.mark.parametrize("name", ["platform", "openapi"])


@both
def test_the_whole_flow_works_in_both_dialects(name: str) -> None:
    """Administrator in, device made, administrator out, device in, status posted: and nothing was refused."""
    with printos() as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        client.login_device(device)
        post(client, device)
        report = bench.report()
    assert (report["administrator_logins"], report["device_logins"], report["status_updates"]) == (1, 1, 1)
    assert report["refused"] == []


@both
def test_ten_threads_take_one_login(name: str) -> None:
    """Whoever needs a token while another logs in waits for that login; again when the sessions have ended."""
    with printos() as bench, ThreadPoolExecutor(10) as pool:
        client = dialect(bench, name)
        device = provision(client, a_press())
        for logins in (1, 2):
            start = threading.Barrier(10)

            def one(_number: int, start: threading.Barrier = start) -> None:
                start.wait(10)
                post(client, device)

            list(pool.map(one, range(10)))
            assert bench.report()["device_logins"] == logins
            bench.simulator.cloud.expire_sessions()


@both
def test_an_expiry_that_was_hinted_is_met_ahead(name: str) -> None:
    """Over many sessions no status is ever refused for its token."""
    ticker = Ticker()
    with printos(ticker, session_seconds=HALF_HOUR) as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        for _ in range(60):
            post(client, device)
            ticker.advance(120)
        report = bench.report()
    assert report["refused"] == []
    assert report["device_logins"] == client.logins == 4


@both
def test_sessions_of_seconds_are_met_ahead_too(name: str) -> None:
    """Where statuses go faster than sessions end, no token is ever refused, and no status costs a login."""
    ticker = Ticker()
    with printos(ticker, session_seconds=10) as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        for _ in range(60):
            post(client, device)
            ticker.advance(1)
        report = bench.report()
    assert (report["status_updates"], report["device_logins"], report["refused"]) == (60, 7, [])


@both
def test_a_session_that_ends_early_costs_one_401(name: str) -> None:
    """The status arrives after one login more, and only one request was refused."""
    with printos() as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        post(client, device)
        bench.simulator.cloud.expire_sessions()
        post(client, device)
        report = bench.report()
    assert (report["status_updates"], report["device_logins"], len(report["refused"])) == (2, 2, 1)


@both
def test_an_outage_is_told_as_one(name: str) -> None:
    """Out of order and dropped connections are both CloudUnreachableError, and the next status after it arrives."""
    ticker = Ticker()
    with printos(ticker) as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        for dropping in (False, True):
            bench.simulator.cloud.begin_outage(60, dropping=dropping)
            with pytest.raises(CloudUnreachableError):
                post(client, device)
            ticker.advance(400)
            post(client, device)


@both
def test_replaced_credentials_stop_working(name: str) -> None:
    """The same model and serial made again ends the first login."""
    with printos() as bench:
        client = dialect(bench, name)
        first = provision(client, a_press())
        second = provision(client, a_press(), renew=True)
        with pytest.raises(CloudRefusedError, match="refuses the login"):
            post(client, first)
        post(client, second)


@both
def test_a_wrong_password_is_refused(name: str) -> None:
    """The administrator's login says so, with the cloud's own words."""
    with printos() as bench, pytest.raises(CloudRefusedError, match="wrong login or password"):
        dialect(bench, name).login_administrator(LOGIN, "guess")


@both
def test_a_serial_of_another_organisation_is_refused(name: str) -> None:
    """409 comes through as CloudRefusedError."""
    stranger = a_press(identity=Identity(serial="FOREIGN1", make_and_model="HP T300M"))
    with printos() as bench, pytest.raises(CloudRefusedError) as caught:
        provision(dialect(bench, name), stranger)
    assert caught.value.status == 409


@both
def test_no_secret_is_ever_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not with everything logged, through a login, an expiry and a refusal."""
    caplog.set_level(logging.DEBUG)
    with printos() as bench:
        client = dialect(bench, name)
        device = provision(client, a_press())
        post(client, device)
        bench.simulator.cloud.revoke(device.login)
        with pytest.raises(CloudRefusedError) as caught:
            post(client, device)
    told = caplog.text + repr(caught.value) + repr(device)
    assert not [secret for secret in (PASSWORD, device.password) if secret in told]


def test_platform_without_credentials_leaves_the_login_empty() -> None:
    """A type that isn't self-provisionable gives a device's id and nothing else."""
    with printos() as bench:
        client = bench.platform()
        token = client.login_administrator(LOGIN, PASSWORD)
        device = client.provision_device(
            a_press(), device_type="LatexPrinter", model="B4H69", replace=False, token=token, password=PASSWORD
        )
    assert device.device_id
    assert not device.login


def test_platform_names_the_keys_that_it_needs() -> None:
    """Without a type, the message says what HP's list has of the model."""
    with printos() as bench, pytest.raises(ConfigError, match="its type is IHPSPress"):
        bench.platform().check_printer(a_press(), device_type="", model="HP T300M")


@pytest.mark.parametrize("serial", [None, "", "EX 1", "EX#1", "ÄX1", "X" * 65])
def test_platform_refuses_a_serial_that_printos_would_not_take(serial: str | None) -> None:
    """Nothing is sent that the cloud is known to fail on."""
    printer = a_press(identity=Identity(serial=serial))
    with printos() as bench, pytest.raises(RefusedError, match="serial number"):
        bench.platform().check_printer(printer, device_type="IHPSPress", model="HP T300M")


def test_platform_outlives_a_logout_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """HP's path is not known: a 404 is logged and tolerated."""
    caplog.set_level(logging.INFO)
    with printos() as bench:
        client = bench.platform(administrator_logout_path="/users/nowhere")
        client.logout_administrator(client.login_administrator(LOGIN, PASSWORD))
    assert "did not log the administrator out" in caplog.text


@pytest.mark.parametrize("dialect", ["platform", "openapi"])
def test_what_hp_does_not_document_of_paths_can_be_told(dialect: Literal["platform", "openapi"]) -> None:
    """Each path of the logins, and the versions of the services, go out as they are configured."""
    made = {"id": "d-1", "deviceId": "d-1", "credentials": {"login": "l", "password": "p"}}
    logins = ("POST /in", "POST /out", "POST /device")
    create, status = {
        "platform": ("POST /api/aaa/v4/organizations/devices", "POST /api/system-statistics/v2/devices"),
        "openapi": ("POST /devices", "PUT /devices/d-1/status"),
    }[dialect]
    answers = dict.fromkeys((*logins, create, status), (200, {"authToken": "t", **made}))
    with closing(HttpClient()) as http, stand_in(answers) as site:
        config = PrintosConfig(
            dialect=dialect,
            base_url=site.url,
            admin_login_path="/in",
            admin_logout_path="/out",
            device_login_path="/device",
            identity_version="v4",
            statistics_version="v2",
        )
        client = build_printos(config, http)
        post(client, provision(client, a_press(), renew=True))
    assert site.calls() == ["POST /in", create, "POST /out", "POST /device", status]


@pytest.mark.parametrize("told", ["", "d\n1", "d\x1b[2J", "d" * 201, 7, None])
def test_an_id_that_could_not_be_shown_is_no_device(told: object) -> None:
    """It would stand in the log, on terminals, in events and in URLs."""
    with closing(HttpClient()) as http, stand_in({"POST /devices": (201, {"id": told})}) as site:
        client = OpenApi(http=http, base_url=site.url, now=Ticker().now, auth="none")
        with pytest.raises(CloudRefusedError, match="which device it made"):
            provision(client, a_press(), renew=True)


def test_a_device_whose_answer_was_lost_is_said_to_be_lost() -> None:
    """The connection ends after the request: the message says that the credentials are gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: _swallow(server))
        thread.start()
        http = HttpClient()
        client = Platform(http=http, base_url=f"http://127.0.0.1:{server.getsockname()[1]}", now=Ticker().now)
        with pytest.raises(CloudUnreachableError, match="may have made the device"):
            client.provision_device(
                a_press(), device_type="IHPSPress", model="HP T300M", replace=False, token="t", password=PASSWORD
            )
        thread.join(10)
        http.close()


def _swallow(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)


def test_openapi_adopts_where_nobody_logs_in() -> None:
    """A device of the same model and serial is taken as it is, not made a second time."""
    with printos(open=True) as bench:
        client = bench.openapi(auth="none")
        first, second = provision(client, a_press()), provision(client, a_press())
        post(client, second)
        report = bench.report()
    assert first == second
    assert (len(report["devices"]), report["status_updates"], report["administrator_logins"]) == (1, 1, 0)


def test_openapi_does_not_adopt_what_it_cannot_log_in_to() -> None:
    """Where credentials are needed, an existing device takes --replace."""
    with printos() as bench:
        provision(bench.openapi(), a_press())
        with pytest.raises(ConflictError, match="credentials are not here"):
            provision(bench.openapi(), a_press())


def test_openapi_shows_a_bearer_token_everywhere() -> None:
    """With `bearer` one token authorises all, and nobody logs in."""
    with printos(bearer_token="long-token") as bench:
        client = bench.openapi(auth="bearer", bearer="long-token")
        post(client, provision(client, a_press()))
        report = bench.report()
    assert (report["status_updates"], report["administrator_logins"], report["refused"]) == (1, 0, [])


def test_openapi_without_the_authorisation_that_is_wanted_is_refused() -> None:
    """A 401 is no expiry where nobody has logged in."""
    with printos() as bench, pytest.raises(CloudRefusedError, match=r"\[printos\] auth"):
        post(bench.openapi(auth="none"), DeviceLogin("d-1"))


def test_openapi_escapes_the_device_id_in_the_path() -> None:
    """An id with a slash stays one segment."""
    with printos(open=True) as bench:
        with pytest.raises(CloudRefusedError, match="no device a/b"):
            post(bench.openapi(auth="none"), DeviceLogin("a/b"))
        assert bench.report()["refused"][0]["path"] == "/openapi/devices/a%2Fb/status"


@both
def test_what_is_unknown_is_left_out(name: str) -> None:
    """A printer that tells no counters and no levels sends none."""
    bare = a_press(status=PrinterStatus(state=PrinterState.IDLE))
    with printos() as bench:
        client = dialect(bench, name)
        post(client, provision(client, bare), bare)
        history = bench.report()["devices"][0]["history"]
    told = {key: value for key, value in history[0].items() if key != "at"}
    assert told in ({"deviceStatus": "DS_ON", "totalJobs": 3}, {"status": "idle", "metrics": {}})
