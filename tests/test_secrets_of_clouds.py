"""No secret of a service that wants requests signed is in anything that the agent wrote, nor are presigned URLs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli import client
from agent.config import load_config
from agent.http import HttpClient
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault
from tests.mosquitto import free_port
from tests.running_agent import RunningAgent
from tests.secret_search import files_below, first, found, process
from tests.secret_site import Secrets
from tests.siteflow_parts import CARD, KEY, TEMPLATE

SERVICES = ("box", "siteflow")
UPLOADS = ("/s3/box/.*", "/s3/siteflow/.*")
PRESIGNED = ("AWSAccessKeyId", "X-Amz-Signature", "Signature=")


def sections(simulator: PrintOSSimulator, folder: Path, port: int) -> dict[str, Any]:
    """Give the sections of agent.toml for both services and for postbacks."""
    given = folder / "given"
    key = {"key": KEY, "secret_file": given / "secret"}
    return {
        "agent": {"id": "site-7", "state_dir": folder / "agent" / "state", "log_level": "debug"},
        "siteflow": {
            **key, "base_url": f"{simulator.url}/siteflow", "order_file": given / "order.json", "poll_interval": 1,
            "postback_token_file": given / "token",
        },
        "box": {**key, "base_url": f"{simulator.url}/box", "folder": "Jobs", "sender": "a@b.example", "recipient": "c"},
        "web": {"listen": f"127.0.0.1:{port}"},
    }  # fmt: skip


def send(agent: RunningAgent, destination: str, job_id: str, document: Path) -> None:
    """Have a document sent to a service."""
    ticket = {"id": job_id, "destination": destination, "document_format": "application/pdf"}
    client.ask(load_config(agent.config), "print", {"ticket": ticket}, document=document)


def post_back(port: int, token: str) -> int:
    """Tell of an order as Site Flow does, with the token in the query and in the body; gives the status."""
    body = json.dumps({"sourceOrderId": "order", "status": "printed", "token": token}).encode()
    http = HttpClient()
    status = http.request("POST", f"http://127.0.0.1:{port}/siteflow/postback?token={token}", body=body).status
    http.close()
    return status


@pytest.mark.timeout(120)
def test_no_secret_of_a_signed_service_is_in_anything_that_it_wrote(tmp_path: Path) -> None:
    """A wrong secret, then the right one; uploads that are refused and broken off, a crash, good and bad postbacks."""
    secrets, port = Secrets(), free_port()
    given = tmp_path / "given"
    given.mkdir()
    (given / "order.json").write_text(json.dumps(TEMPLATE))
    (given / "card.pdf").write_bytes(CARD)
    (given / "token").write_text(secrets.plain("postback token"))
    (given / "secret").write_text(secrets["wrong secret"])
    simulator = PrintOSSimulator(PrintOSOptions("a", "b", api_key=KEY, api_secret=secrets["secret"]))
    simulator.start()
    agent = RunningAgent(tmp_path / "agent", printers=(), **sections(simulator, tmp_path, port))
    refused = {name: f"refused-by-{name}" for name in SERVICES}
    taken = {name: f"{secrets.plain('planted')}-{name}" for name in SERVICES}
    with agent:
        for name, job_id in refused.items():
            send(agent, name, job_id, given / "card.pdf")
        agent.until("refusals", lambda: all(agent.ask("jobs.show", id=it)["message"] for it in refused.values()))
    (given / "secret").write_text(secrets["secret"])
    faults = [
        fault for path in UPLOADS for fault in (Fault("PUT", path, status=403), Fault("PUT", path, when="middle"))
    ]
    for fault in faults:
        simulator.faults.add(fault)
    with agent:
        for name, job_id in taken.items():
            send(agent, name, job_id, given / "card.pdf")
        agent.until("the faults", lambda: all(fault.met.is_set() for fault in faults))
        assert (post_back(port, secrets.plain("wrong token")), post_back(port, secrets["postback token"])) == (401, 204)
        said = agent.run_all("status", "jobs", "config show")
        seen = process(agent.pid)
        agent.kill()
        agent.start()
        agent.until("their ends", lambda: all(agent.ask("jobs.show", id=it)["device_job_id"] for it in taken.values()))
    simulator.stop()
    (tmp_path / "agent" / "agent.toml").unlink()
    written = {**files_below(tmp_path / "agent"), **said, **seen}
    assert found({"planted": secrets.given.pop("planted")}, written)
    assert (lines := found(secrets.given, written)) == [], first(lines)
    assert [(part, place) for part in PRESIGNED for place in written if part.encode() in written[place]] == []
