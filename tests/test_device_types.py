"""HP's list of device types: a help for people, which refuses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import parse_config
from agent.config_warnings import config_warnings
from agent.printos.device_types import NOT_SELF_PROVISIONABLE, SELF_PROVISIONABLE, device_types, doubt
from tests.running_agent import run_command


def test_the_list_is_whole() -> None:
    """All rows of HP's file, each once, and as many of them with credentials as it has."""
    known = list(device_types())
    assert (len(known), sum(it.self_provisionable for it in known)) == (153, 97)
    assert len({(it.type, it.model) for it in known}) == 153
    assert len(SELF_PROVISIONABLE["FinishingDevice"]) == 47
    assert set(NOT_SELF_PROVISIONABLE["HotFolder"]) == {"HotFolder"}


def test_words_of_a_name_find_it() -> None:
    """In any case and order."""
    assert [it.model for it in device_types("12000 indigo")] == ["HP Indigo 12000 Digital Press"]
    assert list(device_types("laserjet")) == []


@pytest.mark.parametrize(
    ("device_type", "model", "told"),
    [
        ("IHPSPress", "HP T300M", ""),
        ("IHPSPress", "", ""),
        ("", "", ""),
        ("IndigoPres", "", "'IndigoPres' is no type that HP listed; near are IndigoPress"),
        ("IHPSPress", "HP T300X", "HP T300M"),
        ("IHPSPress", "hp t300m", "near are HP T300M"),
        ("LatexPrinter", "B4H69", "gives LatexPrinter B4H69 no credentials"),
        ("", "HP T300M", "its type is IHPSPress"),
        ("", "OfficeJet Pro 9022e zzz", "is no model that HP listed"),
    ],
)
def test_a_doubt_names_what_is_near(device_type: str, model: str, told: str) -> None:
    """A slip of the pen is seen; what is known, or not given, is beyond doubt."""
    assert doubt(device_type, model).endswith(told) if not told else told in doubt(device_type, model)
    assert bool(doubt(device_type, model)) is bool(told)


@pytest.mark.parametrize(
    ("keys", "warnings"),
    [
        ('printos_type = "IHPSPress"\nprintos_model = "HP T300M"', []),
        ('printos_type = "IHPSPress"', []),
        ('printos_type = "Indigo Press"', ["printer[1].printos_type: 'Indigo Press' is no type"]),
        (
            'printos_model = "HP T300M"',
            ["printer[1].printos_model: has no effect without printos_type (its type is IHP"],
        ),
    ],
)
def test_the_configuration_is_warned_of_and_taken(keys: str, warnings: list[str]) -> None:
    """PrintOS's own table may have grown: that is for PrintOS to say."""
    config = parse_config(f'[[printer]]\nserial = "X1"\n{keys}\n', Path("agent.toml"))
    told = list(config_warnings(config))
    assert [line.startswith(warning) for line, warning in zip(told, warnings, strict=True)] == [True] * len(warnings)


def test_openapi_needs_no_type() -> None:
    """So that none is doubtful."""
    text = '[printos]\ndialect = "openapi"\n[[printer]]\nserial = "X1"\nprintos_type = "Nonsense"\n'
    assert list(config_warnings(parse_config(text, Path("agent.toml")))) == []


def test_config_check_tells_the_doubt_and_is_content(tmp_path: Path) -> None:
    """Exit code 0, the doubt at standard error; machines find it in the JSON."""
    file = tmp_path / "agent.toml"
    file.write_text('[[printer]]\nserial = "X1"\nprintos_type = "IndigoPres"\n')
    plain = run_command("--config", file, "config", "check")
    told = run_command("--config", file, "config", "check", "--json")
    assert (plain.returncode, told.returncode) == (0, 0)
    assert "near are IndigoPress" in plain.stderr
    assert '"warnings": ["printer[1].printos_type' in told.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "lines"), [(("t490m",), 0, 2), (("b4h69",), 3, 1), (("--all", "b4h69"), 0, 2)]
)
def test_types_lists_what_may_be_configured(arguments: tuple[str, ...], exit_code: int, lines: int) -> None:
    """Only what gets credentials, unless all are asked for; exit code 3 where nothing is meant."""
    done = run_command("types", *arguments)
    assert (done.returncode, len(done.stdout.splitlines())) == (exit_code, lines)
