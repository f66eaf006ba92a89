"""The crash suite in small: every commit once, and some random kills; in full it is `python -m tests.crash`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from agent.reconcile import Stage
from tests.crash.campaign import Campaign, Point, campaign
from tests.crash.documents import make_document, number_of
from tests.crash.verdict import PRINTERS, Copy, Evidence, Kill, Order, Told

RANDOM_KILLS = 20
STAGES = {"received", "announced", "created", *get_args(Stage)}


def commits(it: Campaign) -> Iterator[Point]:
    """Give every commit of an agent that was not met yet on another printer, found while those before are killed at."""
    met = set()
    for printer in PRINTERS:
        for points_of in (it.points, it.points_at_start):
            for point in tuple(points_of(printer)):
                if point.name.startswith("commit") and (point.when, point.name) not in met:
                    met.add((point.when, point.name))
                    yield point


@pytest.mark.timeout(400)
def test_an_agent_killed_at_every_commit_and_at_random_loses_doubles_and_claims_nothing(tmp_path: Path) -> None:
    """Every stage of the journal is killed at, before and after it is on the disk."""
    with campaign(tmp_path, seed=1) as it:
        killed_at = [point.name.split()[1] for point in commits(it) if it.kill_at(point)]
        for _ in range(RANDOM_KILLS):
            it.kill_at_random()
        evidence = it.finish()
    verdict = evidence.verdict()
    assert verdict.is_good, evidence.table()
    assert set(killed_at) >= STAGES
    assert verdict.jobs >= verdict.kills >= len(killed_at) + RANDOM_KILLS


ORDER = Order(7, "ipp", 5_000)
KILLS = (Kill("load", is_on_the_line=False), Kill("load", is_on_the_line=True))
WHOLE, PART = Copy(7, is_whole=True), Copy(7, is_whole=False)


def told(state: str, *reasons: str, kills: int = 0) -> Told:
    """Give the last word on the one job."""
    return Told("crash-7", 3, state, reasons, kills)


UNKNOWN = told("pending-held", "agent-outcome-unknown", kills=2)


def judge(word: Told | None, *copies: Copy) -> tuple[int, int, int, int, int]:
    """Give what is counted: lost, doubled, falsely completed, unknown, unknown needlessly."""
    verdict = Evidence([ORDER], {7: word} if word else {}, copies, KILLS).verdict()
    return (
        verdict.lost,
        verdict.doubled,
        verdict.falsely_completed,
        verdict.told_unknown,
        verdict.unknown_needlessly,
    )


@pytest.mark.parametrize(
    ("word", "copies", "counts"),
    [
        (told("completed"), [WHOLE], (0, 0, 0, 0, 0)),
        (told("completed"), [WHOLE, PART], (0, 1, 0, 0, 0)),
        (told("completed"), [PART], (0, 0, 1, 0, 0)),
        (told("completed"), [], (0, 0, 1, 0, 0)),
        (told("aborted"), [], (1, 0, 0, 0, 0)),
        (told("processing"), [WHOLE], (1, 0, 0, 0, 0)),
        (None, [], (1, 0, 0, 0, 0)),
        (UNKNOWN, [PART], (0, 0, 0, 1, 1)),
    ],
)
def test_a_verdict_counts_what_was_heard_against_what_came_out(
    word: Told | None, copies: list[Copy], counts: tuple[int, ...]
) -> None:
    """The agent's own files have no say."""
    assert judge(word, *copies) == counts


def test_a_kill_excuses_one_unknown_on_9100_and_only_on_the_line_one_without_a_byte() -> None:
    """Two kills, one of them while a connection was open, excuse two jobs: not three, and not two without a byte."""

    def needless(*parts: bool) -> int:
        orders = [Order(number, "raw", 5_000) for number in range(len(parts))]
        copies = [Copy(number, is_whole=False) for number, has_come in enumerate(parts) if has_come]
        told = {order.number: UNKNOWN for order in orders}
        return Evidence(orders, told, copies, KILLS).verdict().unknown_needlessly

    assert (needless(True, True), needless(True, False)) == (0, 0)
    assert (needless(False, False), needless(True, True, True)) == (1, 1)


def test_any_piece_of_a_document_tells_whose_it_is() -> None:
    """No two are alike."""
    document = make_document(12, 5_000)
    assert (len(document), document[:5]) == (5_000, b"%PDF-")
    assert {number_of(document[start : start + 80]) for start in range(0, 4_900, 100)} == {12}
    assert number_of(document[:20]) is None
