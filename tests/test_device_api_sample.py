"""HP's own sample of the Device API, request by request: what it sends is taken, and what it sends wrongly is refused.

It knows its token of the first Set-Cookie header, from `=` to `;`, shows it as a cookie only,
and looks for the values of an answer at any depth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agent.http import Answer
from tests.printos_parts import LOGIN, PASSWORD, Bench, printos

IDENTITY = "/platform/api/aaa/v1"
STATUS = "/platform/api/system-statistics/v1/devices"
NEW_DEVICE = {
    "name": "Press 7",
    "description": "front room",
    "serialNumber": "EX4711",
    "model": "HP T300M",
    "type": "IHPSPress",
    "securityPassword": PASSWORD,
}
REAL_TIME_DATA = {"deviceStatus": "DS_PRINTING", "totalJobs": 6, "printTimeComplete": "2024-05-06T07:30:00"}
JSON_BOTH_WAYS = {"Content-Type": "application/json", "Accept": "application/json"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a simulator."""
    with printos() as running:
        yield running


def post(bench: Bench, path: str, content: Any, token: str | None = None) -> Answer:
    """Post as the sample does."""
    cookie = {} if token is None else {"Cookie": f"Indigo-SmS-Auth-Token={token}"}
    return bench.call("POST", path, content, headers=JSON_BOTH_WAYS | cookie)


def token_of(answer: Answer) -> str:
    """Read a token as the sample does."""
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    return cookie[cookie.index("=") + 1 :]


def administrator(bench: Bench) -> str:
    """Log the administrator in."""
    return token_of(post(bench, f"{IDENTITY}/users/login", {"login": LOGIN, "password": PASSWORD}))


def device(bench: Bench) -> str:
    """Create a device and log it in."""
    made = post(bench, f"{IDENTITY}/organizations/devices", NEW_DEVICE, administrator(bench))
    assert made.status == 200
    answer = json.loads(made.body)
    assert answer["device"]["deviceId"]
    return token_of(post(bench, f"{IDENTITY}/devices/login", answer["credentials"]))


def test_the_whole_sequence_succeeds(bench: Bench) -> None:
    """An administrator's login, a device, its login, and a status that is answered 204 without a body."""
    told = post(bench, STATUS, REAL_TIME_DATA, device(bench))
    assert (told.status, told.body) == (204, b"")


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        (f"{IDENTITY}/users/login", {"login": LOGIN, "password": "wrong"}, 401),
        (f"{IDENTITY}/user/login", {"login": LOGIN, "password": PASSWORD}, 404),
        (f"{IDENTITY}/devices/login", {"login": LOGIN, "password": PASSWORD}, 401),
        (f"{IDENTITY}/organizations/devices", NEW_DEVICE, 401),
        (STATUS, REAL_TIME_DATA, 401),
    ],
)
def test_a_wrong_login_path_or_order_is_refused(bench: Bench, path: str, content: Any, status: int) -> None:
    """What comes before its login, or logs in as somebody else, gets HP's error with a text as subCode or none."""
    answer = post(bench, path, content)
    assert answer.status == status
    assert json.loads(answer.body)["smsError"]["statusCode"] == status


@pytest.mark.parametrize("wrong", [{"securityPassword": "wrong"}, {"serialNumber": "EX 47/11"}, {"type": ""}])
def test_a_wrong_device_is_refused_or_gets_no_credentials(bench: Bench, wrong: dict[str, str]) -> None:
    """The password is checked again; special characters fail; what is not on HP's list can't log in."""
    answer = post(bench, f"{IDENTITY}/organizations/devices", NEW_DEVICE | wrong, administrator(bench))
    assert answer.status >= 400 or "credentials" not in json.loads(answer.body)


def test_the_administrators_token_tells_no_status(bench: Bench) -> None:
    """A session says which device it is, and a person is none."""
    assert post(bench, STATUS, REAL_TIME_DATA, administrator(bench)).status in {401, 403}
