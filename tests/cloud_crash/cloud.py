"""PrintOS at the end of a cable, a process of its own that no kill reaches, and all that was ever seen in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from agent.simulator.processes import AgentCommand
from tests.cable import Cable
from tests.crash.documents import make_document
from tests.crash.publisher import SHARED_FOLDER
from tests.crash.verdict import Copy

KEY, SECRET = "demo-key", "demo-secret"
ADDRESS = {"name": "N. Watson", "address1": "1 Primrose Street", "town": "London", "postcode": "E1", "isoCountry": "GB"}
ORDER = {
    "destination": {"name": "psp"},
    "orderData": {
        "items": [{"sku": "card", "components": [{"code": "card"}]}],
        "shipments": [{"shipTo": ADDRESS, "carrier": {"code": "royalmail", "service": "firstclass"}}],
    },
}
"""What every order has."""

PREFLIGHT_SECONDS = STAGE_SECONDS = 0.1
ANSWER_SECONDS = 10.0


class Cloud:
    """The simulator of PrintOS.

    It forgets what is old: `look` remembers what is there, and is to be called before too much has come.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._files: dict[str, tuple[str, bool]] = {}
        self._orders: dict[str, str] = {}

    @property
    def port(self) -> int:
        """Its TCP port."""
        return urlsplit(self._url).port or 0

    def box(self) -> dict[str, Any]:
        """Give the section of agent.toml for Box."""
        return {"key": KEY, "secret_file": self._folder / "secret", "base_url": f"{self._url}/box"}

    def siteflow(self) -> dict[str, Any]:
        """Give the section of agent.toml for Site Flow."""
        order_file = self._folder / "order.json"
        order_file.write_text(json.dumps(ORDER))
        return {**self.box(), "base_url": f"{self._url}/siteflow", "order_file": order_file, "poll_interval": 1}

    def add_fault(self, **query: str) -> None:
        """Have something befall one of the next calls."""
        with urlopen(Request(f"{self._url}/simulator/fault?{urlencode(query)}", b""), timeout=ANSWER_SECONDS):
            return

    def faults(self) -> dict[str, int]:
        """Count the faults: those `waiting`, and those that have `happened`."""
        return dict(self._get("faults"))

    def look(self) -> None:
        """Remember what is there; documents are told by their hashes."""
        report = self._get("report")
        for folder in report["box"]["folders"]:
            for file in folder["files"]:
                self._files[file["id"]] = (file["sha256"], folder["name"] != SHARED_FOLDER)
        for order in report["siteflow"]["orders"]:
            self._orders[order["id"]] = "".join(map(str, order["sha256"]))

    def copies(self, sizes: Mapping[int, int]) -> Iterator[Copy]:
        """Tell what has come; all of it must be whole documents of those sizes."""
        numbers = {hashlib.sha256(make_document(number, size)).hexdigest(): number for number, size in sizes.items()}
        for sha256, is_shown in (*self._files.values(), *((sha256, True) for sha256 in self._orders.values())):
            yield Copy(numbers[sha256], is_whole=True, is_shown=is_shown)

    def _get(self, what: str) -> Any:
        with urlopen(f"{self._url}/simulator/{what}", timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def cloud(folder: Path, line: Cable) -> Iterator[Cloud]:
    """Run PrintOS at the far end of a cable."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "secret"
    secret.write_text(SECRET)
    admin = ("--admin-login", "admin", "--admin-password-file", secret)
    pace = ("--preflight-seconds", str(PREFLIGHT_SECONDS), "--stage-seconds", str(STAGE_SECONDS))
    where = ("--host", line.host, "--port", "0", "--api-key", KEY, "--api-secret-file", secret)
    process = AgentCommand("simulate", "printos", *where, *admin, *pace, log=folder / "printos.log", inside=line.inside)
    process.start()
    try:
        yield Cloud(process.ready()["platform_url"].removesuffix("/platform"), folder)
    finally:
        process.stop()
