"""A small flood of bad tickets; `python -m tests.tickets` is the great one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.tickets.flood import Figures, flood
from tests.tickets.messages import messages
from tests.tickets.oracle import Message, judge

TICKET = b'{"id": "a", "printer": "desk", "document": {"data": "AAAA"}}'


def test_a_flood_of_bad_tickets_makes_no_job_that_should_not_be_and_leaves_none_unacknowledged(tmp_path: Path) -> None:
    """Each of them is judged by the contract, and answered so by an agent of MQTT 5 and one of 3.1.1."""
    figures = flood(tmp_path, tickets=1000, seed=7)
    assert figures.holds, figures
    assert figures.refused > 400
    assert figures.accepted > 100
    assert figures.log_lines < 300


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (Message("print", TICKET), "job"), (Message("printers/desk/print/ann", TICKET), "job"),
        (Message("printers/desk/print", b"%PDF"), "job"), (Message("print", b"%PDF"), "refused"),
        (Message("print", TICKET.replace(b"AAAA", b"AAA")), "refused"),
        (Message("print", TICKET.replace(b"desk", b"nowhere")), "refused"),
        (Message("print", TICKET, retain=True), "refused"), (Message("print", b"", retain=True), "ignored"),
        (Message("print/a/b", TICKET), "ignored"), (Message("jobs/x/cmd/cancel", b"{}"), "refused"),
        (Message("print", b"\xef\xbb\xbf" + TICKET), "job"), (Message("print", TICKET[:-1] + b',"id":"b"}'), "refused"),
    ],
)  # fmt: skip
def test_the_oracle_judges_by_the_contract(message: Message, verdict: str) -> None:
    """What it says of plain cases can be read in docs/mqtt.md."""
    assert judge(message) == verdict


def test_a_flood_is_the_same_for_the_same_seed() -> None:
    """So that what was found can be found again."""
    first, again = ([message.topic for message in messages(400, Random(1))] for _ in range(2))
    assert first == again
    assert len(set(first)) > 300


def test_wrong_figures_do_not_hold() -> None:
    """Each of the zeros counts; growth is what came after the agents were warm."""
    assert Figures(1, marks={1000: 50.0, 2000: 60.0, 3000: 59.0, 4000: 62.5}).memory_growth_mb == 2.5
    assert Figures(1).holds
    for name in ("crashes", "jobs_that_should_not_be", "lost", "wrongly_answered", "unacknowledged"):
        figures = Figures(1)
        setattr(figures, name, 1)
        assert not figures.holds
