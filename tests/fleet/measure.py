"""One fleet, one agent, one stretch of time: what the printers saw of it and what the system says it cost."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from agent.errors import AgentError
from agent.simulator.processes import AgentCommand, ask_agent, wait_for
from agent.status import idle_seconds
from tests.fleet.printers import hosts_of_fleet

LATE_LIMIT_SECONDS = 5.0
READ_WITHIN_SECONDS = 60.0
SHARE_DEAD = SHARE_SLOW = 20
"""One printer in so many."""

SAME_READING_SECONDS = 10.0
"""Requests that are no further apart belong to one reading."""

FIND_SECONDS = 600.0
SETTLE_SECONDS = 75.0
TICKS = os.sysconf("SC_CLK_TCK")
CONFIG = """
[agent]
id = "fleet"
state_dir = "{folder}/state"
log_level = "warning"
[discovery]
mdns = false
subnets = ["{network}"]
[snmp]
port = {port}
[mqtt]
host = "127.0.0.1"
port = 9
[printos]
base_url = "http://127.0.0.1:9"
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out; shares are of one core, memory is resident, a reading is late by what it exceeds the pause."""

    printers: int
    live: int
    slow: int
    read: int
    readings: int
    late_seconds_p99: float
    late_seconds_most: float
    cpu_share_of_one_core: float
    memory_mb: float
    memory_growth_mb: float

    def to_json(self) -> dict[str, Any]:
        """Give what machines read."""
        return {
            "printers": self.printers,
            "read": self.read,
            "cpu_share_of_one_core": round(self.cpu_share_of_one_core, 4),
            "late_seconds_p99": round(self.late_seconds_p99, 2),
            "memory_mb": round(self.memory_mb, 1),
        }


def measure(folder: Path, *, printers: int, seconds: float) -> Figures:
    """Have an agent find a fleet, let part of it die or become slow, and watch the rest being read."""
    network = IPv4Network(f"127.20.0.0/{32 - (printers + 1).bit_length()}")
    hosts = hosts_of_fleet(network, printers)
    dead, slow = hosts[::SHARE_DEAD], hosts[1::SHARE_SLOW]
    with fleet(network, printers) as process, AgentProcess(folder, network, process.port) as agent:
        _progress(f"finding {printers} printers")
        wait_for(f"{printers} printers", lambda: _count_online(agent) == printers, FIND_SECONDS)
        process.tell({"silent": dead, "slow": slow})
        _progress(f"{len(dead)} die, {len(slow)} become slow")
        time.sleep(SETTLE_SECONDS)
        begin, before = time.monotonic(), agent.usage()
        _progress(f"measuring for {seconds:.0f} s")
        time.sleep(seconds)
        end, after = time.monotonic(), agent.usage()
        moments = process.report(begin)
    live = [host for host in hosts if host not in set(dead)]
    pause = idle_seconds(printers)
    lateness = sorted(late for host in live for late in _lateness(moments.get(host, ()), pause))
    return Figures(
        printers=printers,
        live=len(live),
        slow=len(slow),
        read=sum(_is_read_in_time(moments.get(host, ()), begin, end) for host in live),
        readings=len(lateness),
        late_seconds_p99=statistics.quantiles(lateness, n=100, method="inclusive")[-1]
        if len(lateness) > 1
        else float("inf"),
        late_seconds_most=max(lateness, default=float("inf")),
        cpu_share_of_one_core=(after.cpu_seconds - before.cpu_seconds) / (end - begin),
        memory_mb=after.memory_mb,
        memory_growth_mb=after.memory_mb - before.memory_mb,
    )


def readings(moments: Sequence[float]) -> list[float]:
    """Give when each reading began, of the moments at which a printer was asked for values."""
    return [at for before, at in pairwise((float("-inf"), *moments)) if at - before > SAME_READING_SECONDS]


def _lateness(moments: Sequence[float], pause_seconds: float) -> Iterator[float]:
    """Give how long after an idle printer's pause each reading began."""
    return (max(0.0, at - before - pause_seconds) for before, at in pairwise(readings(moments)))


def _is_read_in_time(moments: Sequence[float], begin: float, end: float) -> bool:
    return all(after - before <= READ_WITHIN_SECONDS for before, after in pairwise((begin, *readings(moments), end)))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    memory_mb: float


class FleetProcess:
    """The process of `tests.fleet.printers`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._answer()["port"])

    def tell(self, order: Mapping[str, Any]) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def report(self, since: float) -> Mapping[str, Sequence[float]]:
        """Give the moments since then at which each host was asked."""
        self.tell({"report": since})
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class AgentProcess:
    """The agent, watched from outside."""

    def __init__(self, folder: Path, network: IPv4Network, port: int) -> None:
        self.config = folder / "agent.toml"
        self.config.write_text(CONFIG.format(folder=folder, network=network, port=port))
        self._command = AgentCommand("--config", self.config, "run", log=folder / "agent.log")

    def __enter__(self) -> Self:
        """Start it."""
        self._command.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._command.stop()

    def usage(self) -> Usage:
        """Read what it has used (proc(5))."""
        fields = Path(f"/proc/{self._command.pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{self._command.pid}/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        return Usage((int(fields[11]) + int(fields[12])) / TICKS, kilobytes * 1024 / 1_000_000)


@contextmanager
def fleet(network: IPv4Network, printers: int) -> Iterator[FleetProcess]:
    """Run a fleet in a process of its own."""
    command = [sys.executable, "-m", "tests.fleet.printers", "--network", str(network), "--printers", str(printers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield FleetProcess(process)


def _count_online(agent: AgentProcess) -> int:
    try:
        return sum(printer["online"] for printer in ask_agent(agent.config, "printers"))
    except AgentError:
        return 0


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
