"""A whole agent for tests, as a process of its own that reaches nothing but loopback and the printers it is given.

agent = RunningAgent(tmp_path, mqtt={"port": broker.port}, printers=[{"alias": "desk", "uris": [uri]}])
with agent:
    agent.job("order-17", "completed")
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from agent.cli import client
from agent.config import load_config
from agent.errors import AgentError, NotFoundError
from agent.simulator.processes import AgentCommand, ask_agent, wait_for

PATIENCE_SECONDS = 20.0
COMMAND_SECONDS = 60.0
MARK = "--- the next command ---\n"
ONE_AFTER_ANOTHER = f"""
import sys
from agent.__main__ import main
for command in sys.argv[2:]:
    print({MARK!r}, end="", flush=True)
    main(["--config", sys.argv[1], "-v", *command.split()])
    sys.stdout.flush()
"""
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: an agent that is given no PrintOS must not find the real one."""

Table = Mapping[str, Any]
Answer = TypeVar("Answer")


class RunningAgent:
    """An agent with a state folder of its own; it looks for printers nowhere but where its configuration says.

    Args:
        folder: where agent.toml, the log and the state folder are, made if need be.
        agent_id: its name, which its topics are called by.
        printers: the `[[printer]]`s.
        sections: more sections of agent.toml, by name; their keys go before those of the defaults here.
    """

    def __init__(
        self, folder: Path, *, agent_id: str = "site-7", printers: Iterable[Table] = (), **sections: Table
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "agent.toml"
        self.base_topic = f"printos/{agent_id}"
        self._log = folder / "agent.log"
        self.config.write_text(write_toml(_defaults(folder, agent_id), sections, printers))
        self._process = AgentCommand("--config", self.config, "run", log=self._log)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; where the test has failed, its log is printed."""
        self.stop()
        if kind is not None:
            print(self.log())

    def start(self) -> None:
        """Start it and wait until it answers the command line."""
        self._process.start()
        self.until("the agent to answer", lambda: self.ask("status"))

    def stop(self) -> int:
        """End it by SIGTERM, as systemd does; gives its exit code."""
        return self._process.stop()

    def kill(self) -> None:
        """End it as a crash or a power cut does."""
        self._process.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        return self._process.pid

    def log(self) -> str:
        """Give what it has logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def ask(self, command: str, **arguments: Any) -> Any:
        """Ask it over its socket, as the command line does: `ask("jobs.show", id="order-17")`."""
        return client.ask(load_config(self.config), command, arguments)

    def run(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the command line to its end."""
        return run_command("--config", self.config, *arguments, text=text)

    def run_all(self, *commands: str) -> dict[str, bytes]:
        """Run commands one after another, as talkatively as can be, and give what each said, by one process."""
        arguments = [sys.executable, "-c", ONE_AFTER_ANOTHER, str(self.config), *commands]
        done = subprocess.run(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS, check=True
        )
        said = done.stdout.split(MARK.encode())[1:]
        return dict(zip(commands, said, strict=True))

    def run_json(self, *arguments: str, text: str | None = None) -> Any:
        """Run a command with `--json` and give its answer."""
        return ask_agent(self.config, *arguments, text=text)

    def until(self, what: str, look: Callable[[], Answer | None]) -> Answer:
        """Look until there is an answer; while the agent doesn't answer, there is none."""

        def patiently() -> Answer | None:
            with contextlib.suppress(AgentError):
                return look()
            return None

        try:
            return wait_for(what, patiently, PATIENCE_SECONDS)
        except AgentError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def job(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of these states and give it."""
        seen: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            with contextlib.suppress(NotFoundError):
                seen.update(self.ask("jobs.show", id=job_id))
            return seen if seen.get("state") in states else None

        try:
            return self.until(f"job {job_id} {' or '.join(states)}", look)
        except AssertionError as error:
            raise AssertionError(f"{seen}\n{error}") from error

    def printer(self, printer: str, **facts: Any) -> dict[str, Any]:
        """Wait until a printer is as these facts say and give it."""

        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.ask("printers.show", id=printer)
            return shown if all(shown[name] == value for name, value in facts.items()) else None

        return self.until(f"{printer} with {facts}", look)

    def connected(self) -> None:
        """Wait until it is connected to its broker."""
        self.until("the broker", lambda: self.ask("status")["broker"]["state"] == "connected")


def run_command(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `printos-agent` to its end, with `text` as its standard input."""
    command = [sys.executable, "-m", "agent", *map(str, arguments)]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip


def write_toml(defaults: Mapping[str, Table], sections: Mapping[str, Table], printers: Iterable[Table]) -> str:
    """Write agent.toml; what JSON writes of texts, numbers and lists of them is TOML too."""
    parts: list[tuple[str, Table]] = [
        (f"[{name}]", {**defaults.get(name, {}), **sections.get(name, {})}) for name in {**defaults, **sections}
    ]
    parts += [("[[printer]]", printer) for printer in printers]
    return "\n\n".join("\n".join([head, *_lines(values)]) for head, values in parts) + "\n"


def _lines(values: Table) -> list[str]:
    return [f"{name} = {json.dumps(value, default=str, ensure_ascii=False)}" for name, value in values.items()]


def _defaults(folder: Path, agent_id: str) -> dict[str, Table]:
    return {
        "agent": {"id": agent_id, "state_dir": folder / "state"},
        "discovery": {"mdns": False, "snmp": False},
        "mqtt": {"host": "127.0.0.1", "port": 9},
        "printos": {"base_url": NOWHERE, "status_interval": 1},
    }
