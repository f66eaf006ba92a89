"""A pretended HP PrintOS that is strict: what the real one would refuse, it refuses, and its report says why.

Both dialects are served on one port, below `/platform` and `/openapi`. The administrator is the one of the options.
Serial numbers that begin with FOREIGN belong to another organisation. `/simulator/…` steers it: `POST outage?seconds=N`
(`&drop=1` for connections that just end), `POST fault?method=…&path=…&when=before|middle|after` (the connection of the
next such call ends there; or `&status=N`), `POST siteflow/throttle?times=N`, `POST expire-sessions`,
`POST revoke?login=…`, `POST delete-device?id=…`, `POST replace-device?id=…` (as from another box),
`POST hold-serial?serial=…` (as by another organisation), `GET report`, `GET faults` (how many wait, and have happened).
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from agent.errors import InputError
from agent.model import Clock
from agent.simulator.box import BoxSide
from agent.simulator.box_shelf import BoxShelf
from agent.simulator.print_beat import DATA, JOBS, PrintBeatSide
from agent.simulator.printos_cloud import PretendCloud
from agent.simulator.printos_dialects import Controls, OpenApiSide, PlatformSide
from agent.simulator.printos_faults import Fault, Faults
from agent.simulator.printos_http import RefusalError, Route
from agent.simulator.printos_server import SiteServer
from agent.simulator.printos_signatures import Signatures
from agent.simulator.printos_uploads import Uploads
from agent.simulator.siteflow import SiteFlowSide
from agent.simulator.siteflow_orders import OrderBook

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class PrintOSOptions:
    """What the command line says.

    Attributes:
        admin_login: the administrator's login.
        admin_password: likewise.
        host: the address to listen on.
        port: the port, 0 for any.
        api_key: the key of the services that sign their requests.
        api_secret: its secret.
        jobs_api_key: the key that reads the attempts of Print Beat; empty for the other one.
        jobs_api_secret: its secret.
        session_seconds: how long a session lives.
        status_seconds: how soon an unchanged status is refused with 429; 0 for never.
        open: the OpenAPI side demands no tokens and gives no credentials.
        bearer_token: a token that the OpenAPI side takes in place of any session's; empty for none.
        state_file: where devices are kept over a restart; None for nowhere.
        preflight_seconds: how long Box looks at a file.
        stage_seconds: how long an order is at each of Site Flow's stages.
        artwork_seconds: how long an order's artwork may stay away before it is in error.
        order_delay_seconds: how long after its creation an order is not shown.
        postback_url: where Site Flow tells of its orders; None for nowhere.
        postback_token: goes with that.
    """

    admin_login: str
    admin_password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    jobs_api_key: str | None = None
    jobs_api_secret: str | None = field(default=None, repr=False)
    session_seconds: float = 1800.0
    status_seconds: float = 0.0
    open: bool = False
    bearer_token: str = field(default="", repr=False)
    state_file: Path | None = None
    preflight_seconds: float = 0.5
    stage_seconds: float = 1.0
    artwork_seconds: float = 5.0
    order_delay_seconds: float = 0.0
    postback_url: str | None = None
    postback_token: str = field(default="", repr=False)


class PrintOSSimulator:
    """The simulator: `start`, then it answers in its own threads, then `stop`."""

    def __init__(
        self,
        options: PrintOSOptions,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._options = options
        self._monotonic = monotonic
        self.now = now
        self.routes: list[Route] = []
        self.faults = Faults()
        secrets = {options.api_key: options.api_secret} if options.api_key and options.api_secret else {}
        self.signatures = Signatures(secrets, now=now)
        self.uploads = Uploads(now=now)
        shelf = BoxShelf(
            uploads=self.uploads, preflight_seconds=options.preflight_seconds, monotonic=monotonic, now=now
        )
        self.box = BoxSide(shelf, self.signatures)
        book = OrderBook(
            uploads=self.uploads,
            stage_seconds=options.stage_seconds,
            error_seconds=options.artwork_seconds,
            delay_seconds=options.order_delay_seconds,
            postback_url=options.postback_url,
            postback_token=options.postback_token,
            monotonic=monotonic,
            now=now,
        )
        self.siteflow = SiteFlowSide(book, self.signatures)
        self.beat = self._print_beat(secrets)
        self._cloud: PretendCloud | None = None
        self._server: SiteServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def cloud(self) -> PretendCloud:
        """What it knows, once started."""
        assert self._cloud is not None
        return self._cloud

    @property
    def url(self) -> str:
        """Where it is, once started."""
        assert self._server is not None
        return f"http://{self._options.host}:{self._server.server_port}"

    def start(self) -> None:
        """Listen and answer.

        Raises:
            InputError: the port is taken.
        """
        options = self._options
        cloud = PretendCloud(
            admin_login=options.admin_login,
            admin_password=options.admin_password,
            session_seconds=options.session_seconds,
            status_seconds=options.status_seconds,
            state_file=options.state_file,
            monotonic=self._monotonic,
            now=self.now,
        )
        cloud.load()
        openapi = OpenApiSide(cloud, is_open=options.open, bearer=options.bearer_token)
        self.routes = [
            *PlatformSide(cloud).routes(),
            *openapi.routes(),
            *Controls(cloud, report=self.report).routes(),
            *self.faults.routes(),
            *self.uploads.routes(),
            *self.box.routes(),
            *self.siteflow.routes(),
            *self.beat.routes(),
        ]
        self._cloud = cloud
        try:
            self._server = SiteServer((options.host, options.port), self)
        except OSError as error:
            raise InputError(f"{options.host}:{options.port}: {error.strerror}") from error
        self.uploads.url = self.url
        self.siteflow.book.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="printos-simulator", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, with every open connection."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join(POLL_SECONDS * 100)
        self.siteflow.book.stop()

    def ready_line(self) -> str:
        """Tell in one line of JSON where it is."""
        services = ("platform", "openapi", "box", "siteflow", "printbeat")
        return json.dumps({"ready": True, **{f"{service}_url": f"{self.url}/{service}" for service in services}})

    def report(self) -> dict[str, Any]:
        """Tell what has happened; no secret is in it."""
        services = {"box": self.box.report(), "siteflow": self.siteflow.report(), "printbeat": self.beat.report()}
        return {**self.cloud.report(), **services}

    def _print_beat(self, secrets: Mapping[str, str]) -> PrintBeatSide:
        """Build Print Beat: the one key has both of its roles, unless there is another for attempts."""
        jobs_key, jobs_secret = self._options.jobs_api_key, self._options.jobs_api_secret
        if jobs_key and jobs_secret:
            roles = {**{key: frozenset({DATA}) for key in secrets}, jobs_key: frozenset({JOBS})}
            secrets = {**secrets, jobs_key: jobs_secret}
        else:
            roles = {key: frozenset({DATA, JOBS}) for key in secrets}
        signatures = Signatures(secrets, now=self.now)
        return PrintBeatSide(signatures, roles=roles, monotonic=self._monotonic, now=self.now)

    def outage(self, path: str) -> str | None:
        """Say how it is out of order; what steers it always works."""
        return None if path.startswith("/simulator/") else self.cloud.outage()

    def fault(self, method: str, path: str) -> Fault | None:
        """Give what is to happen to a call; never to one that steers it."""
        return None if path.startswith("/simulator/") else self.faults.take(method, path)

    def refused(self, method: str, path: str, refusal: RefusalError) -> None:
        """Keep a refusal for the report."""
        self.cloud.note_refusal(method, path, refusal)


def serve(options: PrintOSOptions, out: TextIO) -> int:
    """Serve until SIGTERM or SIGINT; the ready line goes to `out`. Gives the exit code.

    Raises:
        InputError: it can't start.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    simulator = PrintOSSimulator(options)
    simulator.start()
    try:
        print(simulator.ready_line(), file=out, flush=True)
        while not stopping.wait(1.0):
            continue
    finally:
        simulator.stop()
    return 0
