"""The command line as people and scripts meet it: what it prints, its exit codes, and one line for every mistake."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from agent.simulator.personality import Kind
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.mosquitto import free_port
from tests.running_agent import RunningAgent, run_command

ADMIN_LOGIN, ADMIN_PASSWORD = "boss@example.com", "correct horse"
SECRET = "hunter2"
SUBNET = "127.0.91.0/28"
MISTAKES = [
    (("print", "{folder}/missing.pdf", "--printer", "desk"), 2, "missing.pdf: No such file"),
    (("print", "{folder}", "--printer", "desk"), 2, "Is a directory"),
    (("print", "{folder}/empty.pdf", "--printer", "desk"), 2, "empty.pdf: is empty"),
    (("print", "{folder}/order.pdf", "--printer", "desk", "--sides", "sideways"), 2, "sides: must be"),
    (("print", "{folder}/order.pdf", "--printer", "desk", "--page-ranges", "3-1"), 2, "page_ranges: must be"),
    (("print", "{folder}/order.pdf", "--printer", "desk", "--copies", "0"), 2, "copies: must be"),
    (("print", "{folder}/order.pdf", "--printer", "desk", "--id", "../etc"), 2, "id: must be"),
    (("print", "{folder}/order.pdf", "--printer", "nowhere"), 3, "no printer 'nowhere'"),
    (("print", "{folder}/order.pdf", "--printer", "desk", "--pin-file", "{folder}/empty.pdf"), 2, "is empty"),
    (("printers", "show", "nowhere"), 3, "no printer 'nowhere'"),
    (("printers", "pause", "nowhere"), 3, "no printer 'nowhere'"),
    (("printers", "identify", "press"), 4, "no way to show where it stands"),
    (("jobs", "show", "nothing"), 3, "no job nothing"),
    (("jobs", "release", "nothing"), 3, "no job nothing"),
    (("jobs", "--printer", "nowhere"), 3, "no printer 'nowhere'"),
    (("jobs", "export", "--printer", "nowhere"), 3, "no printer 'nowhere'"),
    (("activate", "--login", ADMIN_LOGIN), 2, "--password-stdin"),
    (("activate", "--login", ADMIN_LOGIN, "--password-stdin"), 2, "no password was given"),
    (("probe", "no-such-host.invalid"), 3, "no such host"),
]


@dataclass
class Site:
    """An agent with three printers and a PrintOS, and documents to print."""

    agent: RunningAgent
    folder: Path
    document: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run an agent with an IPP printer, a press, and a printer that is off."""
    folder = tmp_path_factory.mktemp("cli")
    desk = SimulatedPrinter(PrinterOptions(kind="ipp", mdns=False, seconds_per_page=0.05))
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest"))
    printos = PrintOSSimulator(PrintOSOptions(admin_login=ADMIN_LOGIN, admin_password=ADMIN_PASSWORD))
    for server in (desk, press, printos):
        server.start()
    agent = RunningAgent(
        folder / "agent",
        printers=[
            {"alias": "desk", "uris": [desk.ready_line()["ipp_uri"]]},
            {"alias": "press", "uris": [press.ready_line()["http_url"]], "printos_type": "IHPSPress"},
            {"alias": "spare", "uris": [f"ipp://127.0.0.1:{free_port()}/ipp/print"], "name": "Spare printer"},
        ],
        printos={"base_url": f"{printos.url}/platform"},
    )
    (folder / "empty.pdf").touch()
    (folder / "order.pdf").write_bytes(write_pdf("An order", pages=2))
    with agent:
        agent.printer("desk", online=True)
        agent.printer("press", online=True)
        yield Site(agent, folder, folder / "order.pdf")
    for server in (printos, press, desk):
        server.stop()


def assert_refused(done: subprocess.CompletedProcess[str], exit_code: int, words: str) -> None:
    """Check that a command ended with one line that tells a person what is wrong."""
    assert (done.returncode, done.stdout) == (exit_code, ""), done.stderr
    *_progress, line = done.stderr.splitlines()
    assert line.startswith("printos-agent: ")
    assert words in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "exit_code", "words"), MISTAKES)
