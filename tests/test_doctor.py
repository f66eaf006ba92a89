"""`doctor`: every link of the path is tested against the real thing, and what is broken is named with what to do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.broker_trial import BrokerTrial
from agent.cli.check_box import check_clock, check_disk, check_state
from agent.cli.check_devices import check_devices
from agent.cli.check_paths import check_broker, check_fetch, check_lan, check_printos, topic_rights
from agent.cli.check_printers import check_jobs, check_printers
from agent.cli.finding import Finding
from agent.config import load_config, parse_config
from agent.config_schema import Config
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.mosquitto import Mosquitto, free_port
from tests.running_agent import NOWHERE, RunningAgent, run_command

LOGIN, PASSWORD = "site-7", "correct horse"
ACL = Path(__file__).parents[1] / "docs" / "broker" / "mosquitto.acl"
ADMIN_LOGIN, ADMIN_PASSWORD = "boss@example.com", "battery staple"


@dataclass
class Site:
    """An agent with a broker, PrintOS and printers, and what `doctor --json` said of it."""

    agent: RunningAgent
    exit_code: int
    findings: list[dict[str, Any]]

    def of(self, check: str, subject: str | None = None) -> dict[str, Any]:
        """Give the first finding of a check."""
        return next(it for it in self.findings if (it["check"], it["subject"]) == (check, subject))


def configured(folder: Path, text: str) -> Config:
    """Read an agent.toml with this text, and a state folder beside it."""
    file = folder / "agent.toml"
    file.write_text(f'[agent]\nid = "site-7"\nstate_dir = "{folder}/state"\n{text}')
    return load_config(file)


def broker_config(folder: Path, broker: Mosquitto, more: str = "") -> Config:
    """Read a configuration that leads to a broker."""
    return configured(folder, f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n{more}')


def with_login(folder: Path, password: str, username: str = LOGIN) -> str:
    """Give the keys of a login."""
    (folder / "password").write_text(password)
    return f'username = "{username}"\npassword_file = "password"\n'


def results(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    """Give what was checked and what came of it."""
    return [(finding.check, finding.result) for finding in findings]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Examine an agent with one printer that works, one that is off and one that was never met."""
    folder = tmp_path_factory.mktemp("doctor")
    desk = SimulatedPrinter(PrinterOptions(kind="ipp", mdns=False))
    printos = PrintOSSimulator(PrintOSOptions(admin_login=ADMIN_LOGIN, admin_password=ADMIN_PASSWORD))
    desk.start()
    printos.start()
    with Mosquitto(folder / "broker") as broker:
        agent = RunningAgent(
            folder / "agent",
            printers=[
                {"alias": "desk", "uris": [desk.ready_line()["ipp_uri"]], "printos_type": "IHPSPress"},
                {"alias": "spare", "uris": [f"ipp://127.0.0.1:{free_port()}/ipp/print"]},
                {"alias": "lost", "serial": "NEVERSEEN1"},
            ],
            mqtt={"port": broker.port},
            printos={"base_url": f"{printos.url}/platform"},
            fetch={"allowed_hosts": ["127.0.0.1", "no-such-host.invalid"]},
        )
        with agent:
            agent.connected()
            agent.printer("desk", online=True)
            agent.ask("printers.show", id="spare")
            agent.ask("printers.approve", id="desk")
            agent.printer("desk", printos="pending")
            done = agent.run("doctor", "--json")
            yield Site(agent, done.returncode, json.loads(done.stdout))
    printos.stop()
    desk.stop()


def test_a_site_is_tested_from_one_end_to_the_other(site: Site) -> None:
    """Each link has a line, and the one that is broken makes the exit code 1."""
    good = [it["check"] for it in site.findings if it["result"] == "ok"]
    assert {"config", "state", "disk", "broker", "topics", "agent", "sessions", "PrintOS", "jobs"} <= set(good)
    failed = [(it["check"], it["subject"]) for it in site.findings if it["result"] == "failed"]
    assert (site.exit_code, failed) == (1, [("fetch", "no-such-host.invalid")])


def test_every_line_that_is_not_good_says_what_to_do(site: Site) -> None:
    """And one that is good says nothing."""
    assert [it for it in site.findings if bool(it["advice"]) is (it["result"] == "ok")] == []


def test_each_printer_is_asked_as_before_a_job(site: Site) -> None:
    """One that answers, one that is off, one that is configured and was never met, one without a device yet."""
    assert site.of("printer", "desk")["result"] == "ok"
    assert "prints by ipp" in site.of("printer", "desk")["message"]
    assert "doesn't answer" in site.of("printer", "spare")["message"]
    assert site.of("printer", "lost")["message"] == "configured, and never met"
    assert site.of("devices")["advice"] == "printos-agent activate --printer desk"


