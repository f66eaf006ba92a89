"""What to send with the report of a fault, in one file: how the agent is, and never a secret.

Nothing in it comes from a file of secrets: agent.toml has only the names of these, and no answer of the agent has any.
What people called their jobs, and who they are, is left out, but for what the log has: it names files of hot folders.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from agent import __version__
from agent.cli import client, state
from agent.cli.check_box import SERVICE, SYSTEMD_RUNS
from agent.cli.finding import Finding
from agent.cli.settings import effective
from agent.config_schema import Config
from agent.errors import AgentError, InputError

LOG_LINES = 5000
LOG_SECONDS = 20.0

Look = Callable[[], Any]


def write_bundle(file: Path, config: Config | None, findings: Iterable[Finding]) -> None:
    """Write the file, which only its owner may read; what can't be looked at is in it as the reason why.

    Args:
        file: a new file.
        config: None where it is wrong, as a finding says.
        findings: what `doctor` found.

    Raises:
        InputError: the file is there already, or can't be written.
    """
    looks: dict[str, Look] = {
        "doctor.json": lambda: [finding.to_json() for finding in findings],
        "about.json": _about,
        **(_looks(config) if config else {}),
    }
    contents = {name: json.dumps(_looked(look), indent=1).encode() for name, look in looks.items()}
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for name, content in {**contents, "log.txt": _log()}.items():
                entry = tarfile.TarInfo(f"printos-agent/{name}")
                entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error


def _looks(config: Config) -> dict[str, Look]:
    return {
        "config.json": lambda: _impersonal(effective(config)),
        "status.json": lambda: _without(state.read(config, "status"), "user", "file"),
        "printers.json": lambda: state.read(config, "printers"),
        "jobs.json": lambda: _without(state.read(config, "jobs"), "user", "name"),
        "credentials.json": lambda: client.ask(config, "credentials"),
    }


def _looked(look: Look) -> Any:
    try:
        return look()
    except (AgentError, OSError) as error:
        return {"error": str(error)}


def _impersonal(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "user": _without(settings["user"], "name")}


def _without(value: Any, *names: str) -> Any:
    """Leave out what has one of these names, at any depth."""
    if isinstance(value, Mapping):
        return {name: _without(it, *names) for name, it in value.items() if name not in names}
    return [_without(it, *names) for it in value] if isinstance(value, list) else value


def _about() -> dict[str, Any]:
    """Tell the versions of everything."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "os": dict(_os_release()),
        "packages": {package.metadata["Name"]: package.version for package in distributions()},
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _os_release() -> Iterator[tuple[str, str]]:
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        return
    yield from ((name, told[name]) for name in ("NAME", "VERSION", "ID") if name in told)


def _log() -> bytes:
    """Give the end of the service's log, where systemd keeps one."""
    journalctl = shutil.which("journalctl")
    if journalctl is None or not SYSTEMD_RUNS.exists():
        return b"systemd keeps no log here\n"
    command = [journalctl, "--no-pager", "--unit", SERVICE, "--lines", str(LOG_LINES), "--output", "short-iso"]
    try:
        return subprocess.run(command, capture_output=True, timeout=LOG_SECONDS, check=False).stdout  # noqa: S603 - a program of the system
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the log could not be read: {error}\n".encode()
