"""No secret of a service that wants requests signed is in anything that the agent wrote, nor are presigned URLs."""

from __future__ import annotations

import json
from pathlib import Path

from agent.cli import client
from agent.config import load_config
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault
from tests.running_agent import RunningAgent
from tests.secret_search import files_below, first, found, process
from tests.secret_site import Secrets
from tests.siteflow_parts import CARD, KEY, TEMPLATE

PRESIGNED = ("AWSAccessKeyId", "X-Amz-Signature", "Signature=")


def order(agent: RunningAgent, folder: Path, job_id: str) -> None:
    """Have a document ordered."""
    (folder / "card.pdf").write_bytes(CARD)
    ticket = {"id": job_id, "destination": "siteflow", "document_format": "application/pdf"}
    client.ask(load_config(agent.config), "print", {"ticket": ticket}, document=folder / "card.pdf")


def test_no_secret_of_site_flow_is_in_anything_that_it_wrote(tmp_path: Path) -> None:
    """A wrong secret, then the right one; an upload that is refused, one that breaks, and orders that are taken."""
    secrets = Secrets()
    given = tmp_path / "given"
    given.mkdir()
    (given / "order.json").write_text(json.dumps(TEMPLATE))
    (given / "secret").write_text(secrets["wrong secret"])
    simulator = PrintOSSimulator(PrintOSOptions("a", "b", api_key=KEY, api_secret=secrets["secret"]))
    simulator.start()
    agent = RunningAgent(
        tmp_path / "agent",
        agent={"id": "site-7", "state_dir": tmp_path / "agent" / "state", "log_level": "debug"},
        siteflow={
            "base_url": f"{simulator.url}/siteflow", "key": KEY, "secret_file": given / "secret",
            "order_file": given / "order.json", "completed_at": "accepted", "poll_interval": 1,
        },
    )  # fmt: skip
    with agent:
        order(agent, given, "refused")
        agent.until("a refusal", lambda: agent.ask("jobs.show", id="refused")["message"])
    (given / "secret").write_text(secrets["secret"])
    faults = [Fault("PUT", "/s3/.*", status=403), Fault("PUT", "/s3/.*", when="middle")]
    for fault in faults:
        simulator.faults.add(fault)
    with agent:
        order(agent, given, secrets.plain("planted"))
        agent.until("the faults", lambda: all(fault.met.is_set() for fault in faults))
        said = [agent.run("-v", *command.split()) for command in ("status", "jobs", "config show")]
        seen = process(agent.pid)
        agent.kill()
        agent.start()
        agent.until("an order", lambda: simulator.siteflow.report()["orders"])
    simulator.stop()
    (tmp_path / "agent" / "agent.toml").unlink()
    told = {f"{done.args}": f"{done.stdout}{done.stderr}".encode() for done in said}
    written = {**files_below(tmp_path / "agent"), **told, **seen}
    assert found({"planted": secrets.given.pop("planted")}, written)
    assert (lines := found(secrets.given, written)) == [], first(lines)
    assert [(part, place) for part in PRESIGNED for place in written if part.encode() in written[place]] == []
