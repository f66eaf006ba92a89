"""What is sent with the report of a fault."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.running_agent import RunningAgent
from tests.secret_search import unpacked

CONTENTS = {"about", "config", "credentials", "doctor", "jobs", "printers", "status"}


def contents(bundle: Path) -> dict[str, Any]:
    """Read the JSON of a bundle."""
    files = {name.rpartition("/")[2]: content for name, content in unpacked(bundle).items()}
    assert files.pop("log.txt")
    return {name.removesuffix(".json"): json.loads(content) for name, content in files.items()}


def test_a_bundle_tells_how_the_agent_is_and_nobody_elses_business(tmp_path: Path) -> None:
    """Everything that a person would ask for; of a job neither its name nor whose it is. Only its owner may read it."""
    bundle = tmp_path / "bundle.tar.gz"
    (tmp_path / "payslip").write_bytes(b"%PDF-1.7\n")
    printer = SimulatedPrinter(PrinterOptions(kind="ipp", mdns=False))
    printer.start()
    desk = {"alias": "desk", "uris": [printer.ready_line()["ipp_uri"]]}
    agent = RunningAgent(tmp_path, printers=[desk])
    agent.config.write_text(f'{agent.config.read_text()}[[user]]\nname = "ann"\njobs_per_day = 0\n')
    with agent:
        agent.run("print", tmp_path / "payslip", "--printer", "desk", "--name", "Payslip of Ann", "--id", "order")
        done = agent.run("doctor", "--bundle", bundle)
    printer.stop()
    told = contents(bundle)
    assert told.keys() == CONTENTS
    assert [(job["id"], job.keys() & {"name", "user"}) for job in told["jobs"]] == [("order", set())]
    assert {finding["check"] for finding in told["doctor"]} >= {"config", "broker", "agent", "printer"}
    assert told["printers"][0]["alias"] == "desk"
    assert told["config"]["user"][0].keys() == {"jobs_per_day", "bytes_per_day", "pages_per_day"}
    assert "requests" in told["about"]["packages"]
    assert (stat.S_IMODE(bundle.stat().st_mode), str(bundle) in done.stderr) == (0o600, True)


def test_a_bundle_is_written_where_nothing_is_right(tmp_path: Path) -> None:
    """What can't be looked at is in it as the reason why."""
    agent = RunningAgent(tmp_path)
    agent.run("doctor", "--bundle", tmp_path / "no-agent.tar.gz")
    assert "no agent" in contents(tmp_path / "no-agent.tar.gz")["status"]["error"]
    agent.config.write_text("[nonsense]\n")
    agent.run("doctor", "--bundle", tmp_path / "no-config.tar.gz")
    assert contents(tmp_path / "no-config.tar.gz").keys() == {"about", "doctor"}


def test_a_bundle_takes_no_other_files_place(tmp_path: Path) -> None:
    """Exit code 2 before anything is tested, and where it can't be written."""
    agent = RunningAgent(tmp_path)
    there = agent.run("doctor", "--bundle", agent.config)
    assert (there.returncode, there.stdout) == (2, "")
    agent.config.write_text("[nonsense]\n")
    nowhere = agent.run("doctor", "--bundle", tmp_path / "no-folder" / "bundle")
    assert (nowhere.returncode, "No such file" in nowhere.stderr) == (2, True)
