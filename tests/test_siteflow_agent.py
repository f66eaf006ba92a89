"""A whole agent and Site Flow: what comes by MQTT arrives whole and once, also cut and killed, and the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.cli import client
from agent.config import load_config
from agent.simulator.pdf import write_pdf
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault, When
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser, broker_options, pdf_ticket
from tests.running_agent import RunningAgent
from tests.siteflow_parts import CARD, KEY, ORDER, SECRET, SUBMIT, TEMPLATE, changed

SHA256 = hashlib.sha256(CARD).hexdigest()
TOKEN = "postback-token"
OPEN = changed(ORDER, "orderData.items.0.components.0.path", None)


@contextmanager
def simulated(**options: Any) -> Iterator[PrintOSSimulator]:
    """Run PrintOS with a fast Site Flow."""
    facts = {"api_key": KEY, "api_secret": SECRET, "stage_seconds": 0.2, "artwork_seconds": 1.0, **options}
    simulator = PrintOSSimulator(PrintOSOptions("a", "b", **facts))
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()


def an_agent(
    folder: Path, simulator: PrintOSSimulator, *, mqtt_port: int = 9, web: str = "", **keys: Any
) -> RunningAgent:
    """Give an agent whose Site Flow is the simulator's."""
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_text(SECRET)
    (folder / "token").write_text(TOKEN)
    (folder / "order.json").write_text(json.dumps(TEMPLATE))
    siteflow = {"key": KEY, "secret_file": "secret", "order_file": "order.json", "poll_interval": 1}
    siteflow |= {"base_url": f"{simulator.url}/siteflow", **keys}
    return RunningAgent(folder, mqtt={"port": mqtt_port}, siteflow=siteflow, web={"listen": web})


def orders(simulator: PrintOSSimulator) -> list[dict[str, Any]]:
    """Give the orders that Site Flow has."""
    simulator.siteflow.book.settle()
    return list(simulator.report()["siteflow"]["orders"])


@pytest.fixture
def simulator() -> Iterator[PrintOSSimulator]:
    """Run PrintOS."""
    with simulated() as it:
        yield it


def test_a_ticket_by_mqtt_becomes_one_shipped_order(
    tmp_path: Path, broker: Mosquitto, simulator: PrintOSSimulator
) -> None:
    """Sent twice it is the same job; its messages name the destination and no printer."""
    agent = an_agent(tmp_path / "agent", simulator, mqtt_port=broker.port)
    with agent, MqttUser(broker_options(broker.port), agent.base_topic) as user:
        agent.connected()
        ticket = {"id": "cards-1", "destination": "siteflow", "copies": 2, "order": {"sourceOrderId": "WEB-1"}}
        for _ in range(2):
            user.publish("print", pdf_ticket(CARD, **ticket))
        job = agent.job("cards-1", "completed")
    assert (job["destination"], job["printer"], job["message"]) == ("siteflow", None, "Site Flow: shipped")
    (order,) = orders(simulator)
    assert (order["source_order_id"], order["quantities"], order["sha256"]) == ("WEB-1", [2], [SHA256])


@pytest.mark.parametrize(
    ("method", "path", "when"),
    [
        ("GET", "/siteflow/api/order/bysourceid/.*", "hold-before"),
        ("GET", "/siteflow/api/file/getpreupload", "hold-after"),
        ("POST", "/siteflow/api/order/validate", "hold-after"),
        ("PUT", "/s3/.*", "hold-before"),
        ("PUT", "/s3/.*", "hold-after"),
    ],
)
def test_an_agent_that_is_killed_before_the_order_begins_again(
    tmp_path: Path, simulator: PrintOSSimulator, method: str, path: str, when: Any
) -> None:
    """SIGKILL while Site Flow has yet to answer: one order, whole."""
    fault = simulator.faults.add(Fault(method, path, when=when))
    agent = an_agent(tmp_path / "agent", simulator)
    printed(agent, tmp_path, fault)
    with agent:
        agent.job("cards", "completed")
    assert [order["sha256"] for order in orders(simulator)] == [[SHA256]]


@pytest.mark.parametrize(("when", "count"), [("hold-before", 0), ("hold-after", 1)])
def test_an_agent_that_is_killed_at_the_order_never_orders_twice(
    tmp_path: Path, simulator: PrintOSSimulator, when: Any, count: int
) -> None:
    """An order that was made is found and followed; where none is shown, a person has it sent again."""
    fault = simulator.faults.add(Fault("POST", SUBMIT, when=when))
    agent = an_agent(tmp_path / "agent", simulator)
    printed(agent, tmp_path, fault)
    with agent:
        if not count:
            held = agent.job("cards", "pending-held")
            assert (held["state_reasons"], orders(simulator)) == (["agent-outcome-unknown"], [])
            assert agent.run("jobs", "reprint", "cards").returncode == 0
        agent.job("cards", "completed")
    assert [order["sha256"] for order in orders(simulator)] == [[SHA256]]


