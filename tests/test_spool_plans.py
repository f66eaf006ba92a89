"""How SQLite finds what the spool asks for at every turn: by an index, also when a hundred thousand jobs have ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.spool_ages import FORGETTABLE, NEXT_END, OVERDUE, UNDATED
from agent.spool_incoming import TAKE
from agent.spool_rows import CLAIM, NEXT_ATTEMPT, WAITING_PAGES
from tests.conftest import FakeClock
from tests.spool_parts import opened

EVERY_JOB = "SCAN jobs"
CLAIMING = {"now": 0, "latest": 0, "judged_at": 0, "excluded": "[]", "kept_back": 0, "only": None}


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (CLAIM, CLAIMING),
        (NEXT_ATTEMPT, (0,)),
        (WAITING_PAGES, ("ann",)),
        (OVERDUE, {"at": 0, "oldest": 0}),
        (NEXT_END, ()),
        (FORGETTABLE, {"oldest": 0}),
        (UNDATED, ()),
        (TAKE, {"left_alone": "[]", "busy_hosts": "[]"}),
    ],
)
def test_no_statement_of_every_turn_reads_every_job(
    statement: str, parameters: Any, tmp_path: Path, clock: FakeClock
) -> None:
    """SQLite's own plan says so."""
    with opened(tmp_path / "state", clock) as parts:
        plan = [row["detail"] for row in parts.store.query(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert plan
    assert EVERY_JOB not in plan
