from __future__ import annotations

from pathlib import Path

from tests.running_agent import RunningAgent

DESK = {"alias": "desk", "uris": ["socket://127.0.0.1:9"]}


def test_nobody_else_reads_the_state_whatever_the_folder_was(tmp_path: Path) -> None:
    """A folder that somebody made beforehand may be open to all; the files in it are not."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with RunningAgent(tmp_path, printers=[DESK]):
        modes = {file.name: file.stat().st_mode & 0o777 for file in state.iterdir()}
    assert modes.pop("agent.sock") == 0o660
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_what_a_person_does_is_in_the_log(tmp_path: Path) -> None:
    """Who looks for a job that never came out finds out why."""
    (tmp_path / "order.pdf").write_bytes(b"%PDF-1.4")
    with RunningAgent(tmp_path, printers=[DESK]) as agent:
        agent.run("printers", "pause", "desk")
        agent.run("print", tmp_path / "order.pdf", "--printer", "desk", "--id", "order-17")
        agent.run("jobs", "cancel", "order-17")
    log = agent.log()
    assert "(desk): paused by a person" in log
    assert "job order-17: accepted for" in log
    assert "job order-17: cancelled by a person" in log
