"""A whole agent with hot folders: what is dropped is printed by real servers, also where the agent is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.hot_folder_campaign import hot_site
from tests.hot_folder_parts import DOCUMENT
from tests.printerbox import ippeveprinter
from tests.running_agent import RunningAgent

SETTLE = {"settle_seconds": 1}
JDF = '<JDF Version="1.3" DescriptiveName="Brochure"><DigitalPrintingParams Sides="{sides}"/></JDF>'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningAgent, Path]]:
    """Give an agent with a press and its hot folder, which a group may write to."""
    folder = tmp_path_factory.mktemp("hot")
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", keep=folder / "printed", mdns=False, seconds_per_page=0.01))
    press.start()
    hot = folder / "hot"
    hot.mkdir()
    hot.chmod(0o770)
    printer = {"alias": "press", "uris": [press.ready_line()["http_url"]], "hot_folder": hot}
    with RunningAgent(folder / "agent", printers=[printer], hot_folder=SETTLE) as agent:
        agent.printer("press", online=True)
        yield agent, hot
    press.stop()


def dropped(agent: RunningAgent, hot: Path, name: str, content: bytes) -> Path:
    """Copy a file there, and wait until it is put away; gives where."""
    (hot / name).write_bytes(content)
    places = [hot / place / name for place in ("done", "failed")]
    return agent.until(f"{name} to be put away", lambda: next((place for place in places if place.exists()), None))


def test_a_pdf_that_is_dropped_prints_on_a_press(site: tuple[RunningAgent, Path]) -> None:
    """The job has the file's name, the press has its bytes, and whoever may write to the folder may see the rest."""
    agent, hot = site
    pdf = write_pdf("Order 17", pages=4)
    done = dropped(agent, hot, "Order 17.pdf", pdf)
    assert done.parent.name == "done"
    (job,) = [job for job in agent.ask("jobs") if job["name"] == "Order 17"]
    assert (job["state"], job["user"], job["id"][:4]) == ("completed", None, "hot-")
    assert pdf in [path.read_bytes() for path in (hot.parent / "printed").iterdir()]
    assert {(hot / place).stat().st_mode & 0o777 for place in ("processing", "done", "failed")} == {0o770}


def test_what_is_no_document_is_told_at_the_command_line(site: tuple[RunningAgent, Path]) -> None:
    """`status` and `printers show` name the folder and its last file, `doctor` says where to look."""
    agent, hot = site
    assert dropped(agent, hot, "notes.txt", b"remember the milk").parent.name == "failed"
    (state,) = agent.run_json("status")["hot_folders"]
    assert (state["folder"], state["problem"], state["last"]["file"]) == (str(hot), None, "notes.txt")
    assert agent.run_json("printers", "show", "press")["hot_folder"] == state
    for command in (["status"], ["printers", "show", "press"]):
        assert f"{hot}, the last: notes.txt refused" in agent.run(*command).stdout
    lines = agent.run("doctor").stdout.splitlines()
    assert [line[:30].split() for line in lines if str(hot) in line] == [["warning", "hot", "folder", "press"]]
    assert hot.name not in str([printer.get("hot_folder") for printer in agent.run_json("printers")])


def test_a_folder_that_is_gone_is_told_and_comes_back_by_itself(tmp_path: Path) -> None:
    """As a share that is not mounted yet when the box starts."""
    printer = {"alias": "desk", "uris": ["socket://127.0.0.1:9"], "hot_folder": tmp_path / "mnt" / "hot"}
    agent = RunningAgent(tmp_path, printers=[printer], hot_folder=SETTLE)

    def problem() -> Any:
        return agent.ask("status")["hot_folders"][0]["problem"]

    with agent:
        assert agent.until("the trouble", problem) == "No such file or directory"
        (tmp_path / "mnt").mkdir()
        agent.until("its end", lambda: problem() is None or None)
    assert agent.run_json("printers", "show", "desk")["hot_folder"]["problem"] == "no agent is running"
    assert agent.log().count(f"hot folder {tmp_path}/mnt/hot: works again") == 1


def test_a_pdf_and_its_jdf_print_on_an_ipp_printer(tmp_path: Path) -> None:
    """What the JDF asks reaches the printer; one that asks for what the printer can't do is refused, and told why."""
    with ippeveprinter(tmp_path / "printer", formats=("application/pdf",)) as printer:
        hot = tmp_path / "hot"
        hot.mkdir()
        printers = [{"alias": "desk", "uris": [printer.uri], "hot_folder": hot}]
        with RunningAgent(tmp_path / "agent", printers=printers, hot_folder=SETTLE) as agent:
            agent.printer("desk", online=True)
            (hot / "one.jdf").write_text(JDF.format(sides="OneSided"))
            assert dropped(agent, hot, "one.pdf", DOCUMENT).parent.name == "done"
            assert [path.read_bytes() for path in printer.documents()] == [DOCUMENT]
            assert "brochure" in printer.documents()[0].name
            (hot / "two.jdf").write_text(JDF.format(sides="TwoSidedFlipY"))
            assert dropped(agent, hot, "two.pdf", DOCUMENT).parent.name == "failed"
            assert "sides=two-sided-long-edge" in (hot / "failed" / "two.pdf.txt").read_text()


def test_every_file_prints_once_whenever_the_agent_is_killed(tmp_path: Path) -> None:
    """At random moments, while more are dropped; a longer run is `python -m tests.hot_folder_campaign`."""
    press = hot_site(tmp_path, seed=os.getpid())
    with press as it:
        for _ in range(3):
            it.kill_once()
        it.drop()
        verdict = it.finish(3)
    assert verdict.is_good, verdict
