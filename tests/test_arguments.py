from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

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