def printed(agent: RunningAgent, folder: Path, fault: Fault) -> None:
    """Have an agent print, and kill it when the fault is met."""
    file = folder / "cards.pdf"
    file.write_bytes(CARD)
    agent.start()
    ticket = {"destination": "siteflow", "id": "cards", "name": "Cards"}
    try:
        client.ask(load_config(agent.config), "print", {"ticket": ticket}, document=file)
        assert fault.met.wait(20), agent.log()
    finally:
        agent.kill()
        fault.let_go.set()


def test_a_network_that_is_cut_in_the_middle_doubles_nothing(tmp_path: Path, simulator: PrintOSSimulator) -> None:
    """In the middle of the document, and after the order: it is sent once more, and found."""
    document = write_pdf("Large", pages=3) + b"%" + bytes(5_000_000) + b"\n%%EOF"
    simulator.faults.add(Fault("PUT", "/s3/.*", when="middle"))
    simulator.faults.add(Fault("POST", SUBMIT, when="after"))
    file, order = tmp_path / "large.pdf", written(tmp_path, "orderData.items.0.components.0.path", None)
    file.write_bytes(document)
    agent = an_agent(tmp_path / "agent", simulator)
    with agent:
        done = agent.run("print", file, "--destination", "siteflow", "--order", order, "--wait")
        assert done.returncode == 0, done.stderr
    assert [(order["source_order_id"], order["sizes"]) for order in orders(simulator)] == [("A1", [len(document)])]


def test_an_order_with_its_document_is_a_job(tmp_path: Path, simulator: PrintOSSimulator) -> None:
    """Also where everything else is the template's."""
    file, order = tmp_path / "cards.pdf", tmp_path / "nothing.json"
    file.write_bytes(CARD)
    order.write_text("{}")
    agent = an_agent(tmp_path / "agent", simulator)
    with agent:
        assert agent.run("siteflow", "order", "submit", order, "--document", file).returncode == 0
        agent.job(agent.run_json("jobs")[0]["id"], "completed")
    assert [order["sha256"] for order in orders(simulator)] == [[SHA256]]


def test_a_postback_hurries_an_order(tmp_path: Path, broker: Mosquitto) -> None:
    """Over real HTTP, from Site Flow to the agent: the job ends long before it would have been looked at."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/siteflow/postback"
    with simulated(postback_url=url, postback_token=TOKEN, stage_seconds=2.0) as simulator:
        agent = an_agent(
            tmp_path / "agent", simulator, mqtt_port=broker.port, web=f"127.0.0.1:{port}",
            postback_token_file="token", poll_interval=3600,
        )  # fmt: skip
        with agent, MqttUser(broker_options(broker.port), agent.base_topic) as user:
            agent.connected()
            user.publish("print", pdf_ticket(CARD, id="cards-1", destination="siteflow"))
            agent.job("cards-1", "completed")
            told = user.hear(
                "bridge/event/siteflow-postback", lambda message: message.content["status"] == "printready"
            )
        assert told.content["followed"] is True
        assert simulator.siteflow.book.counters["postbacks_refused"] == 0


@dataclass
class Shell:
    """The command line in this process, with the configuration of an agent that doesn't run."""

    config: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run a command; gives its exit code and what it said on both streams."""
        code = main(["--config", str(self.config), "siteflow", *map(str, arguments)])
        return code, *self.capsys.readouterr()

    def ask(self, *arguments: str | Path) -> tuple[int, Any]:
        """Run a command with `--json`."""
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out or "null")


@pytest.fixture
def shell(tmp_path: Path, simulator: PrintOSSimulator, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Give a command line whose Site Flow is the simulator's."""
    return Shell(an_agent(tmp_path / "agent", simulator).config, capsys)


def written(folder: Path, path: str, value: Any) -> Path:
    """Write an order with a change into a file."""
    file = folder / f"{value}.json".replace("/", "-")
    file.write_text(json.dumps(changed(ORDER, path, value)))
    return file


