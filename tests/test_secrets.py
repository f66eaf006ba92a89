"""No secret that the agent is given is in anything that it writes: all is looked through after a whole life."""

from __future__ import annotations

import base64
import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.printos_stand_in import stand_in
from tests.running_agent import RunningAgent
from tests.secret_search import files_below, first, forms, found, make_secret, process, unpacked
from tests.secret_site import DOCUMENT, Secrets, Site, refusal, secret_site

READING = ("status", "printers", "jobs", "credentials", "config show", "config check", "printers show press")


def make_devices(site: Site) -> None:
    """Type a wrong password, then the right one, and have statuses told through an outage and the end of a session."""
    site.agent.start()
    site.agent.connected()
    for printer in ("press", "office", "desk", site.secrets["planted"]):
        site.agent.printer(printer, online=True)
    site.run("printers", "approve", "press")
    site.activate(site.secrets["mistyped password"])
    right, site.proxy.login = site.proxy.login, "gate:another"
    site.activate(site.secrets["administrator's password"])
    site.proxy.login = right
    assert "active" in site.activate(site.secrets["administrator's password"])
    site.agent.until("a status", lambda: site.printos.statuses)
    before = site.printos.statuses
    site.printos.end_session()
    site.agent.until("another status", lambda: site.printos.statuses > before)
    site.printos.is_out = True
    site.agent.until("the outage", lambda: "out of order" in site.agent.log())
    site.printos.is_out, site.printos.statuses = False, 0
    site.run("credentials", "rotate")


def print_with_pins(site: Site) -> None:
    """Give a PIN by file and by MQTT, and wrong ones before the right one."""
    given = site.folder / "given"
    (given / "order.pdf").write_bytes(b"%PDF-1.7\n")
    pin = site.secrets.file(given, "PIN of a file")
    site.run("print", given / "order.pdf", "--printer", "press", "--id", "by-file", "--pin-file", pin)
    ticket = {"id": "by-mqtt", "pin": site.secrets["PIN of a ticket"], "document": {"data": "JVBERi0xLjc="}}
    site.user.publish("printers/desk/print", ticket)
    site.agent.job("by-mqtt", "pending-held")
    site.user.publish("jobs/by-mqtt/cmd/release", {"pin": site.secrets["mistyped PIN"]})
    site.user.hear("bridge/event/refused")
    site.user.publish("jobs/by-mqtt/cmd/release", {"pin": site.secrets["PIN of a ticket"]})
    site.run("jobs", "release", "by-file", "--pin-file", pin)
    site.agent.job("by-file", "completed")
    site.agent.job("by-mqtt", "completed")


def print_by_reference(site: Site) -> None:
    """Have documents fetched, refused and given up whose URLs have secrets in path and query."""

    def order(name: str, query: str) -> None:
        url = site.web.url(f"/order/{site.secrets.plain(f'path of {name}')}?sig={quote(query)}")
        document = {"url": url, "sha256": sha256(DOCUMENT).hexdigest()}
        site.user.publish("printers/desk/print", {"id": name, "document": document})

    order("whole", site.secrets["query of whole"])
    site.agent.job("whole", "completed")
    site.web.statuses[:] = [403]
    order("forbidden", site.secrets["query of forbidden"])
    site.agent.job("forbidden", "aborted")
    site.web.statuses[:] = [503] * 99
    order("delayed", site.secrets["query of delayed"])
    site.agent.until("a delay", lambda: "fetch-delayed" in str(site.agent.ask("jobs.show", id="delayed")))
    login = site.web.url("/x").replace("://", f"://me:{site.secrets.plain('login of a URL')}@")
    site.user.publish("printers/desk/print", {"id": "with-login", "document": {"url": login, "sha256": "0" * 64}})
    site.user.hear("bridge/event/refused", lambda message: "with-login" in message.payload)


def crash_and_go_on(site: Site) -> None:
    """Kill the agent, start it again where the broker and PrintOS refuse it, and let it go on to a clean end."""
    site.agent.until("the end of the outage", lambda: site.printos.statuses)
    site.look()
    site.agent.kill()
    (site.folder / "given" / "MQTT-password").write_text(site.secrets["wrong MQTT password"])
    site.printos.refuses = True
    told_before = len(site.agent.log())
    site.agent.start()
    site.agent.until("a refusal by the broker", lambda: "not authorized" in site.agent.log().lower())
    site.agent.until("a refused login", lambda: "PrintOS" in site.agent.log()[told_before:])
    site.look()
    bundle = site.folder / "agent" / "bundle.tar.gz"
    site.run_all(*READING, f"doctor --bundle {bundle}", "jobs cancel delayed")
    site.said |= unpacked(bundle)
    site.agent.job("delayed", "canceled")
    site.agent.stop()
    site.run("status")


