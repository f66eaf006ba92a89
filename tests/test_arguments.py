from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from agent.__main__ import COMMANDS, build_parser, main
from agent.cli.arguments import port, port_to_take, positive_seconds


def test_a_port_is_a_number_that_there_is() -> None:
    """Only who listens may name 0, for a free one."""
    assert (port("1"), port("65535"), port_to_take("0")) == (1, 65535, 0)
    for text in ("0", "65536", "-1", "x", "", "1.5"):
        with pytest.raises(ArgumentTypeError, match="must be"):
            port(text)


def test_a_time_is_longer_than_none_and_ends() -> None:
    """Whatever else a float may be is refused."""
    assert positive_seconds("0.5") == 0.5
    for text in ("0", "-3", "nan", "inf", "x"):
        with pytest.raises(ArgumentTypeError, match="must be a number of seconds"):
            positive_seconds(text)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_is_found_in_the_module_that_the_table_names(module: str) -> None:
    """The others need not be loaded for it: a Raspberry Pi takes a second for all of them."""
    alone = next(action for action in build_parser([module])._actions if action.choices)
    assert tuple(alone.choices or ()) == COMMANDS[module]


def test_a_command_that_there_is_not_is_told_with_all_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Also behind an option with a value that is a command's name."""
    with pytest.raises(SystemExit, match="2"):
        main(["--config", "status", "stats"])
    told = capsys.readouterr().err
    assert [command for commands in COMMANDS.values() for command in commands if command not in told] == []
