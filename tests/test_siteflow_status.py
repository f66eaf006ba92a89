"""What Site Flow answers is read in every known shape, and becomes the state of a job in RFC 8011's words."""

from __future__ import annotations

from typing import Any

import pytest

from agent.job import JobState
from agent.printos.siteflow_pauses import pause_seconds
from agent.printos.siteflow_status import (
    MILESTONES,
    Milestone,
    OrderRecord,
    parse_order,
    parse_orders,
    parse_refusal,
    reading_of,
)

RECORDED = {
    "order": {
        "_id": "57d0",
        "destination": {"id": "57ad", "name": "hp.psp"},
        "files": [{"_id": "57d1", "error": {"code": 0, "message": ""}, "status": "notreceived"}],
        "orderData": {
            "date": "2016-09-07T20:42:14.665Z",
            "items": [{"sourceItemId": "16FY89", "sku": "Cards", "quantity": 1, "status": "live"}],
            "sourceOrderId": "RO7C7T",
            "status": "dataready",
        },
        "source": {"id": "57ad", "name": "hp.psp"},
    },
    "success": True,
}


def test_a_recorded_answer_is_read() -> None:
    """As PrintOS once gave it to HP's sample."""
    assert parse_order(RECORDED) == OrderRecord(
        id="57d0",
        source_order_id="RO7C7T",
        status="dataready",
        source="hp.psp",
        destination="hp.psp",
        created_at="2016-09-07T20:42:14.665Z",
        items=(("16FY89", "Cards", "1"),),
    )


@pytest.mark.parametrize(
    "content",
    [
        RECORDED["order"],
        {"data": RECORDED["order"]},
        {"data": [RECORDED["order"]], "count": 1},
        [RECORDED["order"]],
        {"success": True, "data": {"order": RECORDED["order"]}},
    ],
)
def test_every_wrapping_gives_the_same_order(content: Any) -> None:
    """Also where a search answers with a list of one."""
    assert parse_order(content) == parse_order(RECORDED)


def test_the_receipt_of_an_order_that_is_made_later_is_read() -> None:
    """It has an id, and no status."""
    receipt = {
        "_id": "5f",
        "url": "https://orders.example/5f",
        "timestamp": "2026-01-02T03:04:05Z",
        "sourceAccountId": "7",
    }
    record = parse_order(receipt)
    assert record == OrderRecord("5f", source="7", created_at="2026-01-02T03:04:05Z")


@pytest.mark.parametrize(
    "content", [None, "no", 5, [], {}, {"order": None}, {"_id": ""}, {"order": {"_id": {}}}, {"_id": True}]
)
def test_what_is_no_order_is_none(content: Any) -> None:
    """Whatever it is; a list of them is empty."""
    assert (parse_order(content), parse_orders(content)) == (None, [])


def test_a_monstrous_answer_ends() -> None:
    """Depth is limited, and what is told is one printable line."""
    deep: Any = RECORDED
    for _ in range(100):
        deep = {"order": deep}
    assert parse_order(deep) is None
    shown = parse_order({"_id": "1", "status": "\x1b[2Jready\n" + "x" * 9999})
    assert shown is not None
    assert shown.status.isprintable()
    assert len(shown.status) < 500


def test_validations_are_told_with_their_paths() -> None:
    """As HP's documentation has them; an error without any is its message."""
    refused = {"error": {"code": 208, "message": "Validation", "validations": [{"path": "a.b", "message": "missing"}]}}
    assert parse_refusal(refused) == ("Validation", ["a.b: missing"])
    assert parse_refusal({"success": False, "error": {"message": "no", "code": 404}}) == ("no", [])
    assert parse_refusal({"message": "Token Not Found"}) == ("Token Not Found", [])
    assert parse_refusal({"error": "odd"}) == ("odd", [])
    assert parse_refusal("<html>") == ("", [])


def told(status: str, completed_at: Milestone = "shipped") -> tuple[JobState | None, tuple[str, ...]]:
    """Give state and reasons of the job of an order."""
    reading = reading_of(OrderRecord("1", status=status), completed_at=completed_at, errored="aborted")
    return reading.state, reading.state_reasons


@pytest.mark.parametrize(
    ("status", "at"), [("dataready", 0), ("Print Ready", 1), ("accepted", 1), ("At Dispatch", 2), ("complete", 3)]
)
def test_a_job_is_completed_when_its_order_has_come_far_enough(status: str, at: int) -> None:
    """How far that is, is configured; before that it is processing."""
    states = [told(status, milestone)[0] for milestone in MILESTONES]
    assert states == [JobState.COMPLETED] * (at + 1) + [JobState.PROCESSING] * (3 - at)


def test_the_ends_that_nobody_wants_are_told_with_site_flows_words() -> None:
    """Cancelled there, or in error; a word that nobody knows is no end."""
    assert told("cancelled") == (JobState.CANCELED, ("job-canceled-by-operator",))
    assert told("errored") == (JobState.ABORTED, ("aborted-by-system",))
    assert told("frobnicated") == (JobState.PROCESSING, ())
    failed = {
        "_id": "1",
        "orderData": {"status": "error"},
        "files": [{"error": {"code": 7, "message": "404 Not Found"}}],
    }
    record = parse_order(failed)
    assert record is not None
    stopped = reading_of(record, completed_at="shipped", errored="stopped")
    assert (stopped.state, stopped.message) == (JobState.PROCESSING_STOPPED, "Site Flow: error (404 Not Found)")


def test_pauses_are_those_of_hps_own_sdks() -> None:
    """18 s doubled for 429, 100 ms doubled otherwise, and up to 40 % on top."""
    assert [pause_seconds(n, is_throttled=True, spread=0) for n in (1, 2, 3, 9)] == [18, 36, 72, 72]
    assert [pause_seconds(n, is_throttled=False, spread=1) for n in (1, 2, 3)] == pytest.approx([0.14, 0.28, 0.56])
    assert 18 <= pause_seconds(1, is_throttled=True) <= 25.2
