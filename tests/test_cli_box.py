"""Box on the command line: what a person prints there, lists and looks up, with and without a running agent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.box_parts import KEY, MENU, SECRET
from tests.running_agent import RunningAgent

MISTAKES = [
    (("print", "{menu}"), 2, "one of the arguments --printer --destination is required"),
    (("print", "{menu}", "--printer", "desk", "--destination", "box"), 2, "not allowed with"),
    (("print", "{menu}", "--destination", "siteflow"), 2, "no key in [siteflow]"),
    (("print", "{menu}", "--destination", "box", "--sides", "one-sided"), 2, "Box can't be told sides"),
    (("print", "{menu}", "--destination", "box", "--folder", " "), 2, "folder: must not be empty"),
    (("box", "files", "show", "0" * 24), 3, "there is no file"),
    (("box", "folders", "show", "0" * 24), 3, "there is no folder"),
    (("box", "folders", "create", " "), 2, "a folder needs a name"),
]


@dataclass
class Site:
    """An agent with Box, and a document."""

    agent: RunningAgent
    box: PrintOSSimulator
    menu: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run an agent that has sent a file to Box."""
    folder = tmp_path_factory.mktemp("site")
    options = PrintOSOptions(admin_login="a", admin_password="b", api_key=KEY, api_secret=SECRET, preflight_seconds=0.1)
    simulator = PrintOSSimulator(options)
    simulator.start()
    (folder / "secret").write_text(SECRET)
    menu = folder / "menu.pdf"
    menu.write_bytes(MENU)
    settings = {"key": KEY, "secret_file": folder / "secret", "base_url": f"{simulator.url}/box"}
    try:
        with RunningAgent(folder / "agent", box=settings) as agent:
            agent.run_json("print", str(menu), "--destination", "box", "--folder", "Menus", "--id", "menu", "--wait")
            yield Site(agent, simulator, menu)
    finally:
        simulator.stop()


def test_a_file_is_printed_into_a_folder(site: Site) -> None:
    """With the name of the file, and followed to its end."""
    job = site.agent.ask("jobs.show", id="menu")
    assert (job["state"], job["destination"], job["name"]) == ("completed", "box", "menu.pdf")
    shown = site.agent.run("jobs").stdout
    assert "box" in shown
    assert "preflight has passed (2 pages)" in shown


def test_what_the_agent_made_is_listed(site: Site) -> None:
    """Box lists nothing; people are told whose list it is."""
    (folder,) = (it for it in site.agent.run_json("box", "folders") if it["name"] == "Menus")
    (file,) = site.agent.run_json("box", "files")
    assert (file["folder_id"], file["job"], file["name"]) == (folder["id"], "menu", "menu.pdf")
    table = site.agent.run("box", "files")
    assert file["id"] in table.stdout
    assert "those that this agent sent" in table.stderr


def test_what_box_has_is_looked_up(site: Site) -> None:
    """By the ids of those lists."""
    (file,) = site.agent.run_json("box", "files")
    assert site.agent.run_json("box", "files", "show", file["id"])["status"] == "ok"
    assert site.agent.run_json("box", "folders", "show", file["folder_id"])["file_count"] == 1
    assert "preflight status" in site.agent.run("box", "folders", "show", file["folder_id"]).stdout


def test_flows_and_substrates_are_named(site: Site) -> None:
    """So that a ticket can name them."""
    assert {"id": "5a0000000000000000000002", "name": "Posters"} in site.agent.run_json("box", "flows")
    assert "Posters" in site.agent.run("box", "flows").stdout
    assert "Gloss 150" in site.agent.run_json("box", "substrates")


def test_a_folder_is_made_and_remembered(site: Site) -> None:
    """Tickets that name it go there."""
    made = site.agent.run_json("box", "folders", "create", "Posters")
    assert made["id"] in [folder["id"] for folder in site.agent.run_json("box", "folders")]
    job = site.agent.run_json("print", str(site.menu), "--destination", "box", "--folder", "Posters", "--wait")
    assert site.agent.run_json("box", "files", "show", job["device_job_id"])["folder_id"] == made["id"]


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES)
def test_a_mistake_is_one_line(site: Site, arguments: tuple[str, ...], code: int, words: str) -> None:
    """And an exit code that says whose turn it is."""
    done = site.agent.run(*(argument.format(menu=site.menu) for argument in arguments))
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_tries_the_key(site: Site) -> None:
    """And says which connector is meant where it is refused."""
    good = next(line for line in site.agent.run_json("doctor") if line["check"] == "box")
    assert good["result"] == "ok"
    secrets, site.box.signatures.secrets = site.box.signatures.secrets, {}
    bad = next(line for line in site.agent.run_json("doctor") if line["check"] == "box")
    site.box.signatures.secrets = secrets
    assert (bad["result"], "the key is unknown" in bad["message"]) == ("failed", True)


def test_lists_are_read_at_rest(site: Site) -> None:
    """What changes something needs a running agent."""
    site.agent.stop()
    try:
        assert site.agent.run_json("box", "files")
        assert site.agent.run_json("box", "folders")
        assert site.agent.run_json("box", "substrates")
        assert site.agent.run("box", "folders", "create", "Late").returncode == 3
    finally:
        site.agent.start()


def test_without_a_key_box_is_off(tmp_path: Path) -> None:
    """The command says so, and doctor says nothing of it."""
    with RunningAgent(tmp_path / "agent") as agent:
        done = agent.run("box", "flows")
        assert (done.returncode, "no key in [box]" in done.stderr) == (2, True)
        assert "box" not in [line["check"] for line in agent.run_json("doctor")]
