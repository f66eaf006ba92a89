"""The calls that the pretended PrintOS takes: HP's platform, the published OpenAPI, and what steers the simulator."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from agent.simulator.printos_cloud import SERIAL_PATTERN, Device, Dialect, PretendCloud, is_self_provisionable
from agent.simulator.printos_http import TOKEN_NAME, Call, RefusalError, Reply, Route, check_fields, check_types

MOMENT_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
DEVICE_STATES = frozenset({"DS_ON", "DS_OFF", "DS_PRINTING", "DS_STANDBY", "DS_ERROR", "DS_RIPPING"})
LOGIN = {"login": str, "password": str}
NEW_PLATFORM_DEVICE = {"name": str, "serialNumber": str, "model": str, "type": str, "securityPassword": str}
NEW_OPENAPI_DEVICE = {"model": str, "serialNumber": str, "location": str}
OPENAPI_STATUS = {"status": str, "metrics": dict}
OPENAPI_METRICS = {"pagesTotal": int, "inkLevel": float}


class PlatformSide:
    """HP's own dialect, below `/platform`."""

    def __init__(self, cloud: PretendCloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        """Give its routes."""
        identity = "/platform/api/aaa/v1"
        return [
            Route("POST", f"{identity}/users/login", lambda call: log_in(self._cloud, None, call)),
            Route("POST", f"{identity}/users/logout", lambda call: log_out(self._cloud, call)),
            Route("POST", f"{identity}/organizations/devices", self.create),
            Route("POST", f"{identity}/devices/login", lambda call: log_in(self._cloud, "platform", call)),
            Route("POST", "/platform/api/system-statistics/v1/devices", self.tell),
        ]

    def create(self, call: Call) -> Reply:
        """Create or replace a device; credentials come only for what is self-provisionable."""
        self._cloud.administrator(call.token())
        content = call.content()
        check_fields(content, NEW_PLATFORM_DEVICE, {"description": str})
        if not self._cloud.is_admin_password(content["securityPassword"]):
            raise RefusalError(403, "securityPassword is not the administrator's password")
        if not content["name"]:
            raise RefusalError(400, "name is empty")
        if not SERIAL_PATTERN.fullmatch(content["serialNumber"]):
            raise RefusalError(400, "serialNumber has special characters, or none at all")
        device = self._cloud.create(
            "platform",
            with_credentials=is_self_provisionable(content["type"], content["model"]),
            name=content["name"],
            type=content["type"],
            model=content["model"],
            serial=content["serialNumber"],
        )
        return Reply(200, {"device": {"deviceId": device.id, "name": device.name}, **_credentials(device)})

    def tell(self, call: Call) -> Reply:
        """Take a device's status; the session says whose."""
        device = self._cloud.device(call.token())
        if device.dialect != "platform":
            raise RefusalError(403, "the device belongs to the other dialect")
        content = call.content()
        check_fields(
            content,
            {"deviceStatus": str},
            {"totalJobs": object, "printTimeComplete": str, "extendedInformation": object},
        )
        if content["deviceStatus"] not in DEVICE_STATES:
            raise RefusalError(400, f"deviceStatus must be one of {', '.join(sorted(DEVICE_STATES))}")
        _check_jobs(content.get("totalJobs", 0))
        if "printTimeComplete" in content:
            _check_moment(content["printTimeComplete"])
        self._cloud.tell(device, content["deviceStatus"], content)
        return Reply(204)


class OpenApiSide:
    """The published OpenAPI, below `/openapi`. Its objects are open: the report names the unknown fields that it took.

    Args:
        cloud: the organisation.
        is_open: demand no tokens, and give no credentials.
        bearer: a token that stands for every session; empty for none.
    """

    def __init__(self, cloud: PretendCloud, *, is_open: bool, bearer: str) -> None:
        self._cloud = cloud
        self._is_open = is_open
        self._bearer = bearer

    def routes(self) -> list[Route]:
        """Give its routes."""
        return [
            Route("POST", "/openapi/users/login", lambda call: log_in(self._cloud, None, call)),
            Route("POST", "/openapi/users/logout", lambda call: log_out(self._cloud, call)),
            Route("POST", "/openapi/devices/login", lambda call: log_in(self._cloud, "openapi", call)),
            Route("GET", "/openapi/devices", self.list),
            Route("POST", "/openapi/devices", self.create),
            Route("PUT", "/openapi/devices/{device_id}/status", self.tell),
        ]

    def list(self, call: Call) -> Reply:
        """List the devices."""
        if not self._is_free(call):
            self._cloud.session(call.token())
        return Reply(200, {"devices": [_print_device(device) for device in self._cloud.devices("openapi")]})

    def create(self, call: Call) -> Reply:
        """Create or replace a device; one that has no credentials is given again as it is."""
        if not self._is_free(call):
            self._cloud.administrator(call.token())
        content = call.content()
        self._cloud.note_unknown(call.path, check_types(content, NEW_OPENAPI_DEVICE))
        model, serial = content.get("model", ""), content.get("serialNumber", "")
        if self._is_free(call) and (known := self._cloud.find_same(model, serial)) is not None:
            return Reply(201, _print_device(known))
        device = self._cloud.create(
            "openapi",
            with_credentials=not self._is_free(call),
            name=f"{model} {serial}".strip(),
            model=model,
            serial=serial,
            location=content.get("location", ""),
        )
        return Reply(201, {**_print_device(device), **_credentials(device)})

    def tell(self, call: Call) -> Reply:
        """Take a device's status."""
        caller = None if self._is_free(call) else self._cloud.device(call.token())
        device = self._cloud.find(call.match["device_id"])
        if caller is not None and caller is not device:
            raise RefusalError(403, "the session is another device's")
        content = call.content()
        self._cloud.note_unknown(call.path, check_types(content, OPENAPI_STATUS))
        self._cloud.note_unknown(call.path, check_types(content.get("metrics", {}), OPENAPI_METRICS))
        self._cloud.tell(device, content.get("status", device.status or ""), content)
        return Reply(200)

    def _is_free(self, call: Call) -> bool:
        """Whether the call needs no session."""
        bearer = call.bearer() or ""
        shown = bool(self._bearer) and secrets.compare_digest(bearer.encode(), self._bearer.encode())
        return self._is_open or shown


class Controls:
    """What steers the simulator, below `/simulator`."""

    def __init__(self, cloud: PretendCloud, *, report: Callable[[], Mapping[str, Any]]) -> None:
        self._cloud = cloud
        self._report = report

    def routes(self) -> list[Route]:
        """Give its routes."""
        return [
            Route("POST", "/simulator/outage", self.begin_outage),
            Route("POST", "/simulator/expire-sessions", self.expire_sessions),
            Route("POST", "/simulator/revoke", self.revoke),
            Route("POST", "/simulator/delete-device", self.delete_device),
            Route("POST", "/simulator/replace-device", self.replace_device),
            Route("POST", "/simulator/hold-serial", self.hold_serial),
            Route("GET", "/simulator/report", lambda _call: Reply(200, self._report())),
        ]

    def begin_outage(self, call: Call) -> Reply:
        """Answer 503, or with `drop=1` nothing at all, for `seconds`."""
        try:
            seconds = float(call.query.get("seconds", ""))
        except ValueError as error:
            raise RefusalError(400, "say how long: ?seconds=N") from error
        self._cloud.begin_outage(seconds, dropping=call.query.get("drop") == "1")
        return Reply(200, {"seconds": seconds})

    def expire_sessions(self, call: Call) -> Reply:
        """End all sessions."""
        del call
        return Reply(200, {"expired": self._cloud.expire_sessions()})

    def revoke(self, call: Call) -> Reply:
        """Make the credentials of the device with this `login` worthless."""
        self._cloud.revoke(call.query.get("login", ""))
        return Reply(200, {})

    def delete_device(self, call: Call) -> Reply:
        """Delete the device with this `id`."""
        self._cloud.delete(call.query.get("id", ""))
        return Reply(200, {})

    def replace_device(self, call: Call) -> Reply:
        """Make the device with this `id` anew, with credentials that nobody is shown."""
        return Reply(200, {"id": self._cloud.replace(call.query.get("id", "")).id})

    def hold_serial(self, call: Call) -> Reply:
        """Let this `serial` number belong to another organisation."""
        serial = call.query.get("serial", "")
        if not serial:
            raise RefusalError(400, "say which: ?serial=…")
        self._cloud.hold_serial(serial)
        return Reply(200, {"serial": serial})


def log_in(cloud: PretendCloud, dialect: Dialect | None, call: Call) -> Reply:
    """Open a session: a device's of this dialect, or without one the administrator's."""
    content = call.content()
    check_fields(content, LOGIN, {})
    login, password = content["login"], content["password"]
    if dialect is None:
        token, who = cloud.login_administrator(login, password), "user"
    else:
        token, who = cloud.login_device(dialect, login, password), "device"
    lifetime = math.ceil(cloud.session_seconds)
    cookie = f"{TOKEN_NAME}={token}; Path=/; Max-Age={lifetime}; HttpOnly"
    body = {"authToken": token, "expiresIn": lifetime, who: {"login": login}}
    return Reply(200, body, {"Set-Cookie": cookie})


def log_out(cloud: PretendCloud, call: Call) -> Reply:
    """End a session."""
    cloud.logout(call.token())
    return Reply(200, {})


def _credentials(device: Device) -> Mapping[str, Any]:
    """Give a new device's credentials, as they are shown once."""
    if device.login is None:
        return {}
    return {"credentials": {"login": device.login, "password": device.password}}


def _print_device(device: Device) -> dict[str, Any]:
    shown = {
        "id": device.id,
        "model": device.model,
        "serialNumber": device.serial,
        "status": device.status,
        "registeredAt": device.registered_at,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _check_jobs(value: Any) -> None:
    """Take a number, or as one of HP's examples has it, its digits as text."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_number and not (isinstance(value, str) and value.isascii() and value.isdigit()):
        raise RefusalError(400, "totalJobs must be a number")


def _check_moment(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusalError(400, "printTimeComplete is no moment that there is") from error
    if not MOMENT_PATTERN.fullmatch(text):
        raise RefusalError(400, "printTimeComplete must be ISO 8601, such as 2024-05-06T07:30:00")
