from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.model import Identity, PrinterState, Supply
from agent.simulator.engine import PrinterEngine
from agent.simulator.snmp_front import SnmpFront

HOST = "127.0.0.1"


@pytest.fixture
def client() -> Iterator[SnmpClient]:
    """Give a client."""
    client = SnmpClient()
    client.start()
    yield client
    client.stop()


@pytest.fixture
def engine() -> PrinterEngine:
    """Give a pretended printer with two supplies."""
    identity = Identity(
        serial="SIM0042", mac="02:00:5e:00:53:01", make_and_model="Simulated LaserJet 42", name="front", location="desk"
    )
    supplies = (
        Supply("Black Toner", "toner", colorant="black", unit="percent", level=80, max_capacity=100),
        Supply("Waste Toner Box", "waste-toner", "receptacle", unit="percent", level=90, max_capacity=100),
    )
    return PrinterEngine(
        identity=identity, supplies=supplies, keep=None, seconds_per_page=60, document_formats=("application/pdf",)
    )


@contextmanager
def fronting(engine: PrinterEngine) -> Iterator[SnmpFront]:
    """Serve an engine by SNMP."""
    front = SnmpFront(engine, host=HOST, port=0)
    front.start()
    try:
        yield front
    finally:
        front.stop()


def test_a_simulated_printer_is_read_as_it_is(client: SnmpClient, engine: PrinterEngine) -> None:
    """Identity, supplies, counter; then a jam and a low supply."""
    with fronting(engine) as front:
        printer = SnmpPrinter(HOST, client=client, port=front.port)
        reading = printer.read()
        assert reading.identity == replace(engine.identity, make_and_model="HP Simulated LaserJet 42", firmware=None)
        assert reading.status == engine.status()
        engine.jam()
        engine.set_supply("black", 3)
        status = printer.read().status
    assert (status.state, status.supplies) == (PrinterState.STOPPED, engine.status().supplies)
    assert set(status.state_reasons) == {"media-jam-error", "toner-low-warning"}


@pytest.mark.skipif(shutil.which("snmpwalk") is None, reason="no snmpwalk (package snmp)")
@pytest.mark.parametrize("version", ["1", "2c"])
def test_net_snmps_tools_can_walk_a_simulated_printer(engine: PrinterEngine, version: str) -> None:
    """A peer that we did not write reads it from end to end."""
    with fronting(engine) as front:
        command = ["snmpbulkwalk" if version == "2c" else "snmpwalk", "-v", version, "-c", "public", "-On"]
        walked = subprocess.run(
            [*command, f"{HOST}:{front.port}", ".1.3.6.1"], capture_output=True, text=True, timeout=30, check=True
        )
    assert '.1.3.6.1.2.1.43.5.1.1.17.1 = STRING: "SIM0042"' in walked.stdout
    assert ".1.3.6.1.2.1.43.11.1.1.9.1.2 = INTEGER: 90" in walked.stdout
