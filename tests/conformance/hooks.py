"""Schemathesis loads this file where a trial has sessions: every call gets the token of whom it needs."""

from __future__ import annotations

from typing import Any

import schemathesis

from tests.conformance.sessions import TOKEN_NAME, Sessions

CREATED = 201

sessions = Sessions()


class SessionToken:
    """Shows a session's token."""

    def get(self, case: Any, _context: Any) -> str:
        """Give the token of the device whose status it is, else the administrator's."""
        return sessions.token((case.path_parameters or {}).get("deviceId"))

    def set(self, case: Any, token: str, _context: Any) -> None:
        """Put the token into the header."""
        case.headers = {**(case.headers or {}), TOKEN_NAME: token}


def after_call(_context: Any, _case: Any, response: Any) -> None:
    """Remember the credentials of a device that was made."""
    if response.status_code == CREATED:
        sessions.note_device(response.json())


schemathesis.auth(refresh_interval=None)(SessionToken)
schemathesis.hook(after_call)
