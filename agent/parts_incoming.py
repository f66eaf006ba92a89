"""The side of the documents that don't come by MQTT: those that tickets name by a URL, and those in hot folders.

web -> Fetcher -> Spool    hot folders -> HotFolders -> Spool
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from agent.clock_watch import ClockWatch
from agent.config_schema import Config, PrinterConfig
from agent.download import resolve, trusted
from agent.fetch import Fetcher
from agent.fetch_policy import FetchPolicy
from agent.fetch_transfer import Transfer
from agent.hot_folder_journal import HotFolderJournal
from agent.hot_folder_state import configured_folders
from agent.hot_folders import HotFolders
from agent.identity import IDENTITY_CONFLICT
from agent.loop import beat
from agent.model import Printer, utc_now
from agent.outbox import Outbox
from agent.registry import Registry
from agent.spool import Spool
from agent.store import Store

if TYPE_CHECKING:
    from agent.hot_folder import HotFolder


class IncomingParts:
    """What fetches documents, and what takes them from hot folders."""

    def __init__(self, config: Config, *, store: Store, outbox: Outbox, registry: Registry, spool: Spool) -> None:
        self._registry = registry
        self._build_fetch(config, spool)
        self._build_hot_folders(config, store, outbox, spool)

    def _build_fetch(self, config: Config, spool: Spool) -> None:
        limit_bytes = min(config.fetch.max_bytes, config.spool.max_job_bytes)
        self.fetch_policy = FetchPolicy(config.fetch.allowed_hosts, limit_bytes=limit_bytes)
        transfer = Transfer(
            policy=self.fetch_policy,
            resolve=resolve,
            trust=cache(partial(trusted, config.fetch.ca_file)),
            documents=spool.incoming,
        )
        self.fetcher = Fetcher(documents=spool.incoming, transfer=transfer, beat=beat)

    def _build_hot_folders(self, config: Config, store: Store, outbox: Outbox, spool: Spool) -> None:
        journal = HotFolderJournal(store, now=utc_now)
        folders = list(self._folders(config, store, outbox, spool, journal))
        self.hot_folders = HotFolders(folders, journal=journal)
        spool.on_end = journal.note_end

    def _folders(
        self, config: Config, store: Store, outbox: Outbox, spool: Spool, journal: HotFolderJournal
    ) -> Iterator[HotFolder]:
        configured = list(configured_folders(config.printers))
        if not configured:
            return
        from agent.hot_folder import HotFolder  # noqa: PLC0415 - only for who has hot folders
        from agent.hot_folder_jobs import HotFolderJobs  # noqa: PLC0415 - the same

        watch = ClockWatch(now=utc_now, monotonic=time.monotonic)
        for printer, folder, name in configured:
            yield HotFolder(
                path=folder,
                name=name,
                settings=config.hot_folder,
                find_printer=partial(self._printer_of, printer),
                jobs=HotFolderJobs(
                    path=folder,
                    settings=config.hot_folder,
                    spool=spool,
                    journal=journal,
                    tell=outbox.put_event,
                    may_judge_age=watch.is_settled,
                ),
                store=store,
                journal=journal,
                tell=outbox.put_event,
            )

    def _printer_of(self, config: PrinterConfig) -> Printer | None:
        """Find the printer of a `[[printer]]`; of two, the one that another has not taken the place of."""
        found = [printer for printer in self._registry.printers() if self._registry.config_for(printer) is config]
        return min(found, key=lambda it: IDENTITY_CONFLICT in it.status.state_reasons, default=None)
