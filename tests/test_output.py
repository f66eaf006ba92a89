from __future__ import annotations

from agent.cli.output import fitted, table


def test_a_table_gives_way_where_the_terminal_is_narrow() -> None:
    """The widest columns first; an id is copied and a message is read, so that the first and the last stay whole."""
    assert fitted([12, 48, 15, 40, 16], 90) == [12, 19, 15, 20, 16]
    assert fitted([12, 48, 15, 40, 16], 200) == [12, 48, 15, 40, 16]
    assert fitted([12, 48, 300], 80) == [12, 15, 300]


def test_what_is_no_terminal_gets_the_whole_table() -> None:
    """A pipe has no width."""
    shown = table(["id", "printer", "note"], [["4f0c1b22a9d3", "x" * 40, "y" * 100]])
    assert shown.splitlines()[1] == f"4f0c1b22a9d3  {'x' * 40}  {'y' * 100}"


def test_control_characters_of_a_printer_never_reach_the_terminal() -> None:
    """Its name is hostile input."""
    assert "\x1b" not in table(["printer", "note"], [["a\x1b[2Jb", "\x1b[31m"]])
