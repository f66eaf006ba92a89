"""How the agent is, for people (`status`), dashboards (`bridge/health`) and publishers (`bridge/info`)."""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from agent import __version__
from agent.config_schema import Config
from agent.model import Printer
from agent.outbox import Outbox
from agent.registry import Registry
from agent.spool import Spool
from agent.spool_table import Tally


class Link(Protocol):
    """A session at the broker."""

    last_error: str | None

    @property
    def connected(self) -> bool:
        """Whether the connection is up."""

    @property
    def protocol(self) -> str:
        """The MQTT version that is spoken."""


class Health:
    """Gathers what the parts say of themselves; asks nobody outside."""

    def __init__(
        self,
        *,
        config: Config,
        boot_id: str,
        spool: Spool,
        outbox: Outbox,
        registry: Registry,
        tickets: Link,
        commands: Link,
        printos: Callable[[], Mapping[str, Any]],
        destinations: Sequence[str],
        hot_folders: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self._config = config
        self._boot_id = boot_id
        self._spool = spool
        self._outbox = outbox
        self._registry = registry
        self._tickets = tickets
        self._commands = commands
        self._printos = printos
        self._destinations = destinations
        self._hot_folders = hot_folders
        self._started_at = time.monotonic()

    def info(self) -> dict[str, Any]:
        """Give what stays as it is while the agent runs: `bridge/info`."""
        return {
            "id": self._config.agent.id,
            "version": __version__,
            "boot_id": self._boot_id,
            "platform": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "mqtt_version": self._commands.protocol,
            "capabilities": {
                "destinations": list(self._destinations),
                "max_job_bytes": self._config.spool.max_job_bytes,
                "document_url": bool(self._config.fetch.allowed_hosts),
                "retain_final_jobs": self._config.mqtt.retain_final_jobs,
                "printos_dialect": self._config.printos.dialect,
            },
        }

    def health(self) -> dict[str, Any]:
        """Give what changes: `bridge/health`."""
        tally = self._spool.tally()
        return {
            "uptime_seconds": self._uptime_seconds(),
            "memory_bytes": memory_bytes(),
            "spool": _spool_facts(self._config, tally),
            "jobs": dict(tally.by_state),
            "limits": self._limits(),
            "outbox": self._outbox.depth(),
            "broker": self._broker(),
            "printos": dict(self._printos()),
        }

    def status(self) -> dict[str, Any]:
        """Give everything on one screen, for the command line."""
        return status_report(
            self._config,
            self._registry.printers(),
            self._spool.tally(),
            self._outbox.depth(),
            self._spool.accounts.at_limit(),
            agent={"running": True, "boot_id": self._boot_id, "uptime_seconds": self._uptime_seconds()},
            broker=self._broker(),
            printos=self._printos(),
            hot_folders=self._hot_folders(),
        )

    def _limits(self) -> dict[str, int]:
        accounts = self._spool.accounts
        return {"publishers_at_limit": len(accounts.at_limit()), "tickets_refused": accounts.refused}

    def _uptime_seconds(self) -> int:
        return round(time.monotonic() - self._started_at)

    def _broker(self) -> dict[str, Any]:
        both = (self._tickets, self._commands)
        problem = next((link.last_error for link in both if link.last_error), None)
        state = "connected" if all(link.connected for link in both) else "disconnected"
        return {"state": state, "address": _broker_address(self._config), "problem": problem}


def status_report(
    config: Config,
    printers: Sequence[Printer],
    tally: Tally,
    outbox_depth: int,
    at_limit: Sequence[Mapping[str, Any]],
    *,
    agent: Mapping[str, Any],
    broker: Mapping[str, Any],
    printos: Mapping[str, Any],
    hot_folders: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Put together what `printos-agent status --json` shows."""
    return {
        "agent": {"id": config.agent.id, "version": __version__, **agent},
        "broker": dict(broker),
        "printos": dict(printos),
        "jobs": dict(tally.by_state),
        "spool": {**_spool_facts(config, tally), "outbox": outbox_depth},
        "at_limit": list(at_limit),
        "hot_folders": list(hot_folders),
        "printers": [printer.to_json() for printer in printers],
    }


def status_at_rest(
    config: Config,
    printers: Sequence[Printer],
    tally: Tally,
    outbox_depth: int,
    at_limit: Sequence[Mapping[str, Any]],
    *,
    hot_folders: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Give the same of an agent that is not running, from what it left on the disk."""
    return status_report(
        config,
        printers,
        tally,
        outbox_depth,
        at_limit,
        agent={"running": False, "boot_id": None, "uptime_seconds": 0},
        broker={"state": "disconnected", "address": _broker_address(config), "problem": "no agent is running"},
        printos={"state": "disconnected", "problem": "no agent is running"},
        hot_folders=hot_folders,
    )


def memory_bytes() -> int:
    """Give the memory that this process has in RAM now; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def _spool_facts(config: Config, tally: Tally) -> dict[str, int]:
    used = {"used_bytes": tally.document_bytes, "max_bytes": config.spool.max_bytes}
    return {**used, "incoming": tally.incoming}


def _broker_address(config: Config) -> str:
    return f"{config.mqtt.host}:{config.mqtt.port}"
