"""Thousands of calls are made up from the Device API's document, where it is at hand: the simulator is held to it."""

from __future__ import annotations

import importlib.util

import pytest

from tests.conformance.trial import TRIALS, Trial, try_simulator
from tests.test_printos_openapi_document import DOCUMENT

CASES = 10


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="Schemathesis is not installed")
@pytest.mark.skipif(not DOCUMENT.is_file(), reason=f"no OpenAPI document at {DOCUMENT}")
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_no_call_that_the_document_can_think_of_is_answered_wrongly(trial: Trial) -> None:
    """Right calls are taken and wrong ones refused, in the shapes that the document has, whoever is logged in."""
    outcome = try_simulator(trial, DOCUMENT, cases=CASES, seed=1)
    assert outcome.is_good, outcome.text
    assert outcome.statuses > 0