def test_a_mistake_is_one_line_and_an_exit_code(
    site: Site, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    """The code says whose turn it is: 2 edit it, 3 nothing there, 4 refused, 5 conflict."""
    done = site.agent.run(*(argument.format(folder=site.folder) for argument in arguments))
    assert_refused(done, exit_code, words)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mqtt]\nhost = 'broker'\nprot = 1883\n", "agent.toml:3: mqtt.prot: unknown key"),
        ("[snmp]\ntimeout = 0\n", "agent.toml:2: snmp.timeout: must be 1 to 60, not 0"),
        ("[mqtt]\npassword_file = 'none'\n", "mqtt.password_file"),
        ("[mqtt\n", "agent.toml"),
    ],
)
@pytest.mark.parametrize("command", [("config", "check"), ("run",)])
def test_a_mistake_in_agent_toml_is_named_with_its_place(
    tmp_path: Path, command: tuple[str, ...], text: str, words: str
) -> None:
    """By `config check` and at the start alike."""
    config = tmp_path / "agent.toml"
    config.write_text(text)
    assert_refused(run_command("--config", config, *command), 2, words)


def test_without_an_agent_only_what_reads_its_disk_goes(tmp_path: Path) -> None:
    """Nothing there is exit code 3, whether an agent has ever run or not."""
    agent = RunningAgent(tmp_path, printers=[{"alias": "desk", "uris": ["ipp://127.0.0.1:9/ipp/print"]}])
    document = tmp_path / "order.pdf"
    document.write_bytes(b"%PDF-1.4\n")
    assert_refused(agent.run("printers"), 3, "no agent has kept its state in")
    with agent:
        job_id = agent.run_json("print", str(document), "--printer", "desk")["id"]
        agent.run_json("jobs", "cancel", job_id)
    assert_refused(agent.run("printers", "pause", "desk"), 3, "no agent is running")
    assert [printer["alias"] for printer in agent.run_json("printers")] == ["desk"]
    assert agent.run_json("jobs", "show", job_id) == agent.run_json("jobs")[0]
    assert [entry["id"] for entry in agent.run_json("jobs", "export", "--printer", "desk")] == [job_id]
    assert_refused(agent.run("jobs", "show", job_id, "--user", "nobody-else"), 4, "isn't nobody-else's")
    at_rest = agent.run("status", "--json")
    assert (at_rest.returncode, json.loads(at_rest.stdout)["agent"]["running"]) == (3, False)


def test_a_second_agent_with_the_same_state_is_a_conflict(site: Site) -> None:
    """It ends with exit code 5, and the first goes on."""
    done = site.agent.run("run")
    assert (done.returncode, done.stderr.count("Traceback")) == (5, 0)
    assert "another agent runs" in done.stderr.splitlines()[-1]
    assert site.agent.run_json("status")["agent"]["running"]


def test_every_command_that_prints_has_json(site: Site) -> None:
    """Lists are one array; what is not for machines goes to standard error."""
    assert {printer["alias"] for printer in site.agent.run_json("printers")} >= {"desk", "press"}
    assert site.agent.run_json("printers", "show", "desk")["make_and_model"] == "HP Color LaserJet Pro M454dw"
    assert isinstance(site.agent.run_json("jobs"), list)
    assert site.agent.run_json("status")["agent"]["id"] == "site-7"
    assert site.agent.run_json("config", "check")["valid"]
    assert site.agent.run_json("config", "show")["agent"]["id"] == "site-7"


def test_status_is_one_screen(site: Site) -> None:
    """The agent, its links, the spool, and a line for each printer."""
    lines = site.agent.run("status").stdout.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["agent", "broker", "PrintOS", "jobs", "spool", "outbox"]
    assert lines[7].split() == ["ID", "PRINTER", "HOST", "STATE", "REASONS", "PRINTOS"]
    assert any(line.startswith("spare") and "never seen" in line for line in lines[8:])


def test_printing_can_be_followed_to_its_end(site: Site) -> None:
    """`--wait` tells at standard error how it goes, then one sentence; the exit code says whether it printed."""
    done = site.agent.run("print", site.document, "--printer", "desk", "--id", "followed", "--wait")
    assert (done.returncode, done.stdout) == (0, "followed: completed, 2 impressions (job-completed-successfully)\n")
    assert done.stderr.splitlines()[0] == "followed: pending"
    impossible = site.agent.run("print", site.document, "--printer", "desk", "--finishings", "staple", "--wait")
    assert impossible.returncode == 1
    assert "aborted (the printer can't do" in impossible.stdout


