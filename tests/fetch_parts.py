"""A spool with a fetcher on it, for tests: real files, real connections to loopback, a clock that the test moves."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agent.document_reference import Reference
from agent.download import resolve, trusted
from agent.fetch import Fetcher
from agent.fetch_policy import FetchPolicy
from agent.fetch_transfer import Transfer
from agent.job import Job, Ticket
from tests.conftest import FakeClock
from tests.spool_parts import Parts, nothing

DOCUMENT = b"%PDF-1.7 " + bytes(range(256)) * 1200


@dataclass
class FetchBench:
    """A fetcher that is stepped by hand."""

    parts: Parts
    clock: FakeClock
    allowed_hosts: Sequence[str] = ("127.0.0.1",)
    limit_bytes: int = 10_000_000
    resolve: Callable[[str, int], Sequence[str]] = resolve
    trust: Callable[[], ssl.SSLContext] = field(default=partial(trusted, None))
    beat: Callable[[], None] = nothing
    slowness_seconds: float = 30.0

    def __post_init__(self) -> None:
        transfer = Transfer(
            policy=FetchPolicy(self.allowed_hosts, limit_bytes=self.limit_bytes),
            resolve=self.resolve,
            trust=self.trust,
            documents=self.parts.spool.incoming,
            slowness_seconds=self.slowness_seconds,
        )
        self.fetcher = Fetcher(
            documents=self.parts.spool.incoming,
            transfer=transfer,
            beat=self.beat,
            monotonic=lambda: self.clock().timestamp(),
        )

    def accept(self, url: str, document: bytes = DOCUMENT, *, size: int | None = None, **ticket: Any) -> Job:
        """Accept a ticket whose document is elsewhere, with the hash of `document`."""
        reference = Reference(url, hashlib.sha256(document).hexdigest(), size)
        asked = Ticket(printer="p", **ticket)
        return self.parts.accept(asked, reference, document_format="application/octet-stream").job

    def fetch(self, *, tries: int = 1) -> Job:
        """Step so many times, with the longest pause before each but the first; give the newest job."""
        for _ in range(tries):
            self.fetcher.step()
            self.clock.advance(900)
        return self.job()

    def job(self) -> Job:
        """Give the newest job."""
        return self.parts.spool.jobs()[0]

    def files(self) -> list[str]:
        """Name the files of documents."""
        return [path.name for path in self.parts.documents()]
