from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.cli.live import Live
from agent.cli.watch import Found
from agent.model import Identity, Sighting, utc_now
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.running_agent import RunningAgent

MAC = "02:19:9d:ce:28:6b"
UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def found(host: str, uri: str, **identity: str) -> Found:
    """Give a printer that a sweep has found."""
    return Found(host, Identity(**identity), (("snmp", (uri,)),), utc_now())


def seen(host: str, uri: str, **identity: str) -> Sighting:
    """Give a sighting by mDNS."""
    return Sighting("mdns", host, (uri,), Identity(**identity))


def test_what_both_protocols_tell_is_one_printer() -> None:
    """Also where they share no more than the MAC, and stand at one loopback address with others."""
    by_snmp = found("127.0.77.1", "snmp://127.0.77.1", serial="CN1234", mac=MAC)
    by_mdns = seen("127.0.77.1", "ipp://127.0.77.1:631/ipp/print", uuid=UUID, mac=MAC.upper())
    assert by_snmp.is_seen_in(by_mdns)
    joined = by_snmp.joined(by_mdns)
    assert (joined.identity.serial, joined.identity.uuid, joined.sources) == ("CN1234", UUID, ("snmp", "mdns"))


def test_a_host_of_the_lan_is_one_printer_unless_something_speaks_against_it() -> None:
    """The sweep tells a serial, mDNS a UUID: the address is what they have in common."""
    by_snmp = found("192.0.2.7", "snmp://192.0.2.7", serial="CN1234")
    assert by_snmp.is_seen_in(seen("192.0.2.7", "socket://192.0.2.7:9100", uuid=UUID))
    assert not by_snmp.is_seen_in(seen("192.0.2.7", "socket://192.0.2.7:9101", serial="XY9876"))


def test_printers_at_one_loopback_address_are_told_apart_by_their_ports() -> None:
    """Every printer of a demo stands there."""
    one = found("127.0.0.1", "snmp://127.0.0.1:9161")
    assert not one.is_seen_in(seen("127.0.0.1", "ipp://127.0.0.1:8631/ipp/print"))
    assert one.is_seen_in(seen("127.0.0.1", "snmp://127.0.0.1:9161"))


def test_a_goodbye_takes_back_one_service_and_the_last_one_the_printer() -> None:
    """IPP and the raw port are announced on their own."""
    ipp, raw = (seen("192.0.2.7", uri, uuid=UUID) for uri in ("ipp://192.0.2.7/ipp/print", "socket://192.0.2.7:9100"))
    both = Found("192.0.2.7", ipp.identity, (("mdns", ipp.uris),), utc_now()).joined(raw)
    assert both.without(ipp).uris == raw.uris
    assert both.without(ipp).without(raw).sources == ()


def test_a_printer_seen_at_another_address_is_shown_there() -> None:
    """What it offered at the old one is forgotten."""
    before = Found("192.0.2.7", Identity(uuid=UUID), (("mdns", ("ipp://192.0.2.7/ipp/print",)),), utc_now())
    after = before.joined(seen("192.0.2.8", "ipp://192.0.2.8/ipp/print", uuid=UUID))
    assert (after.host, after.uris) == ("192.0.2.8", ("ipp://192.0.2.8/ipp/print",))


def test_a_live_table_is_drawn_over_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what has changed is drawn at all, and nothing that the terminal has no room for."""
    live = Live()
    for text in ("one\ntwo", "one\ntwo", "three"):
        live.draw(text)
    assert capsys.readouterr().out == "one\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[2Fthree\x1b[K\n\x1b[J"
    live.draw("line\n" * 1000)
    assert capsys.readouterr().out.count("\n") < 1000


@pytest.fixture
def watch(tmp_path: Path) -> list[str]:
    """Give the command that watches loopback by mDNS, and can be interrupted where the tests themselves can't be."""
    discovery = {"mdns": True, "snmp": False, "subnets": ["127.0.93.0/28"]}
    agent = RunningAgent(tmp_path, discovery=discovery)
    command = [sys.executable, "-m", "agent", "--config", str(agent.config), "discover", "--watch"]
    return ["env", "--default-signal=INT", *command]


@pytest.fixture
def printer() -> Iterator[SimulatedPrinter]:
    """Give a printer that announces itself once it is started."""
    it = SimulatedPrinter(PrinterOptions(kind="ipp", host="127.0.93.1"))
    yield it
    it.stop()


def test_a_watch_at_a_terminal_is_a_table_kept_up_to_date(watch: list[str], printer: SimulatedPrinter) -> None:
    """A printer comes and goes in it, drawn over what was there; Ctrl-C ends it, and that is no failure."""
    terminal, inside = pty.openpty()
    with running(watch, stdin=inside, stdout=inside, stderr=subprocess.DEVNULL) as process:
        os.close(inside)
        read_until(terminal, "0 there")
        printer.start()
        assert "127.0.93.1" in read_until(terminal, "1 there")
        printer.stop()
        assert "\x1b[4F" in read_until(terminal, "1 gone")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    os.close(terminal)


def test_a_watch_for_machines_is_an_object_for_each_change(watch: list[str], printer: SimulatedPrinter) -> None:
    """One a line, at once."""
    with running([*watch, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "looking" in process.stderr.readline()
        printer.start()
        found = json.loads(process.stdout.readline())
        printer.stop()
        gone = json.loads(process.stdout.readline())
        process.terminate()
    assert [(it["change"], it["host"]) for it in (found, gone)] == [("found", "127.0.93.1"), ("gone", "127.0.93.1")]
    assert found["uuid"] == printer.engine.identity.uuid


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a command, which a test that fails leaves nothing of."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(terminal: int, text: str, seconds: float = 30.0) -> str:
    """Read what is drawn until a text is."""
    drawn, deadline = "", time.monotonic() + seconds
    while text not in drawn:
        assert select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0], drawn
        drawn += os.read(terminal, 4096).decode()
    return drawn