def test_an_id_prints_once(site: Site) -> None:
    """The same again tells the job that there is; another document by that id is a conflict."""
    again = ("print", str(site.document), "--printer", "desk", "--id", "once", "--hold")
    first, second = site.agent.run_json(*again), site.agent.run_json(*again)
    assert (first["id"], first["received_at"]) == (second["id"], second["received_at"])
    other = site.folder / "other.pdf"
    other.write_bytes(write_pdf("Another", pages=1))
    assert_refused(site.agent.run("print", other, *again[2:]), 5, "another job once")


def test_a_held_job_waits_for_its_release(site: Site) -> None:
    """And can be cancelled but once."""
    held = site.agent.run_json("print", str(site.document), "--printer", "desk", "--hold")
    assert (held["state"], held["state_reasons"]) == ("pending-held", ["job-hold-until-specified"])
    assert site.agent.run("jobs", "release", held["id"]).returncode == 0
    site.agent.job(held["id"], "completed")
    assert_refused(site.agent.run("jobs", "cancel", held["id"]), 5, "is completed already")


def test_a_job_with_a_pin_prints_by_that_pin_only(site: Site) -> None:
    """And tells neither its name nor its user."""
    right, wrong = site.folder / "right-pin", site.folder / "wrong-pin"
    right.write_text("4711\n")
    wrong.write_text("0000\n")
    job = site.agent.run_json("print", str(site.document), "--printer", "desk", "--pin-file", str(right))
    assert (job["state_reasons"], job["name"], job["user"]) == (["job-password-wait"], None, None)
    assert_refused(site.agent.run("jobs", "release", job["id"], "--pin-file", wrong), 4, "wrong PIN")
    assert site.agent.run("jobs", "release", job["id"], "--pin-file", right).returncode == 0
    site.agent.job(job["id"], "completed")


def test_who_printed_what_is_exported_as_csv_that_no_spreadsheet_runs(site: Site) -> None:
    """A name that looks like a formula is text there."""
    site.agent.run_json("print", str(site.document), "--printer", "desk", "--name", "=1+1", "--id", "formula")
    site.agent.job("formula", "completed")
    done = site.agent.run("jobs", "export", "--printer", "desk", "--since", "2026-01-01")
    exported = next(row for row in csv.DictReader(io.StringIO(done.stdout)) if row["id"] == "formula")
    assert (exported["name"], exported["state"], exported["size"]) == (
        "'=1+1", "completed", str(site.document.stat().st_size),
    )  # fmt: skip
    assert exported["impressions_completed"] == "2"
    assert site.agent.run_json("jobs", "export", "--until", "2026-01-01T00:00:00Z") == []


def test_the_job_list_of_a_user_has_only_that_users_jobs(site: Site) -> None:
    """Whoever asks for one may neither see, cancel nor release another's; one with a PIN tells no user even there."""
    mine = site.agent.run_json("print", str(site.document), "--printer", "desk", "--hold")
    user = mine["user"]
    listed = site.agent.run_json("jobs", "--user", user)
    assert mine["id"] in [job["id"] for job in listed]
    assert {job["user"] for job in listed} <= {user, None}
    assert site.agent.run_json("jobs", "--user", "nobody-else") == []
    for action in ("show", "cancel", "release"):
        done = site.agent.run("jobs", action, mine["id"], "--user", "nobody-else")
        assert_refused(done, 4, f"job {mine['id']} isn't nobody-else's")
    assert site.agent.run_json("jobs", "cancel", mine["id"], "--user", user)["state"] == "canceled"


def test_a_paused_printer_gets_no_jobs_until_it_is_resumed(site: Site) -> None:
    """The table says so, and what waited prints."""
    assert "gets no jobs" in site.agent.run("printers", "pause", "desk").stdout
    assert "idle, takes no jobs" in site.agent.run("printers").stdout
    job_id = site.agent.run_json("print", str(site.document), "--printer", "desk")["id"]
    assert site.agent.run_json("jobs", "show", job_id)["state"] == "pending"
    assert site.agent.run_json("printers", "resume", "desk")["accepting_jobs"]
    site.agent.job(job_id, "completed")


