"""The agent that is killed: a process as any other, started, looked at and ended by SIGKILL."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.crash.launcher import MARK

REPOSITORY = Path(__file__).parents[2]
NOT_TALKING = frozenset({"06", "07", "0A"})
"""States of /proc/net/tcp in which a socket carries nothing any more, or nothing yet: TIME_WAIT, CLOSE, LISTEN."""

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.001


class Victim:
    """One agent after the other with the same configuration.

    Args:
        config: its agent.toml.
        log: where its log goes, and the points that it passes while it is watched.
    """

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self._points = log.with_name("points.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the agent as its users do."""
        self._run("-m", "agent", "--config", str(self._config), "run")

    def start_watched(self, *commands: str) -> None:
        """Start it by the launcher, with commands that it obeys from the start."""
        self._run("-m", "tests.crash.launcher", str(self._config), *commands)

    def command(self, line: str) -> None:
        """Have the launcher obey, from now on."""
        process, before = self._running(), self._obeyed()
        assert process.stdin is not None
        process.stdin.write(f"{line}\n".encode())
        process.stdin.flush()
        self._wait("the launcher to obey", lambda: self._obeyed() > before)

    def points(self) -> list[str]:
        """Give the points that it has passed since the last command, as far as it was watched."""
        passed = self._points.read_text().rpartition(MARK)[2]
        return passed.split("\n")[:-1]

    def is_stopped(self) -> bool:
        """Whether it stands still, as SIGSTOP leaves it."""
        with contextlib.suppress(FileNotFoundError):
            stat = Path(f"/proc/{self._running().pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        return False

    def is_running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None

    def has_ended(self) -> bool:
        """Whether it has ended by itself, which no agent does."""
        return self._running().poll() is not None

    def stop_still(self) -> None:
        """Have it stand still where it is."""
        self._running().send_signal(signal.SIGSTOP)
        self._wait("the agent to stop", self.is_stopped)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None

    def _obeyed(self) -> int:
        return self._points.read_text().count(MARK)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(POLL_SECONDS)

    def _run(self, *arguments: str) -> None:
        with self._log.open("ab") as log, self._points.open("wb") as points:
            self._process = _spawn(arguments, log, points)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


def is_talking_to(port: int) -> bool:
    """Whether anything on this host has a connection open to a TCP port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(remote.endswith(f":{port:04X}") and state not in NOT_TALKING for remote, state in map(_ends, lines))


def _ends(line: str) -> tuple[str, str]:
    fields = line.split()
    return fields[2], fields[3]


def _spawn(arguments: tuple[str, ...], log: IO[bytes], points: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=points, stderr=log, cwd=REPOSITORY
    )
