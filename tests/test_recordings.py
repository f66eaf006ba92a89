"""The truth about every recorded printer, read over UDP and HTTP as the agent reads real ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.drivers import snmp_message
from agent.drivers.ipp_attributes import parse_reading
from agent.drivers.ipp_message import parse_message
from agent.drivers.ipp_values import GroupTag
from agent.drivers.printer_identity import parse_identity
from agent.drivers.printer_status import parse_status
from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.drivers.snmp_message import Operation, Version, encode_response
from agent.drivers.snmp_reading import present
from agent.errors import PrinterProtocolError
from agent.model import Identity
from agent.simulator.http_front import HttpFront, Request, Response
from tests.recorded_truth import IPP, M880, M880_PERCENTS, NO_PRINTERS, SNMP, Truth
from tests.snmp_agent import load_recording, serving

HOST = "127.0.0.1"
DAMAGED_COPIES = 8
MOST_ANSWERS = 6


@pytest.fixture(scope="module")
def client() -> Iterator[SnmpClient]:
    """Give a client that reads all recordings over one socket."""
    client = SnmpClient(timeout_seconds=2)
    client.start()
    yield client
    client.stop()


def probed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Probe this host as the command line does."""
    code = main(["--config", "none.toml", "probe", HOST, "--json", *arguments])
    out, _ = capsys.readouterr()
    assert code == 0
    printer: dict[str, Any] = json.loads(out)
    return printer


def told(printer: Mapping[str, Any]) -> Truth:
    """Put what `probe --json` says into the form of the table."""
    lines = "".join(f"{_line(supply)}\n" for supply in printer["supplies"])
    return Truth(
        printer["make_and_model"],
        printer["serial"],
        printer["state"],
        tuple(printer["state_reasons"]),
        f"\n{lines}" if lines else "",
        (printer["impressions_completed"], printer["media_sheets_completed"]),
    )


def _line(supply: Mapping[str, Any]) -> str:
    prefix = "waste: " if supply["supply_class"] == "receptacle" else ""
    percent = "-" if supply["percent"] is None else f"{supply['percent']:g}"
    return f"{prefix}{supply['description']} = {percent}"


@contextmanager
def ipp_printer(recording: Path) -> Iterator[int]:
    """Run a printer that answers every request with one recorded response."""

    def answer(request: Request) -> Response:
        assert b"".join(request.body.chunks())
        return Response(body=recording.read_bytes())

    front = HttpFront(host=HOST, port=0, routes=(answer,))
    front.start()
    try:
        yield front.port
    finally:
        front.stop()


@pytest.mark.parametrize("name", SNMP)
def test_a_printer_recorded_by_snmp_is_told_truly(
    recordings: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Make and model, serial number, state, reasons, supplies and counter, by `probe`."""
    with serving(load_recording(recordings / "snmp" / f"{name}.snmprec")) as agent:
        assert told(probed(capsys, "--snmp-port", str(agent.port))) == SNMP[name]


def test_descriptions_that_the_recorder_broke_cost_nothing_else(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The levels stand, and what is left of each description is text in one line."""
    with serving(load_recording(recordings / "snmp" / "jetdirect_m880.snmprec")) as agent:
        printer = probed(capsys, "--snmp-port", str(agent.port))
    assert told(printer)._replace(supplies=M880.supplies) == M880
    assert tuple(supply["percent"] for supply in printer["supplies"]) == M880_PERCENTS
    assert all(supply["description"].isprintable() for supply in printer["supplies"])


@pytest.mark.parametrize("name", IPP)
def test_a_printer_recorded_by_ipp_is_told_truly(
    recordings: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The same by IPP over HTTP."""
    with ipp_printer(recordings / "ipp" / name) as port:
        assert told(probed(capsys, "--ipp-port", str(port))) == IPP[name]


@pytest.mark.parametrize("name", NO_PRINTERS)
def test_what_is_no_printer_is_not_taken_for_one(
    recordings: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Exit code 3, and why."""
    with serving(load_recording(recordings / "snmp" / f"{name}.snmprec")) as agent:
        assert main(["--config", "none.toml", "probe", HOST, "--snmp-port", str(agent.port)]) == 3
    assert "no printer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["get-printer-attributes-empty-attribute-group.bin", "get-printer-attributes-error-0x0503.bin"]
)
def test_a_recorded_error_is_no_printer(recordings: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A refused version and an answer without a printer in it tell nothing that could be believed."""
    with ipp_printer(recordings / "ipp" / name) as port:
        assert main(["--config", "none.toml", "probe", HOST, "--ipp-port", str(port)]) == 3
    assert "is no printer that can be read" in capsys.readouterr().err


def test_every_recording_has_its_truth(recordings: Path) -> None:
    """A new recording is a new line in the table."""
    names = {path.stem for path in (recordings / "snmp").glob("*.snmprec")}
    assert names == {*SNMP, *NO_PRINTERS, "jetdirect_m880"}


@pytest.mark.parametrize("name", SNMP)
def test_a_poll_tells_what_the_first_read_told(recordings: Path, client: SnmpClient, name: str) -> None:
    """It asks for much less."""
    with serving(load_recording(recordings / "snmp" / f"{name}.snmprec")) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port)
        assert printer.read() == printer.read()


def damaged(message: bytes, seed: str) -> Iterator[bytes]:
    """Give copies of a message: cut short at places all over it, and with one to eight bits turned over."""
    chance = random.Random(seed)
    for _ in range(DAMAGED_COPIES):
        yield message[: chance.randrange(len(message))]
        copy = bytearray(message)
        for _ in range(chance.randint(1, 8)):
            copy[chance.randrange(len(copy))] ^= 1 << chance.randrange(8)
        yield bytes(copy)


@pytest.mark.parametrize("name", SNMP)
def test_damaged_snmp_answers_give_a_model_or_our_error(recordings: Path, name: str) -> None:
    """Every value of a recording in answers of 48, each cut and bent in many ways."""
    cells = list(load_recording(recordings / "snmp" / f"{name}.snmprec").items())
    request = snmp_message.Message(Version.V2C, b"public", Operation.GET, 7, 0, 0, ())
    for at in range(0, len(cells), 48)[:MOST_ANSWERS]:
        for copy in damaged(encode_response(request, cells[at : at + 48]), f"{name} {at}"):
            with suppress(PrinterProtocolError):
                values = present(snmp_message.parse_message(copy).varbinds)
                assert isinstance(parse_identity(values), Identity)
                assert all(0 <= (supply.percent or 0) <= 100 for supply in parse_status(values).supplies)


def test_damaged_ipp_answers_give_a_model_or_our_error(recordings: Path) -> None:
    """The same for IPP."""
    for path in sorted((recordings / "ipp").iterdir()):
        for copy in damaged(path.read_bytes(), path.name):
            with suppress(PrinterProtocolError):
                reading = parse_reading(parse_message(copy).group(GroupTag.PRINTER))
                assert all(0 <= (supply.percent or 0) <= 100 for supply in reading.status.supplies)
