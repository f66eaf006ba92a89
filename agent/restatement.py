"""The retained topics as they should be now, put into the outbox again for a broker that may hold others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.outbox import Note, Outbox
from agent.registry import Registry
from agent.spool import Spool
from agent.store import Store


class Restatement:
    """Tells printers and jobs again.

    Args:
        store: the one that the outbox is in.
        outbox: takes what is told.
        registry: the printers.
        spool: the jobs.
        retain_final_jobs: whether the topics of ended jobs are retained.
        others: each tells again what else is retained; only for a broker that has forgotten everything.
    """

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        registry: Registry,
        spool: Spool,
        retain_final_jobs: bool,
        others: Sequence[Callable[[], None]],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._registry = registry
        self._spool = spool
        self._retain_final_jobs = retain_final_jobs
        self._others = others

    def restate(self, has_forgotten: bool) -> None:
        """Tell everything that lives, and ended jobs only to a broker that has forgotten them."""
        with self._store.transaction():
            for printer in self._registry.printers():
                state = b"online" if printer.online else b"offline"
                self._outbox.put(Note(f"printers/{printer.id}", _payload(printer.to_json()), retain=True))
                self._outbox.put(Note(f"printers/{printer.id}/availability", state, retain=True))
            for job in self._spool.jobs(live=not (has_forgotten and self._retain_final_jobs)):
                self._outbox.put(Note(f"jobs/{job.id}", _payload(job.to_json()), retain=True))
        if has_forgotten:
            for restate in self._others:
                restate()


def _payload(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