def test_for_a_person_it_is_a_line_a_check(site: Site) -> None:
    """The same as for machines, in the same order."""
    lines = site.agent.run("doctor").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [it["result"] for it in site.findings]


def test_a_doctor_leaves_no_session_at_the_broker_and_no_job(site: Site) -> None:
    """The agent stays connected, and nothing was printed."""
    site.agent.connected()
    assert site.agent.ask("jobs") == []


def test_a_mistake_in_agent_toml_is_the_only_line(tmp_path: Path) -> None:
    """It names the key and its line."""
    (tmp_path / "agent.toml").write_text("[mqtt]\nprot = 1883\n")
    done = run_command("--config", tmp_path / "agent.toml", "doctor", "--json")
    (finding,) = json.loads(done.stdout)
    assert (done.returncode, finding["check"], finding["result"]) == (1, "config", "failed")
    assert "agent.toml:2: mqtt.prot" in finding["message"]


def test_without_an_agent_the_rest_is_tested(tmp_path: Path) -> None:
    """The broker's word counts also before the service is started for the first time."""
    with Mosquitto(tmp_path / "broker") as broker:
        config = broker_config(tmp_path, broker, "[discovery]\nmdns = false\nsnmp = false\n")
        done = run_command("--config", str(config.path), "doctor")
    assert done.returncode == 1
    assert f"127.0.0.1:{broker.port} lets the agent in by MQTT 5" in done.stdout
    assert "no agent is running" in done.stdout.splitlines()[-1]


def test_a_broker_that_is_away_is_told_from_one_that_refuses_the_login(tmp_path: Path) -> None:
    """Each has its own advice."""
    with Mosquitto(tmp_path / "broker", username=LOGIN, password=PASSWORD) as broker:
        (refused,) = check_broker(broker_config(tmp_path, broker, with_login(tmp_path, "wrong")))
        assert results(check_broker(broker_config(tmp_path, broker, with_login(tmp_path, PASSWORD)))) == [
            ("broker", "ok"),
            ("topics", "ok"),
        ]
    (away,) = check_broker(broker_config(tmp_path, broker))
    assert (refused.result, away.result) == ("failed", "failed")
    assert "password_file" in refused.advice
    assert "is it running?" in away.advice


@pytest.mark.parametrize(("version", "result"), [("5", "failed"), ("3.1.1", "warning")])
def test_an_acl_that_hides_the_tickets_is_seen(tmp_path: Path, version: str, result: str) -> None:
    """Mosquitto takes the subscription all the same, and then sends nothing: silence for ever."""
    (tmp_path / "acl").write_text(f"user {LOGIN}\ntopic write printos/site-7/#\ntopic read printos/site-7/jobs/#\n")
    acl = f"acl_file {tmp_path}/acl"
    with Mosquitto(tmp_path / "broker", username=LOGIN, password=PASSWORD, extra=acl) as broker:
        more = f'{with_login(tmp_path, PASSWORD)}version = "{version}"\n'
        let_in, topics = check_broker(broker_config(tmp_path, broker, more))
    assert (let_in.result, topics.result) == ("ok", result)
    assert topics.message.startswith("hears nothing by printos/site-7/print, printos/site-7/print/+ and 5 more")
    assert "printos/site-7/#" in topics.advice


def test_the_acl_that_is_shipped_leaves_nothing_to_say(tmp_path: Path) -> None:
    """The agent's own user may do all that it needs to."""
    login = with_login(tmp_path, PASSWORD, "printos-agent")
    with Mosquitto(tmp_path / "broker", username="printos-agent", password=PASSWORD, extra=f"acl_file {ACL}") as broker:
        findings = check_broker(broker_config(tmp_path, broker, login))
        assert results(findings) == [("broker", "ok"), ("topics", "ok")]


def test_an_acl_that_lets_nothing_be_published_is_seen(tmp_path: Path) -> None:
    """MQTT 5 tells in the PUBACK."""
    (tmp_path / "acl").write_text(f"user {LOGIN}\ntopic read printos/site-7/#\n")
    acl = f"acl_file {tmp_path}/acl"
    with Mosquitto(tmp_path / "broker", username=LOGIN, password=PASSWORD, extra=acl) as broker:
        _let_in, topics = check_broker(broker_config(tmp_path, broker, with_login(tmp_path, PASSWORD)))
    assert topics.message == "may not publish below printos/site-7: Not authorized"


