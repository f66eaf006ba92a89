"""The inventory: a row a printer with what fleet tools hold, told once a day, asked for with the agent and at rest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.accounts import SCHEMA as ACCOUNTS
from agent.cli.state import SCHEMAS
from agent.errors import InputError, NotFoundError
from agent.inventory import list_counters, read_inventory
from agent.inventory_row import COLUMNS, make_and_model
from agent.model import Capabilities
from agent.store import Store
from tests.conftest import FakeClock
from tests.inventory_parts import DAY, HOUR, Bench, toner


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give an inventory where `printos-agent --config agent.toml` finds it."""
    (tmp_path / "agent.toml").write_text(f'[agent]\nstate_dir = "{tmp_path / "state"}"\n')
    it = Bench(tmp_path / "state/agent.db", clock)
    yield it
    it.store.close()


def ask(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `printos-agent inventory` on an agent at rest and give what it prints."""
    assert main(["--config", str(folder / "agent.toml"), "inventory", *arguments]) == 0
    return capsys.readouterr().out


def test_a_row_has_what_fleet_tools_hold(bench: Bench) -> None:
    """Who it is, how it is, what it has used, and how it stands with PrintOS; what nobody told is null."""
    printer = bench.enter(left=60)
    bench.device_ids = {printer.id: "device-9"}
    bench.count(printer, 1000, left=60)
    row = bench.row()
    told = ("make", "model", "serial", "mac", "protocols", "counted_since", "pages_counted", "printos_device_id")
    assert [row[name] for name in told] == [
        "HP", "Color LaserJet M452nw", "S1", None, ["ipp", "snmp"], "2026-01-02T03:00:00Z", 0, "device-9",
    ]  # fmt: skip
    assert (row["supplies"][0]["percent"], row["supplies"][0]["days_left"]) == (60.0, None)


@pytest.mark.parametrize(
    ("options", "can"),
    [
        ({}, (None, None, [])),
        ({"sides": ("one-sided",), "print-color-mode": ("monochrome",)}, (False, False, [])),
        (
            {"sides": ("one-sided", "two-sided-long-edge"), "print-color-mode": ("auto", "color"),
             "finishings": ("none", "staple")},
            (True, True, ["staple"]),
        ),
    ],
)  # fmt: skip
def test_a_row_tells_what_a_printer_can(
    bench: Bench, options: dict[str, tuple[str, ...]], can: tuple[bool | None, bool | None, list[str]]
) -> None:
    """As it says by IPP; what it doesn't say is null, not no."""
    bench.enter(capabilities=Capabilities(options=options, command_set=("PJL",)), paused=True)
    row = bench.row()
    assert (row["can_color"], row["can_duplex"], row["finishings"]) == can
    assert (row["command_set"], row["paused"], row["accepting_jobs"]) == (["PJL"], True, True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("HP Color LaserJet M452nw", ("HP", "Color LaserJet M452nw")),
        ("Hewlett-Packard HP LaserJet 4", ("HP", "LaserJet 4")),
        ("LaserJet 9", ("HP", "LaserJet 9")),
        ("HP", ("HP", "HP")),
        ("Nobody 3000", (None, "Nobody 3000")),
        (None, (None, None)),
    ],
)
def test_a_make_and_model_is_parted_where_the_make_is_known(text: str | None, parts: tuple[str | None, ...]) -> None:
    """Fleet tools have two columns; a make is not guessed."""
    assert make_and_model(text) == parts


def test_a_row_is_told_retained_once_a_day(bench: Bench) -> None:
    """And again to a broker that has forgotten it."""
    printer = bench.enter()
    for pages in (1000, 1010, 1020):
        bench.count(printer, pages)
        bench.wait(HOUR)
    assert [row["id"] for row in bench.told()] == [printer.id]
    bench.wait(DAY)
    bench.count(printer, 1100)
    assert [row["pages_counted"] for row in bench.told()] == [100]
    bench.inventory.restate()
    assert [row["id"] for row in bench.told()] == [printer.id]


