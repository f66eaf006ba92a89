"""The agent as its own process, configured by a file, measured from outside by /proc and its notification socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.simulator.processes import AgentCommand, ask_agent, wait_for

READY_SECONDS = 30.0
BASE_TOPIC = "bench"
CONFIG = """
[agent]
id = "bench"
state_dir = "{state_dir}"
log_level = "warning"
[discovery]
mdns = false
snmp = false
[mqtt]
host = "127.0.0.1"
port = {broker_port}
base_topic = "{base_topic}"
"""
PRINTER = """
[[printer]]
uris = ["{uri}"]
alias = "{alias}"
"""


class Gateway:
    """One agent with printers of the configuration.

    Args:
        folder: for its configuration, state and log.
        broker_port: a broker on 127.0.0.1.
        printers: the URI of each printer by its alias.
    """

    def __init__(self, folder: Path, *, broker_port: int, printers: dict[str, str]) -> None:
        self.config = folder / "agent.toml"
        self._folder = folder
        self._broker_port = broker_port
        self._printers = printers
        self._process = AgentCommand("--config", self.config, "run", log=folder / "agent.log")

    def start(self) -> float:
        """Start it and give the seconds until it said that it is ready.

        Raises:
            TimeoutError: it never said so.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_config()
        address = self._folder / "notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(address))
            listener.settimeout(READY_SECONDS)
            begin = time.monotonic()
            self._process.start({"NOTIFY_SOCKET": str(address)})
            while b"READY=1" not in listener.recv(4096).splitlines():
                listener.settimeout(max(0.1, begin + READY_SECONDS - time.monotonic()))
            return time.monotonic() - begin

    def stop(self) -> None:
        """End it as systemd would."""
        self._process.stop()

    def wait_online(self) -> None:
        """Wait until it has reached every printer."""
        wait_for("every printer online", self._is_everyone_online, READY_SECONDS)

    def ask(self, *command: str) -> Any:
        """Run a command of the command line and give what it answered as JSON."""
        return ask_agent(self.config, *command)

    def memory_mb(self) -> float:
        """Give its resident memory in MB (VmRSS)."""
        return self._memory("VmRSS")

    def peak_memory_mb(self) -> float:
        """Give the most that it has had since `forget_peak` (VmHWM)."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew with what it has now (proc(5): clear_refs)."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _is_everyone_online(self) -> bool:
        printers: Sequence[dict[str, Any]] = self.ask("printers")
        return [printer["online"] for printer in printers] == [True] * len(self._printers)

    def _memory(self, field: str) -> float:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1_000_000 for line in lines if line.startswith(field))

    def _write_config(self) -> None:
        state_dir = self._folder / "state"
        text = CONFIG.format(state_dir=state_dir, broker_port=self._broker_port, base_topic=BASE_TOPIC)
        printers = (PRINTER.format(uri=uri, alias=alias) for alias, uri in self._printers.items())
        self.config.write_text(text + "".join(printers))