def test_a_printer_is_forgotten_unless_jobs_wait_for_it(site: Site) -> None:
    """Its jobs must be cancelled first."""
    job_id = site.agent.run_json("print", str(site.document), "--printer", "spare")["id"]
    assert_refused(site.agent.run("printers", "forget", "spare"), 5, "jobs still wait for spare (1)")
    site.agent.run_json("jobs", "cancel", job_id)
    assert site.agent.run("printers", "forget", "spare").stdout == "spare: forgotten\n"
    assert site.agent.run("printers", "show", "spare").returncode == 3


def test_only_an_approved_printer_is_activated_by_the_right_password(site: Site) -> None:
    """A wrong password is refused, and nothing is created; the right one creates the device."""
    activate = ("activate", "--login", ADMIN_LOGIN, "--password-stdin")
    assert_refused(site.agent.run(*activate, text=f"{ADMIN_PASSWORD}\n"), 3, "no printer is approved")
    assert site.agent.run("printers", "approve", "press").returncode == 0
    assert_refused(site.agent.run(*activate, text="wrong\n"), 4, "refuses the login")
    assert site.agent.run_json("printers", "show", "press")["printos"] == "pending"
    done = site.agent.run(*activate, text=f"{ADMIN_PASSWORD}\n")
    assert (done.returncode, done.stdout.splitlines()[1].split()[:2]) == (0, ["press", "active"])
    assert ADMIN_PASSWORD not in done.stdout + done.stderr + site.agent.log()


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"printers": [{"uris": [f"ipp://me:{SECRET}@192.0.2.7/ipp/print"]}]}, "printer[1].uris"),
        ({"printos": {"proxy": f"http://me:{SECRET}@proxy:3128"}}, "printos.proxy"),
    ],
)
def test_a_password_in_the_configuration_is_refused_and_not_repeated(
    tmp_path: Path, sections: dict[str, Any], key: str
) -> None:
    """Secrets are read from files, so that the configuration can be shown to anybody."""
    done = RunningAgent(tmp_path, **sections).run("config", "show")
    assert_refused(done, 2, f"{key}: holds a password")
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "option", "drivers"),
    [("ipp", "ipp", ("ipp", "ipp")), ("hp-rest", "http", ("hp-rest", "hp-rest")), ("snmp", "snmp", ("snmp", None))],
)
def test_a_host_is_probed_at_the_port_that_is_named(
    tmp_path: Path, kind: Kind, option: str, drivers: tuple[str, str | None]
) -> None:
    """Needs neither an agent nor a configuration; a port where no printer is, is exit code 3."""
    printer = SimulatedPrinter(PrinterOptions(kind=kind, mdns=False))
    printer.start()
    port = printer.ready_line()["control_url"].split(":")[2].partition("/")[0]
    probe = ("--config", tmp_path / "none.toml", "probe", "127.0.0.1")
    told = json.loads(run_command(*probe, f"--{option}-port", port, "--json").stdout)
    printer.stop()
    assert (told["status_driver"], told["print_driver"]) == drivers
    assert told["serial"] == printer.engine.identity.serial
    assert_refused(run_command(*probe, f"--{option}-port", port), 3, "is no printer that can be read")


def test_printers_are_discovered_by_mdns_and_by_snmp(tmp_path: Path) -> None:
    """One line each: an IPP printer that announces itself, and one that only a sweep finds."""
    plotter = SimulatedPrinter(PrinterOptions(kind="snmp", host="127.0.91.2"))
    office = SimulatedPrinter(PrinterOptions(kind="ipp", host="127.0.91.3"))
    plotter.start()
    office.start()
    agent = RunningAgent(
        tmp_path,
        discovery={"mdns": True, "snmp": True, "subnets": [SUBNET]},
        snmp={"port": int(plotter.ready_line()["snmp"].partition(":")[2])},
    )
    found = {printer["host"]: printer for printer in agent.run_json("discover", "--seconds", "3")}
    office.stop()
    plotter.stop()
    assert (found["127.0.91.2"]["sources"], found["127.0.91.3"]["sources"]) == (["snmp"], ["mdns"])
    assert found["127.0.91.2"]["serial"] == plotter.engine.identity.serial
    assert office.ready_line()["ipp_uri"] in found["127.0.91.3"]["uris"]
