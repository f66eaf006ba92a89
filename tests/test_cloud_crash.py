"""The campaign against PrintOS in small; in full it is `python -m tests.cloud_crash`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud_crash.campaign import cloud_campaign
from tests.cloud_crash.verdict import counts, is_good
from tests.crash.verdict import Copy, Evidence, Kill, Order, Told

KILLS = 3
CUTS = 4


@pytest.mark.timeout(120)
def test_an_agent_that_is_killed_and_cut_off_loses_doubles_and_claims_nothing(tmp_path: Path) -> None:
    """Documents by MQTT for Box and Site Flow, and files in the hot folders of an IPP and a REST printer."""
    with cloud_campaign(tmp_path, seed=1) as it:
        for _ in range(KILLS):
            it.kill_and_cut()
        while it.cuts() < CUTS:
            it.kill_and_cut()
        evidence = it.finish()
    assert is_good(evidence), evidence.table()
    assert {order.printer for order in evidence.orders} == {"box", "siteflow", "ipp", "rest"}


KILL = Kill("load", is_on_the_line=False)
HARMLESS = Kill("GET", is_on_the_line=False, is_cut=True, cuts_off=())
UNKNOWN = Told("crash-7", 3, "pending-held", ("agent-outcome-unknown",), kills=1)
SHOWN, HIDDEN = Copy(7, is_whole=True), Copy(7, is_whole=True, is_shown=False)


def needless(kill: Kill, *copies: Copy) -> int:
    """Count a job of Box that is called unknown after one kill or cut."""
    return Evidence([Order(7, "box", 5_000)], {7: UNKNOWN}, copies, [kill]).verdict().unknown_needlessly


def test_an_unknown_in_a_cloud_is_excused_where_nothing_is_shown_and_something_broke() -> None:
    """By a kill, or a cut that may have met the request that counts."""
    assert (needless(KILL), needless(KILL, HIDDEN)) == (0, 0)
    assert (needless(KILL, SHOWN), needless(HARMLESS)) == (1, 1)


def test_an_aborted_document_is_counted_whatever_has_come_of_it() -> None:
    """Nothing in the campaign deserves it; and cuts are no kills."""
    aborted = Told("crash-7", 3, "aborted", ("aborted-by-system",))
    evidence = Evidence([Order(7, "siteflow", 5_000)], {7: aborted}, [SHOWN], [KILL, HARMLESS])
    counted = counts(evidence, cuts=1)
    assert (is_good(evidence), counted["falsely_aborted"], counted["lost"]) == (False, 1, 0)
    assert (counted["kills"], counted["cuts"], counted["destinations"]["siteflow"]["jobs"]) == (1, 1, 1)
