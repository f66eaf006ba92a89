"""What both dialects do as the PSP administrator: log in, read what device was made, log out."""

from __future__ import annotations

import logging
from typing import Any

from agent.credentials import DeviceLogin
from agent.errors import CloudError, CloudRefusedError
from agent.model import Clock
from agent.printos.exchange import Exchange, Request, checked
from agent.printos.login import login_request, parse_login

log = logging.getLogger(__name__)

LONGEST_ID = 200


class Administrator:
    """A person's session: as short as can be, and never renewed."""

    def __init__(self, *, exchange: Exchange, login_path: str, logout_path: str, now: Clock) -> None:
        self._exchange = exchange
        self._login_path = login_path
        self._logout_path = logout_path
        self._now = now

    def login(self, login: str, password: str) -> str:
        """Log a person in and give the session's token.

        Raises:
            CloudRefusedError: PrintOS refuses the login.
            CloudUnreachableError: PrintOS can't be reached.
        """
        answer = self._exchange.send(login_request(self._login_path, login, password))
        return parse_login(answer, now=self._now()).value

    def logout(self, token: str) -> None:
        """End the session; that it could not be ended is only logged, for it ends by itself."""
        try:
            checked(self._exchange.send(Request("POST", self._logout_path, {}, token)))
        except CloudError as error:
            log.info("PrintOS did not log the administrator out; the session ends by itself: %s", error)


def is_device_id(told: Any) -> bool:
    """Whether this may be a device's id, which is logged, shown and part of a URL; HP's have 36 characters."""
    return isinstance(told, str) and 0 < len(told) <= LONGEST_ID and told.isprintable()


def made_device(device_id: Any, credentials: Any, *, serial: str, status: int) -> DeviceLogin:
    """Give the login of a device that was made, without `login` where PrintOS gave no whole credentials.

    Raises:
        CloudRefusedError: PrintOS did not say which device it made.
    """
    if not is_device_id(device_id):
        raise CloudRefusedError("PrintOS answered without saying which device it made", status=status)
    given = credentials if isinstance(credentials, dict) else {}
    login, password = given.get("login"), given.get("password")
    if not (isinstance(login, str) and login and isinstance(password, str)):
        return DeviceLogin(device_id, serial=serial)
    return DeviceLogin(device_id, login, password, serial)
