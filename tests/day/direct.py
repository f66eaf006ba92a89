"""The pretended PrintOS without a network: the calls of its platform dialect, answered where they are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from agent.errors import AnswerLostError
from agent.http import Answer, HttpClient
from agent.printos.platform import Platform
from agent.simulator.printos_cloud import Device, Dialect, PretendCloud
from agent.simulator.printos_dialects import PlatformSide
from agent.simulator.printos_http import Call, RefusalError, Reply, sms_error
from tests.printos_parts import LOGIN, PASSWORD, Ticker

BASE_URL = "http://printos.example/platform"
SESSION_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Is told of each login and each status of a device, by its serial number, and of each call that failed."""

    login: Callable[[str], None]
    status: Callable[[str, str], None]
    failure: Callable[[], None]


class WatchedCloud(PretendCloud):
    """The cloud, and somebody who watches its doors."""

    def __init__(self, ticker: Ticker, watch: Watch) -> None:
        super().__init__(
            admin_login=LOGIN,
            admin_password=PASSWORD,
            session_seconds=SESSION_SECONDS,
            status_seconds=0,
            state_file=None,
            monotonic=ticker,
            now=ticker.now,
        )
        self._watch = watch

    def login_device(self, dialect: Dialect, login: str, password: str) -> str:
        """Log a device in, and tell."""
        token = super().login_device(dialect, login, password)
        self._watch.login(self.device(token).serial)
        return token

    def tell(self, device: Device, status: str, told: Mapping[str, Any]) -> None:
        """Take a status, and tell."""
        super().tell(device, status, told)
        self._watch.status(device.serial, status)


class DirectHttp:
    """Stands in for the HTTP client; what asks it is the agent's own code down to the last header."""

    def __init__(self, cloud: PretendCloud, watch: Watch) -> None:
        self._cloud = cloud
        self._watch = watch
        self._routes = {(route.method, route.path): route.answer for route in PlatformSide(cloud).routes()}

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, **_limits: object
    ) -> Answer:
        """Answer a request, or end the connection."""
        path = urlsplit(url).path
        outage = self._cloud.outage()
        if outage == "drop":
            self._watch.failure()
            raise AnswerLostError("the connection has ended")
        try:
            reply = (
                _out_of_order() if outage else self._routes[method, path](Call(method, path, {}, headers, body or b""))
            )
        except RefusalError as refusal:
            self._watch.failure()
            reply = Reply(refusal.status, sms_error(refusal), refusal.headers)
        content = b"" if reply.content is None else json.dumps(reply.content).encode()
        return Answer(reply.status, reply.headers, content)


def _out_of_order() -> Reply:
    raise RefusalError(503, "out of order")


def platform(cloud: PretendCloud, ticker: Ticker, watch: Watch) -> Platform:
    """Give a client of the platform dialect."""
    http = cast("HttpClient", DirectHttp(cloud, watch))
    return Platform(http=http, base_url=BASE_URL, now=ticker.now, monotonic=ticker)
