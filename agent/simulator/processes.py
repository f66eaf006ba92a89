"""Child processes of the demo and the tests: started, waited for until they are ready, and ended."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import AgentError

READY_SECONDS = 20.0
END_SECONDS = 15.0
POLL_SECONDS = 0.05
LOG_TAIL_BYTES = 2_000

Answer = TypeVar("Answer")


class AgentCommand:
    """A `printos-agent` command that runs until it is stopped; what it logs is kept in a file.

    Args:
        arguments: the command.
        log: the file.
        inside: what runs it elsewhere, such as `ip netns exec` with a namespace.
    """

    def __init__(self, *arguments: str | Path, log: Path, inside: Sequence[str] = ()) -> None:
        self._name = " ".join(map(str, arguments))
        self._arguments = [*inside, sys.executable, "-m", "agent", *map(str, arguments)]
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._child is not None
        return self._child.pid

    def start(self, environment: Mapping[str, str] = {}) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and command
                self._arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **environment},
            )  # fmt: skip

    def ready(self) -> dict[str, Any]:
        """Wait for the JSON line that says where a simulator listens.

        Raises:
            AgentError: it did not say in time; the message has the end of its log.
        """
        assert self._child is not None
        assert self._child.stdout is not None
        speaks, _, _ = select.select([self._child.stdout], [], [], READY_SECONDS)
        line = self._child.stdout.readline() if speaks else b""
        if not line:
            raise AgentError(f"{self._name} did not start: {self.log_tail()}")
        facts: dict[str, Any] = json.loads(line)
        return facts

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the process and give its exit code; one that does not end in time is killed."""
        if self._child is None:
            return 0
        if self._child.poll() is None:
            self._child.send_signal(how)
        try:
            code = self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait(END_SECONDS)
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child = None
        return code

    def log_tail(self) -> str:
        """Give the end of what the process logged."""
        return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip() or "it said nothing"


def ask_agent(config: Path, *arguments: str, text: str | None = None) -> Any:
    """Run one `--json` command of the command line, as a user would, and give its answer.

    Raises:
        AgentError: it failed; the message is its own.
    """
    command: Sequence[str] = [sys.executable, "-m", "agent", "--config", str(config), *arguments, "--json"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own command
    if done.returncode and not done.stdout:
        raise AgentError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{arguments[0]} failed")
    return json.loads(done.stdout)


def wait_for(what: str, look: Callable[[], Answer | None], seconds: float = READY_SECONDS) -> Answer:
    """Look again and again until there is an answer.

    Raises:
        AgentError: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(POLL_SECONDS)
    raise AgentError(f"{what}: not within {seconds:.0f} s")
