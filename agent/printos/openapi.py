"""The Device API as the published OpenAPI describes it: devices are listed, created and told their status by id.

It leaves authentication open. Here a person logs in, creates the device and logs out; the device logs in with the
credentials that came with it and shows its token (`session`), or nobody logs in (`none`, `bearer`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from agent.credentials import DeviceLogin
from agent.device_report import DeviceReport
from agent.device_states import Trace
from agent.errors import CloudError, CloudRefusedError, ConflictError, RefusedError, SessionExpiredError
from agent.http import HttpClient
from agent.model import Clock, Printer
from agent.printos.administrator import Administrator, is_device_id, made_device
from agent.printos.exchange import Exchange, Request, checked, parse_json
from agent.printos.mapping import metrics, state_word
from agent.printos.session import DEFAULT_RULES, SessionRules, Sessions, renew

log = logging.getLogger(__name__)

DEVICES_PATH = "/devices"
TRACE_TIMEOUT_SECONDS = 10.0
NO_SUCH_CALL = frozenset({404, 405, 501})

Auth = Literal["session", "none", "bearer"]


class OpenApi:
    """The OpenAPI dialect.

    Args:
        http: the transport.
        base_url: such as `https://printos.api.hp.com`.
        now: the present.
        auth: who proves what: `session` as above, `none` nobody anything, `bearer` the agent by one token.
        bearer: that token.
        administrator_login_path: where a person logs in; empty for `/users/login`.
        administrator_logout_path: where a person logs out; empty for `/users/logout`.
        device_login_path: where a device logs in; empty for `/devices/login`.
        rules: what is not documented of sessions.
        monotonic: the clock of the sessions, in seconds.
    """

    replaces_unasked = False

    def __init__(
        self,
        *,
        http: HttpClient,
        base_url: str,
        now: Clock,
        auth: Auth = "session",
        bearer: str | None = None,
        administrator_login_path: str = "",
        administrator_logout_path: str = "",
        device_login_path: str = "",
        rules: SessionRules = DEFAULT_RULES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = Exchange(http=http, base_url=base_url, bearer=bearer if auth == "bearer" else None)
        self._administrator = Administrator(
            exchange=self._exchange,
            login_path=administrator_login_path or "/users/login",
            logout_path=administrator_logout_path or "/users/logout",
            now=now,
        )
        self._sessions = Sessions(path=device_login_path or "/devices/login", now=now, monotonic=monotonic, rules=rules)
        self.needs_login = auth == "session"

    @property
    def logins(self) -> int:
        """How often devices have logged in."""
        return self._sessions.logins

    @property
    def login_problem(self) -> str:
        """Why no device can log in, empty where they can."""
        return self._sessions.problem

    def check_printer(self, printer: Printer, *, device_type: str, model: str) -> None:
        """Make sure that a device can be asked for; no type is needed.

        Raises:
            RefusedError: nothing is known that would tell the device from another.
        """
        del device_type
        if not model and not printer.identity.serial:
            raise RefusedError(
                "the printer tells neither model nor serial number: name it as printos_serial in [[printer]]"
            )

    def login_administrator(self, login: str, password: str) -> str:
        """Log a person in and give the session's token; empty where nobody needs to, or can: the document has no login.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        if not self.needs_login:
            return ""
        try:
            return self._administrator.login(login, password)
        except CloudRefusedError as error:
            if error.status not in NO_SUCH_CALL:
                raise
            log.info("PrintOS has no login for people, so devices are made without one: %s", error)
            return ""

    def provision_device(
        self, printer: Printer, *, device_type: str, model: str, replace: bool, token: str, password: str
    ) -> DeviceLogin:
        """Adopt the device of the same model and serial, else create it.

        Args:
            printer: the printer.
            device_type: not needed here.
            model: its model; may be empty.
            replace: create it, whatever is there already.
            token: the administrator's session; may be empty.
            password: not needed here.

        Raises:
            ConflictError: the device exists, and its credentials are needed and not here.
            CloudError: PrintOS refuses, or can't be reached.
        """
        del device_type, password
        serial = (printer.identity.serial or "").strip()
        known = None if replace else self.find_device(model, serial, token=token)
        if known is not None and self.needs_login:
            raise ConflictError(f"PrintOS has this device already, as {known}, and its credentials are not here")
        if known is not None:
            return DeviceLogin(known, serial=serial)
        body = {"model": model, "serialNumber": serial, "location": printer.identity.location}
        given = {name: value for name, value in body.items() if value}
        answer = checked(self._exchange.send(Request("POST", DEVICES_PATH, given, token or None)))
        content = parse_json(answer.body)
        device = content if isinstance(content, dict) else {}
        return made_device(device.get("id"), device.get("credentials"), serial=serial, status=answer.status)

    def find_device(self, model: str, serial: str, *, token: str) -> str | None:
        """Give the id of the device of this model and serial; None where there is none, or either is unknown.

        Raises:
            CloudError: PrintOS refuses, or can't be reached.
        """
        if not model or not serial:
            return None
        answer = checked(self._exchange.send(Request("GET", DEVICES_PATH, token=token or None)))
        same = matching(parse_devices(parse_json(answer.body)), model, serial)
        if len(same) > 1:
            log.warning("PrintOS has %d devices of %s %s; the newest is taken", len(same), model, serial)
        return same[0]["id"] if same else None

    def trace_device(self, device: DeviceLogin, *, model: str, witness: DeviceLogin | None) -> Trace:
        """Look in PrintOS's list for a device that it refuses, by the session of another where one is needed."""
        request = Request("GET", DEVICES_PATH)
        try:
            if self.needs_login and witness is not None:
                flow = self._sessions.of(witness).authorised(request)
                answer = checked(self._exchange.run(flow, timeout_seconds=TRACE_TIMEOUT_SECONDS))
            else:
                answer = checked(self._exchange.send(request, timeout_seconds=TRACE_TIMEOUT_SECONDS))
        except CloudError as error:
            log.info("PrintOS does not tell what became of device %s: %s", device.device_id, error)
            return "unknown"
        devices = parse_devices(parse_json(answer.body))
        if any(listed["id"] == device.device_id for listed in devices):
            return "there"
        return "replaced" if matching(devices, model, device.serial) else "gone"

    def end_session(self, device: DeviceLogin) -> None:
        """Forget a device's session, where it has one."""
        self._sessions.end(device)

    def logout_administrator(self, token: str) -> None:
        """End a person's session, where there is one."""
        if token:
            self._administrator.logout(token)

    def login_device(self, device: DeviceLogin) -> None:
        """Open a device's session, where it has one.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        if self.needs_login:
            self._exchange.run(self._sessions.of(device).open())

    def renew_sessions(self, *, most: int, timeout_seconds: float) -> None:
        """Log in `most` of the devices at the most whose sessions end soon, and whose turn it is; raises nothing."""
        renew(self._exchange, self._sessions, most=most, timeout_seconds=timeout_seconds)

    def post_status(self, device: DeviceLogin, report: DeviceReport, *, timeout_seconds: float) -> None:
        """Tell how a printer is; what it has to do has no place in this dialect.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        body = {"status": self.status_word(report), "metrics": metrics(report.printer)}
        request = Request("PUT", f"{DEVICES_PATH}/{quote(device.device_id, safe='')}/status", body)
        if self.needs_login:
            flow = self._sessions.of(device).authorised(request)
            checked(self._exchange.run(flow, timeout_seconds=timeout_seconds))
            return
        try:
            checked(self._exchange.send(request, timeout_seconds=timeout_seconds))
        except SessionExpiredError as error:
            raise CloudRefusedError(
                f"PrintOS wants another authorisation ([printos] auth): {error}", status=401
            ) from error

    def status_word(self, report: DeviceReport) -> str:
        """Give the word that `post_status` would send; a change of it is worth telling soon."""
        return state_word(report)


def parse_devices(content: Any) -> tuple[Mapping[str, Any], ...]:
    """Read a PrintDeviceList; what has no usable id is left out."""
    devices = content.get("devices") if isinstance(content, dict) else None
    listed = devices if isinstance(devices, list) else []
    return tuple(device for device in listed if isinstance(device, dict) and is_device_id(device.get("id")))


def matching(devices: Iterable[Mapping[str, Any]], model: str, serial: str) -> list[Mapping[str, Any]]:
    """Give the devices of a model and serial number, the newest first; case and spaces don't count."""
    wanted = (_plain(model), _plain(serial))
    same = [it for it in devices if (_plain(it.get("model")), _plain(it.get("serialNumber"))) == wanted]
    return sorted(same, key=lambda it: str(it.get("registeredAt")), reverse=True) if all(wanted) else []


def _plain(text: object) -> str:
    return " ".join(text.split()).casefold() if isinstance(text, str) else ""