def test_the_command_line_orders_without_an_agent(tmp_path: Path, shell: Shell) -> None:
    """Validate, submit, show, list, cancel; products and skus; each with its exit code."""
    good = written(tmp_path, "orderData.items.0.components.0.path", "http://127.0.0.1:9/a.pdf")
    bad = written(tmp_path, "orderData.items.0.sku", "boat")
    hopeless = written(tmp_path, "orderData.items.0.quantity", 0)
    assert shell.ask("order", "validate", good) == (0, {"valid": True, "validations": []})
    assert shell.ask("order", "validate", bad) == (
        2, {"valid": False, "validations": ["orderData.items.0.sku: SKU not found: boat"]}
    )  # fmt: skip
    assert shell.ask("order", "validate", hopeless)[0] == shell.ask("order", "submit", hopeless)[0] == 2
    code, order = shell.ask("order", "submit", good)
    assert (code, order["source_order_id"], order["status"]) == (0, "A1", "dataready")
    assert shell.ask("order", "submit", good)[0] == 5
    shown = shell.ask("order", "show", order["id"])[1]
    assert shown == shell.ask("order", "show", "--source-id", "A1")[1]
    assert [artwork["status"] for artwork in shown["artwork"]] == ["error"]
    assert [it["id"] for it in shell.ask("order", "list")[1]] == [order["id"]]
    assert shell.ask("order", "show", "nobody") == (3, None)
    assert shell.ask("order", "cancel", "--source-id", "A1")[1]["status"] == "cancelled"
    assert shell.ask("order", "cancel", order["id"])[0] == 5
    assert [len(shell.ask(what)[1]) for what in ("products", "skus")] == [5, 5]


def test_an_order_that_is_nested_without_an_end_is_told(tmp_path: Path, shell: Shell) -> None:
    """As bad input, in one line."""
    file = tmp_path / "deep.json"
    file.write_text('{"a":' * 900 + "1" + "}" * 900)
    code, _, err = shell.run("order", "validate", file)
    assert (code, "is nested too deeply" in err) == (2, True)


def test_people_are_shown_tables(tmp_path: Path, shell: Shell) -> None:
    """And the mistakes of an order, a line each."""
    bad = written(tmp_path, "orderData.items.0.sku", "boat")
    assert shell.run("order", "validate", bad)[1] == "orderData.items.0.sku: SKU not found: boat\n"
    assert shell.run("order", "list")[1] == "There are no orders on this page.\n"
    assert shell.run("order", "submit", written(tmp_path, "orderData.sourceOrderId", "A7"))[1].endswith("(A7)\n")
    assert [line.split()[1] for line in shell.run("order", "list")[1].splitlines()] == ["SOURCE", "A7"]
    assert "cover, text" in shell.run("skus")[1]
    assert "Flat sheet" in shell.run("products")[1]


def test_a_lost_answer_on_the_command_line_is_asked_for(
    tmp_path: Path, simulator: PrintOSSimulator, shell: Shell
) -> None:
    """Found, it is shown; otherwise it is told how to look. It is never submitted again."""
    faults: tuple[tuple[str, When], ...] = (("A1", "after"), ("A2", "before"))
    for own_id, when in faults:
        simulator.faults.add(Fault("POST", SUBMIT, when=when))
        code, _, err = shell.run("order", "submit", written(tmp_path, "orderData.sourceOrderId", own_id))
        assert (code, f"siteflow order show --source-id {own_id}" in err) == (int(when == "before"), when == "before")
    assert [order["source_order_id"] for order in orders(simulator)] == ["A1"]


def test_a_throttled_command_waits_and_says_so(simulator: PrintOSSimulator, shell: Shell) -> None:
    """As long as Site Flow asks for, on standard error; nobody waits an hour."""
    for seconds in ("1", "3600"):
        simulator.faults.add(Fault("GET", "/siteflow/api/sku", status=429, headers={"Retry-After": seconds}))
    code, _, err = shell.run("skus")
    assert (code, "again in 1.0 s" in err, "asks for patience" in err.splitlines()[-1]) == (1, True, True)


@pytest.mark.parametrize(
    ("keys", "result", "words"),
    [
        ({}, "ok", "takes the key"),
        ({"key": "stranger"}, "failed", "the key is unknown"),
        ({"base_url": "http://127.0.0.1:9"}, "failed", "can't be reached"),
    ],
)
def test_doctor_tries_the_key(
    tmp_path: Path, simulator: PrintOSSimulator, keys: dict[str, Any], result: str, words: str
) -> None:
    """Without an agent too."""
    agent = an_agent(tmp_path / "agent", simulator, **keys)
    findings = json.loads(agent.run("doctor", "--json").stdout)
    (found,) = (it for it in findings if it["check"] == "siteflow")
    assert (found["result"], words in found["message"]) == (result, True), found


def test_an_order_that_cant_be_is_refused_by_mqtt(
    tmp_path: Path, broker: Mosquitto, simulator: PrintOSSimulator
) -> None:
    """With its place in the order."""
    agent = an_agent(tmp_path / "agent", simulator, mqtt_port=broker.port)
    with agent, MqttUser(broker_options(broker.port), agent.base_topic) as user:
        agent.connected()
        order = changed(OPEN, "orderData.items.0.sku", "")
        user.publish("print", pdf_ticket(CARD, id="no-1", destination="siteflow", order=order))
        refused = user.hear("bridge/event/refused").content
    assert (refused["id"], refused["reason"]) == ("no-1", "agent-bad-ticket")
    assert "orderData.items[0].sku" in refused["message"]
