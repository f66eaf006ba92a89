"""What systemd is told, over real datagram sockets, and what the unit file grants."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.systemd import Notifier, notifier

UNIT = Path(__file__).parents[1] / "systemd" / "printos-agent.service"
needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (package systemd)"
)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the datagram socket that a service manager would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_readiness_watchdog_and_stopping_are_told_in_systemds_words(manager: socket.socket) -> None:
    """Each call is one datagram with one assignment of sd_notify(3)."""
    teller = notifier({"NOTIFY_SOCKET": manager.getsockname()})
    teller.ready()
    teller.watchdog()
    teller.stopping()
    assert [manager.recv(256) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_socket_is_told_too() -> None:
    """A NOTIFY_SOCKET that begins with @ is in the abstract namespace, as in containers."""
    name = f"printos-agent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(5)
        Notifier(address="@" + name).ready()
        assert listener.recv(256) == b"READY=1"


def test_without_systemd_nothing_is_told_and_nothing_fails(caplog: pytest.LogCaptureFixture) -> None:
    """The agent runs as well in a terminal."""
    notifier({}).ready()
    assert not caplog.records


def test_a_manager_that_is_gone_is_logged_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A notification is never worth the service."""
    Notifier(address=str(tmp_path / "nobody")).watchdog()
    assert "was not told WATCHDOG" in caplog.text


@needs_systemd_analyze
def test_systemd_understands_every_key_of_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` exits 0 on an unknown key, so its stderr must be empty."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    result = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd_analyze
def test_the_sandbox_leaves_little_exposed() -> None:
    """`systemd-analyze security` rates the unit at most 1.5 of 10."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-400:] + result.stderr
