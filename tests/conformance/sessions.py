"""The sessions of a trial, in Schemathesis' own process: of the administrator, and of each device that was made."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

TOKEN_NAME = "Indigo-SmS-Auth-Token"
URL_VARIABLE = "CONFORMANCE_URL"
LOGIN_VARIABLE = "CONFORMANCE_LOGIN"
PASSWORD_VARIABLE = "CONFORMANCE_PASSWORD"


class Sessions:
    """Logs in whom a call needs, once each."""

    def __init__(self) -> None:
        self._credentials: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, str] = {}

    def note_device(self, made: Any) -> None:
        """Remember the credentials of a device, which are shown once."""
        if isinstance(made, dict) and "credentials" in made:
            self._credentials[made["id"]] = made["credentials"]

    def token(self, device_id: Any) -> str:
        """Give the token of a device; the administrator's where no such device was made, or another took its place."""
        credentials = self._credentials.get(device_id) if isinstance(device_id, str) else None
        if credentials is not None:
            with suppress(urllib.error.HTTPError):
                return self._opened("devices", credentials)
        administrator = {"login": os.environ[LOGIN_VARIABLE], "password": os.environ[PASSWORD_VARIABLE]}
        return self._opened("users", administrator)

    def _opened(self, who: str, credentials: dict[str, str]) -> str:
        login = credentials["login"]
        if login not in self._tokens:
            request = urllib.request.Request(
                f"{os.environ[URL_VARIABLE]}/{who}/login",
                data=json.dumps(credentials).encode(),
                headers={"Content-Type": "application/json"},
                method="POST",
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                self._tokens[login] = json.load(answer)["authToken"]
        return self._tokens[login]