@pytest.mark.timeout(240)
def test_no_secret_that_it_was_given_is_in_anything_that_it_wrote(tmp_path: Path) -> None:
    """Successes, refusals that repeat what was sent, outages, a crash; at last every place is looked through.

    One word is planted as a printer's alias. It is no secret and goes everywhere, which shows what is looked through.
    """
    with secret_site(tmp_path) as site:
        for part in (make_devices, print_with_pins, print_by_reference, crash_and_go_on):
            part(site)
        (site.folder / "agent" / "agent.toml").unlink()
        seal_key = (site.folder / "agent" / "seal-key").read_text()
        (site.folder / "agent" / "seal-key").unlink()
        written = site.written()
    given = site.secrets.given
    places = found({"planted": given.pop("planted")}, written)
    for place in (
        "state/agent.db",
        "agent.log",
        "MQTT printos/site-7/printers/",
        " printers",
        " config show",
        "bundle",
    ):
        assert any(place in line for line in places), f"not looked through: {place}"
    assert len(given) > 20
    assert (lines := found({**given, "seal key": seal_key}, written)) == [], first(lines)


def test_no_secret_of_the_openapi_dialect_is_in_anything_that_it_wrote(tmp_path: Path) -> None:
    """A bearer token that PrintOS refuses and repeats, and the communities of SNMP, of which only one is right."""
    secrets = Secrets()
    given = tmp_path / "given"
    given.mkdir()
    communities = [secrets.plain("wrong community"), secrets.plain("community")]
    (given / "communities").write_text("\n".join(communities))
    (bearer := given / "bearer").write_text(secrets.plain("bearer token"))
    snmp = SimulatedPrinter(PrinterOptions(kind="snmp", mdns=False, community=communities[1]))
    snmp.start()
    with stand_in({call: lambda seen: refusal(401, seen) for call in ("GET /devices", "POST /devices")}) as site:
        agent = RunningAgent(
            tmp_path / "agent",
            printers=[{"alias": secrets.plain("planted"), "uris": [f"snmp://{snmp.ready_line()['snmp']}"]}],
            agent={"id": "site-7", "state_dir": tmp_path / "agent" / "state", "log_level": "debug"},
            snmp={"community_file": given / "communities", "retries": 0},
            printos={
                "dialect": "openapi", "auth": "bearer", "token_file": bearer,
                "base_url": site.url,
            },
        )  # fmt: skip
        with agent:
            agent.printer(secrets["planted"], online=True)
            agent.ask("printers.approve", id=secrets["planted"])
            said = agent.run_all("activate", "doctor", *READING)
            seen = process(agent.pid)
    snmp.stop()
    assert f"Bearer {secrets['bearer token']}" in {seen.headers["Authorization"] for seen in site.seen}
    (tmp_path / "agent" / "agent.toml").unlink()
    written = {**files_below(tmp_path / "agent"), **said, **seen}
    assert found({"planted": secrets.given.pop("planted")}, written)
    assert (lines := found(secrets.given, written)) == [], first(lines)


@pytest.mark.parametrize("form", ["as it is", "basic login", "hex", "json in json", "url", "cut short", "deleted row"])
def test_a_secret_that_was_written_is_found(tmp_path: Path, form: str) -> None:
    """However it was, and in the middle of whatever."""
    secret = make_secret()
    texts = {
        "as it is": f"password={secret};",
        "basic login": base64.b64encode(f"user:{secret}".encode()).decode(),
        "hex": secret.encode().hex(),
        "json in json": json.dumps(json.dumps({"password": secret})),
        "url": f"http://user:{quote(secret)}@host/",
        "cut short": secret[:24],
    }
    file = tmp_path / "file"
    if form == "deleted row":
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("CREATE TABLE t (s TEXT)")
            connection.execute("INSERT INTO t VALUES (?)", (secret,))
            connection.execute("DELETE FROM t")
        connection.close()
    else:
        file.write_text(f"anything {texts[form]} anything")
    assert found({"password": secret}, {"file": file.read_bytes()}) != []


def test_base64_is_found_wherever_it_begins() -> None:
    """Behind any number of other bytes."""
    secret = make_secret()
    for before in range(7):
        text = base64.b64encode(b"x" * before + secret.encode())
        assert any(sought in text for _form, sought in forms(secret)), before