def test_a_row_of_csv_has_the_documented_columns(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one order that stays; of a colour the cartridge that ends first."""
    status = replace(bench.enter().status, supplies=(toner(70), toner(20), toner(None, "cyan")))
    bench.enter("S2", status=status)
    (header, _, row) = csv.reader(io.StringIO(ask(tmp_path, capsys, "--csv")))
    cells = dict(zip(header, row, strict=True))
    assert tuple(header) == COLUMNS
    assert [cells[name] for name in ("serial", "online", "black_percent", "cyan_percent", "mac")] == [
        "S2", "yes", "20.0", "", "",
    ]  # fmt: skip
    assert cells["supplies"].startswith("Cartridge HP CF410X 70 %; ")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\uff1d1+1"])
def test_a_spreadsheet_does_not_run_what_a_printer_calls_itself(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Whoever is on the LAN chooses its name."""
    printer = bench.enter()
    bench.registry.update(printer.id, lambda known: replace(known, identity=replace(known.identity, name=name)))
    (header, row) = csv.reader(io.StringIO(ask(tmp_path, capsys, "--csv")))
    assert row[header.index("name")] == f"'{name}"


def test_a_text_with_commas_quotes_and_other_scripts_is_one_cell(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As RFC 4180 has it, in UTF-8, with CRLF at the ends of lines."""
    place = 'Halle 2, "Büro" 東京'
    printer = bench.enter()
    bench.registry.update(printer.id, lambda known: replace(known, identity=replace(known.identity, location=place)))
    text = ask(tmp_path, capsys, "--csv")
    assert (f'"{place.replace(chr(34), chr(34) * 2)}"' in text, text.count("\r\n")) == (True, 2)


def test_the_history_is_shown_with_the_pages_in_between(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reset is marked, and of the first sample neither pages nor a reset are known."""
    printer = bench.enter()
    for pages in (1000, 1025, 3):
        bench.count(printer, pages)
        bench.wait(HOUR)
    rows = json.loads(ask(tmp_path, capsys, "--counters", "--json"))
    assert [(row["impressions_completed"], row["pages"], row["reset"]) for row in rows] == [
        (1000, None, None), (1025, 25, False), (3, 0, True),
    ]  # fmt: skip
    since = json.loads(ask(tmp_path, capsys, "--counters", "--json", "--since", "2026-01-02T05:00:00Z"))
    assert [row["left"] for row in since] == [{"black toner": 80}]


def test_people_get_tables(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of printers, one of samples; and for spreadsheets, samples as CSV too."""
    printer = bench.enter()
    bench.count(printer, 1000)
    assert "Color LaserJet M452nw" in ask(tmp_path, capsys)
    assert "black toner 80" in ask(tmp_path, capsys, "--counters", "--printer", printer.id)
    assert ask(tmp_path, capsys, "--counters", "--csv").startswith("printer,at,impressions_completed,")


def test_an_inventory_of_an_agent_of_before_is_read(tmp_path: Path, clock: FakeClock) -> None:
    """Its file has no counters; what they would tell is unknown."""
    older = Store(tmp_path / "older.db")
    older.open()
    older.migrate("accounts", ACCOUNTS)
    older.close()
    with closing(Store.open_read_only(older.path, SCHEMAS)) as reader:
        assert read_inventory(reader, [], {}, clock()) == []


@pytest.mark.parametrize(
    "arguments", [{"since": "yesterday"}, {"since": 7}, {"after": 7}, {"after": ["x", "y"]}, {"after": [1 << 80, ""]}]
)
def test_a_part_that_makes_no_sense_is_bad_input(bench: Bench, arguments: dict[str, Any]) -> None:
    """It comes over a socket that other programs may use too."""
    with pytest.raises(InputError):
        list_counters(bench.store, [], arguments)


def test_an_inventory_has_no_past(bench: Bench, tmp_path: Path) -> None:
    """Only counters have one: --since without them is a mistake."""
    bench.enter()
    assert main(["--config", str(tmp_path / "agent.toml"), "inventory", "--since", "2026-01-01"]) == 2


def test_a_printer_that_there_is_none_of_is_told(bench: Bench) -> None:
    """Rather than an empty history."""
    with pytest.raises(NotFoundError):
        list_counters(bench.store, [], {"printer": "nobody"})
