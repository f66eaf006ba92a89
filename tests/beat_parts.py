"""What the tests of Print Beat share: a simulator with presses, clients with this or that key, and the service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.beat import Beat
from agent.outbox import Outbox
from agent.printos.print_beat import PrintBeat
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, sign_printos
from agent.simulator.print_beat import PrintBeatSide
from agent.store import Store
from tests.printos_parts import Bench, printos

KEYS = {"api_key": "demo-key", "api_secret": "demo-secret"}
JOBS_KEYS = {"jobs_api_key": "jobs-key", "jobs_api_secret": "jobs-secret"}
DATA_KEY = ApiKey("demo-key", "demo-secret")
JOBS_KEY = ApiKey("jobs-key", "jobs-secret")
PRESSES = ("40000001", "40000002")


@contextmanager
def print_beat(**options: Any) -> Iterator[Bench]:
    """Run a simulator with two presses, whose one key has both roles unless `options` say otherwise."""
    with printos(**{**KEYS, **options}) as bench:
        side(bench).presses.update(dict.fromkeys(PRESSES, "UP"))
        yield bench


def live() -> AbstractContextManager[Bench]:
    """Run a simulator by the clock of the wall, which whole processes go by."""
    return print_beat(ticker=WallClock())


class WallClock:
    """The present."""

    def __call__(self) -> float:
        """Give the seconds."""
        return time.monotonic()

    def now(self) -> datetime:
        """Give the date."""
        return datetime.now(UTC)


def side(bench: Bench) -> PrintBeatSide:
    """Give the simulator's Print Beat."""
    return bench.simulator.beat


def printed(bench: Bench, *names: str, press: str = PRESSES[0]) -> None:
    """Let a press have printed jobs of these names."""
    for name in names:
        side(bench).add(press, name, 10)


def client(
    bench: Bench, *, data: ApiKey | None = DATA_KEY, jobs: ApiKey | None = DATA_KEY, **options: Any
) -> PrintBeat:
    """Give a client with these keys."""

    def exchange(key: ApiKey | None) -> SignedExchange | None:
        if key is None:
            return None
        url = f"{bench.simulator.url}/printbeat"
        return SignedExchange(
            service="Print Beat", http=bench.http, base_url=url, key=key, sign=sign_printos, now=bench.ticker.now
        )

    settings = {"devices_as": "repeated", "unit_system": "Metric", **options}
    return PrintBeat(data=exchange(data), jobs=exchange(jobs), **settings)


class Follower:
    """The service on a disk, with what it told."""

    def __init__(self, folder: Path, bench: Bench, source: Any = None, **options: Any) -> None:
        self.bench = bench
        self.store = Store(folder / "agent.db")
        self.devices: Sequence[str] = PRESSES
        self._source = source or client(bench)
        self._options = {"interval_seconds": 300, "begin": "beginning", **options}
        self.restart()

    def restart(self) -> None:
        """End, as by a kill, and begin with what is on the disk."""
        self.store.close()
        self.store.open()
        self.outbox = Outbox(self.store, now=self.bench.ticker.now)
        self.outbox.open()
        self.beat = Beat(
            print_beat=self._source,
            devices=lambda: self.devices,
            store=self.store,
            outbox=self.outbox,
            monotonic=self.bench.ticker,
            **self._options,
        )
        self.beat.open()

    def run(self, seconds: float) -> None:
        """Let it do its work for a while of the fake clock."""
        end = self.bench.ticker() + seconds
        while self.bench.ticker() < end:
            self.bench.ticker.advance(min(max(self.beat.step(), 0.01), end - self.bench.ticker()))

    def told(self) -> list[tuple[str, Any]]:
        """Take what was told since the last time, with its topic; None where one was cleared."""
        notes = self.outbox.take(100_000)
        self.outbox.done(number for number, _ in notes)
        return [(note.topic, json.loads(note.payload) if note.payload else None) for _, note in notes]

    def jobs(self) -> list[str]:
        """Take the names of the jobs that were told since the last time."""
        return [facts["jobName"] for topic, facts in self.told() if topic.startswith("beat/jobs/")]
