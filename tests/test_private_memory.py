"""What is in memory stays there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.running_agent import RunningAgent

ASK = """
import ctypes, resource
from agent.private_memory import keep_memory_private
keep_memory_private()
keep_memory_private()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_no_core_is_dumped_of_who_keeps_its_memory_private() -> None:
    """PR_GET_DUMPABLE says so, and the limit is 0."""
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60, check=True).stdout
    assert told == "0 (0, 0)\n"


def test_a_running_agent_keeps_its_memory_private(tmp_path: Path) -> None:
    """From its start on; what it tells of its own memory it can still read."""
    with RunningAgent(tmp_path) as agent:
        limits = Path(f"/proc/{agent.pid}/limits").read_text()
        assert agent.ask("status")["agent"]["running"]
    (line,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]