@pytest.mark.parametrize(("more", "result"), [('ca_file = "broker/ca.pem"\n', "ok"), ("", "failed")])
def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path, more: str, result: str) -> None:
    """With the authority's file it is."""
    with Mosquitto(tmp_path / "broker", tls=True) as broker:
        first, *_rest = check_broker(broker_config(tmp_path, broker, f"tls = true\n{more}"))
    assert first.result == result
    assert ("into ca_file ([mqtt])" in first.message) is (result == "failed")


def test_a_3_1_1_session_of_the_doctor_ends_with_it(tmp_path: Path) -> None:
    """A session that stayed would queue every ticket of the site for nobody."""
    with Mosquitto(tmp_path / "broker") as broker:
        assert results(check_broker(broker_config(tmp_path, broker, 'version = "3.1.1"\n')))[0] == ("broker", "ok")
        assert "as printos-agent-site-7-doctor (p2, c1" in broker.log()


def test_a_state_folder_that_others_can_read_is_told_with_the_command_that_closes_it(tmp_path: Path) -> None:
    """Jobs and sealed credentials are in it."""
    config = configured(tmp_path, "")
    config.agent.state_dir.mkdir(mode=0o755)
    (open_to_all,) = check_state(config)
    config.agent.state_dir.chmod(0o700)
    assert open_to_all.advice == f"sudo chmod 0700 {config.agent.state_dir}"
    assert results(check_state(config)) == [("state", "ok")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_that_a_start_as_root_left_is_found(tmp_path: Path) -> None:
    """The service's own user could not write it."""
    config = configured(tmp_path, "")
    config.agent.state_dir.mkdir(mode=0o700)
    (config.agent.state_dir / "agent.db").touch()
    os.chown(config.agent.state_dir, 65_534, 65_534)
    (finding,) = check_state(config)
    assert finding.result == "failed"
    assert "agent.db belongs to root" in finding.message


@pytest.mark.parametrize(
    ("spool", "result"),
    [
        ("", "ok"),
        ("max_bytes = 4398046511104\n", "warning"),
        ("max_bytes = 4398046511104\nmax_job_bytes = 1099511627776\n", "failed"),
    ],
)
def test_room_on_the_disk_is_held_against_what_the_spool_may_take(tmp_path: Path, spool: str, result: str) -> None:
    """A document has to fit now; the whole spool some day."""
    room = os.statvfs(tmp_path)
    if not 2 << 30 < room.f_bavail * room.f_frsize < 1 << 40:
        pytest.skip("this disk has not between 2 GiB and 1 TiB free")
    (finding,) = check_disk(configured(tmp_path, f"[spool]\n{spool}"))
    assert finding.result == result


def test_a_clock_before_what_is_on_the_disk_is_told(tmp_path: Path) -> None:
    """As on a box without a battery after a power cut."""
    config = configured(tmp_path, "")
    assert config.path is not None
    assert "failed" not in dict(results(check_clock(config))).values()
    os.utime(config.path, times=(time.time() + 10_800,) * 2)
    (finding,) = check_clock(config)
    assert (finding.result, finding.message) == ("failed", f"it is 3 h behind the last change of {config.path}")


def test_an_unapproved_site_has_no_use_for_printos() -> None:
    """Nothing is asked of it: HP hears of nobody who did not want it."""
    config = parse_config(f'[printos]\nbase_url = "{NOWHERE}"\n', Path("agent.toml"))
    printers = [{"printos": "none", "approved": False}, {"printos": "pending", "approved": False}]
    assert results(check_printos(config, printers, {"state": "unused"})) == [("PrintOS", "ok")]


def test_a_printos_that_cannot_be_reached_is_told() -> None:
    """That is the network's turn, and told once, though the agent fails as well."""
    config = parse_config(f'[printos]\nbase_url = "{NOWHERE}"\n', Path("agent.toml"))
    health = {"state": "away", "problem": "PrintOS can't be reached"}
    (reached,) = check_printos(config, [{"printos": "active", "approved": True}], health)
    assert "proxy" in reached.advice


def in_printos(name: str, state: str, message: str | None = None, *, approved: bool = True) -> dict[str, Any]:
    """Give a printer as far as its device is concerned."""
    return {"alias": name, "id": name, "printos": state, "printos_message": message, "approved": approved}


def test_printers_that_share_a_trouble_with_printos_share_a_line() -> None:
    """Each trouble has a line of its own with what to do; what PrintOS said is told where it said the same of all."""
    printers = [
        *(in_printos(name, "revoked", "HTTP 401: wrong") for name in ("a", "b", "c")),
        in_printos("d", "credentials-lost"),
        in_printos("e", "active"),
        in_printos("f", "none", approved=False),
    ]
    active, revoked, lost = check_devices(printers)
    assert (active.result, active.message) == ("ok", "active: e; it has a device, and PrintOS is told its status")
    assert revoked.message.startswith("revoked: a, b and 1 more; each has a device")
    assert revoked.message.endswith("(HTTP 401: wrong)")
    assert "--printer ID --replace" in revoked.advice
    assert "--printer d --replace" in lost.advice


def test_a_printer_that_nobody_approved_is_no_fault() -> None:
    """It waits; one that is approved waits for `activate`."""
    waiting, approved = check_devices([in_printos("a", "pending", approved=False), in_printos("b", "pending")])
    assert (waiting.result, waiting.advice, approved.result) == ("ok", "", "warning")
    assert approved.advice == "printos-agent activate --printer b"


def test_a_host_that_leads_to_this_box_is_no_host_to_fetch_from() -> None:
    """A name for loopback is refused, as it is for a ticket."""
    config = parse_config('[fetch]\nallowed_hosts = ["localhost"]\n', Path("agent.toml"))
    (finding,) = check_fetch(config)
    assert (finding.subject, finding.result, finding.advice) == ("localhost", "failed", "list that very address")


def test_what_mdns_and_snmp_see_is_counted(tmp_path: Path) -> None:
    """A sweep of the network finds the printer that speaks SNMP; what is switched off is no fault."""
    with_snmp = SimulatedPrinter(PrinterOptions(kind="snmp", host="127.0.92.1"))
    with_snmp.start()
    try:
        port = with_snmp.ready_line()["snmp"].rpartition(":")[2]
        switches = '[discovery]\nmdns = false\nsubnets = ["127.0.92.0/30"]\n'
        config = configured(tmp_path, f"{switches}[snmp]\nport = {port}\n")
        mdns, snmp = check_lan(config)
    finally:
        with_snmp.stop()
    assert (mdns.message, snmp.message) == ("switched off (discovery.mdns)", "printers seen: 1")


def test_jobs_that_a_person_must_settle_are_named_printer_by_printer() -> None:
    """With the command that settles the first."""
    jobs = [{"id": f"j{n}", "printer": "desk", "state_reasons": ["agent-outcome-unknown"]} for n in (1, 2)]
    (finding,) = check_jobs([*jobs, {"id": "j3", "printer": "desk", "state_reasons": []}])
    assert finding.message == "2 of unknown outcome at desk, such as j1"
    assert "jobs confirm j1" in finding.advice


def test_an_acl_that_lets_the_agent_write_no_tickets_leaves_a_doubt(tmp_path: Path) -> None:
    """It is a good ACL, and what it allows to read can't be tried."""
    acl = f"user {LOGIN}\ntopic readwrite printos/site-7/bridge/#\ntopic read printos/site-7/#\n"
    (tmp_path / "acl").write_text(acl)
    file = f"acl_file {tmp_path}/acl"
    with Mosquitto(tmp_path / "broker", username=LOGIN, password=PASSWORD, extra=file) as broker:
        _let_in, topics = check_broker(broker_config(tmp_path, broker, with_login(tmp_path, PASSWORD)))
    assert topics.result == "warning"


def test_a_subscription_that_is_refused_at_once_is_named() -> None:
    """Some brokers say so in SUBACK."""
    config = parse_config('[mqtt]\nbase_topic = "b"\n', Path("agent.toml"))
    trial = BrokerTrial("5", publish_refusal=None, refused=("b/print",), unheard=("b/print",), untried=())
    assert topic_rights(config, trial).message == "may not subscribe to b/print"


@pytest.mark.parametrize(
    ("facts", "result", "words"),
    [
        ({"state_reasons": ["identity-conflict"]}, "failed", "another printer answers at 192.0.2.7"),
        ({"online": False}, "warning", "192.0.2.7 doesn't answer, last seen never"),
        ({"print_driver": None}, "warning", "nothing at it takes a document"),
        ({}, "failed", "no agent is running"),
    ],
)
def test_what_keeps_a_printer_from_printing_is_told(
    tmp_path: Path, facts: dict[str, Any], result: str, words: str
) -> None:
    """One that should answer is asked through the agent; where that fails, its word is told."""
    good: dict[str, Any] = {"id": "4f0c", "alias": "desk", "host": "192.0.2.7", "state_reasons": [], "last_seen": None}
    printer = {**good, "online": True, "print_driver": "ipp", **facts}
    (finding,) = check_printers(configured(tmp_path, ""), [printer])
    assert (finding.subject, finding.result) == ("desk", result)
    assert words in finding.message
