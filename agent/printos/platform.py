"""HP's own Device API, as its public sample speaks it: sessions by token, `DS_*` states, credentials given once.

Creating a device for a type, model and serial that exist already replaces it, and nothing lists an organisation's
devices: so nothing is adopted here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection

from agent.credentials import DeviceLogin
from agent.device_report import DeviceReport
from agent.device_states import Trace
from agent.errors import (
    AnswerLostError,
    CloudUnreachableError,
    ConfigError,
    RefusedError,
)
from agent.http import HttpClient
from agent.model import Clock, Printer
from agent.printos.administrator import Administrator, made_device
from agent.printos.device_types import doubt
from agent.printos.exchange import Exchange, Request, checked, find_node, parse_json
from agent.printos.mapping import PrintTime, device_status, platform_status
from agent.printos.session import DEFAULT_RULES, SessionRules, Sessions, renew

SERIAL_PATTERN = re.compile(r"[A-Za-z0-9-]{1,64}")


class Platform:
    """The platform dialect.

    Args:
        http: the transport.
        base_url: such as `https://printos.api.hp.com/platform`.
        now: the present.
        identity_version: the version in the paths of the identity service.
        statistics_version: likewise of the service that takes statuses.
        administrator_login_path: where a person logs in; empty for where HP's sample does.
        administrator_logout_path: where a person logs out; HP's documents don't name it: empty for beside the login.
        device_login_path: where a device logs in; empty for where HP's sample does.
        print_time: how a status tells a time.
        extended_information: what a status has of that, in the words of `mapping.EXTENDED`.
        rules: what is not documented of sessions.
        monotonic: the clock of the sessions, in seconds.
    """

    needs_login = True
    replaces_unasked = True

    def __init__(
        self,
        *,
        http: HttpClient,
        base_url: str,
        now: Clock,
        identity_version: str = "v1",
        statistics_version: str = "v1",
        administrator_login_path: str = "",
        administrator_logout_path: str = "",
        device_login_path: str = "",
        print_time: PrintTime = "utc",
        extended_information: Collection[str] = (),
        rules: SessionRules = DEFAULT_RULES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = Exchange(http=http, base_url=base_url)
        self._print_time = print_time
        self._extended = extended_information
        self._status_path = f"/api/system-statistics/{statistics_version}/devices"
        identity = f"/api/aaa/{identity_version}"
        self._devices_path = f"{identity}/organizations/devices"
        self._administrator = Administrator(
            exchange=self._exchange,
            login_path=administrator_login_path or f"{identity}/users/login",
            logout_path=administrator_logout_path or f"{identity}/users/logout",
            now=now,
        )
        self._sessions = Sessions(
            path=device_login_path or f"{identity}/devices/login", now=now, monotonic=monotonic, rules=rules
        )

    @property
    def logins(self) -> int:
        """How often devices have logged in."""
        return self._sessions.logins

    @property
    def login_problem(self) -> str:
        """Why no device can log in, empty where they can."""
        return self._sessions.problem

    def check_printer(self, printer: Printer, *, device_type: str, model: str) -> None:
        """Make sure that a device can be asked for.

        Raises:
            ConfigError: no PrintOS type or model is known for it.
            RefusedError: its serial number is missing or not fit.
        """
        if not device_type or not model:
            raise ConfigError(doubt(device_type, model) or "no printos_type is configured")
        serial = _serial(printer)
        if not serial:
            raise RefusedError("the printer tells no serial number: name it as printos_serial in [[printer]]")
        if not SERIAL_PATTERN.fullmatch(serial):
            raise RefusedError(f"PrintOS takes only letters, digits and - in a serial number, not {serial!r}")

    def login_administrator(self, login: str, password: str) -> str:
        """Log a person in and give the session's token.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        return self._administrator.login(login, password)

    def provision_device(
        self, printer: Printer, *, device_type: str, model: str, replace: bool, token: str, password: str
    ) -> DeviceLogin:
        """Create a printer's device; without `login` in what comes back, PrintOS can't be told its status.

        PrintOS itself replaces a device of the same type, model and serial, so the caller knows that there is none.

        Args:
            printer: the printer.
            device_type: PrintOS's name of its type.
            model: PrintOS's name of its model.
            replace: not needed here.
            token: the administrator's session.
            password: the administrator's password, which PrintOS wants again.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        del replace
        body = {
            "name": printer.label,
            "description": printer.identity.location or printer.identity.make_and_model or printer.label,
            "serialNumber": _serial(printer),
            "model": model,
            "type": device_type,
            "securityPassword": password,
        }
        request = Request("POST", self._devices_path, body, token)
        try:
            answer = checked(self._exchange.send(request))
        except CloudUnreachableError as error:
            if isinstance(error.__cause__, AnswerLostError):
                raise _lost(error) from error
            raise
        content = parse_json(answer.body)
        return made_device(
            find_node(content, "deviceId"),
            find_node(content, "credentials"),
            serial=_serial(printer),
            status=answer.status,
        )

    def logout_administrator(self, token: str) -> None:
        """End a person's session, as far as PrintOS lets us."""
        self._administrator.logout(token)

    def trace_device(self, device: DeviceLogin, *, model: str, witness: DeviceLogin | None) -> Trace:
        """Say that nothing is known of what became of a device: nothing lists them."""
        del device, model, witness
        return "unknown"

    def end_session(self, device: DeviceLogin) -> None:
        """Forget a device's session."""
        self._sessions.end(device)

    def login_device(self, device: DeviceLogin) -> None:
        """Open a device's session.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        self._exchange.run(self._sessions.of(device).open())

    def renew_sessions(self, *, most: int, timeout_seconds: float) -> None:
        """Log in `most` of the devices at the most whose sessions end soon, and whose turn it is; raises nothing."""
        renew(self._exchange, self._sessions, most=most, timeout_seconds=timeout_seconds)

    def post_status(self, device: DeviceLogin, report: DeviceReport, *, timeout_seconds: float) -> None:
        """Tell how a printer is and what it has to do; the session says which device it is.

        Raises:
            CloudError: it is refused, or PrintOS can't be reached.
        """
        status = platform_status(report, print_time=self._print_time, extended=self._extended)
        request = Request("POST", self._status_path, status)
        flow = self._sessions.of(device).authorised(request)
        checked(self._exchange.run(flow, timeout_seconds=timeout_seconds))

    def status_word(self, report: DeviceReport) -> str:
        """Give the word that `post_status` would send; a change of it is worth telling soon."""
        return device_status(report)


def _serial(printer: Printer) -> str:
    return (printer.identity.serial or "").strip()


def _lost(error: CloudUnreachableError) -> CloudUnreachableError:
    return CloudUnreachableError(
        f"{error}; PrintOS may have made the device, but its credentials, shown once, are lost: "
        "activate it again, which replaces that device"
    )
