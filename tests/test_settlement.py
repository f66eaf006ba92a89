"""What must be written down, kept until the disk takes it."""

from __future__ import annotations

from functools import partial

import pytest

from agent.errors import SpoolFullError
from agent.settlement import Settlements


class Disk:
    """A disk that refuses until it is told otherwise, and what was written to it."""

    def __init__(self) -> None:
        self.error: Exception | None = SpoolFullError("the disk is full")
        self.written: list[str] = []

    def write(self, what: str) -> None:
        """Write, or raise."""
        if self.error is not None:
            raise self.error
        self.written.append(what)


def test_what_the_disk_refuses_is_written_as_soon_as_it_can_be() -> None:
    """In its order, and once."""
    disk, settlements = Disk(), Settlements()
    for what in "ab":
        settlements.settle(partial(disk.write, what))
    assert (settlements.again(), disk.written) == (False, [])
    disk.error = None
    assert (settlements.again(), settlements.again(), disk.written) == (True, True, ["a", "b"])


def test_a_write_that_can_never_be_made_takes_none_of_the_others_with_it() -> None:
    """A mistake of ours with one job must not leave another one under way for ever."""
    disk, broken, settlements = Disk(), Disk(), Settlements()
    settlements.settle(lambda: broken.write("broken"))
    settlements.settle(lambda: disk.write("sound"))
    disk.error, broken.error = None, ValueError("a mistake")
    with pytest.raises(ValueError, match="a mistake"):
        settlements.again()
    assert (settlements.again(), disk.written) == (True, ["sound"])
