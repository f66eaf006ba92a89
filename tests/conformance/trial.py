"""Cases made from the Device API's document, sent to the simulator and judged by Schemathesis in a process of its own.

The document lists only the answers of success, names no errors and no authentication. Against it as it is every check
holds but one: `status_code_conformance`, because a server that takes wrong calls for right would be no better. With the
errors and the session's token added, in OpenAPI's own words, every check holds.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.conformance.sessions import LOGIN_VARIABLE, PASSWORD_VARIABLE, TOKEN_NAME, URL_VARIABLE
from tests.printos_parts import LOGIN, PASSWORD, printos

LIMIT_SECONDS = 600
SMS_ERROR = {
    "type": "object",
    "required": ["smsError"],
    "properties": {
        "smsError": {
            "type": "object",
            "required": ["statusCode", "message"],
            "properties": {"statusCode": {"type": "integer"}, "message": {"type": "string", "minLength": 1}},
        }
    },
}
ERRORS = {"description": "PrintOS refuses", "content": {"application/json": {"schema": SMS_ERROR}}}
TOKEN = {"type": "apiKey", "in": "header", "name": TOKEN_NAME}


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of trying: `has_errors` adds the errors to the document, `has_sessions` the token of a session."""

    name: str
    claim: str
    has_errors: bool = False
    has_sessions: bool = False


TRIALS = (
    Trial("open", "the document as it is, no token wanted; which status code a refusal has is let pass"),
    Trial("errors", "every refusal is a smsError, no token wanted", has_errors=True),
    Trial("sessions", "every refusal is a smsError, and 401 without a token", has_errors=True, has_sessions=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Schemathesis said, and how many statuses the simulator took meanwhile."""

    is_good: bool
    text: str
    statuses: int


def completed(document: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Add to the document what a trial presumes."""
    whole = copy.deepcopy(dict(document))
    for operation in (operation for path in whole["paths"].values() for operation in path.values()):
        if trial.has_errors:
            operation["responses"]["default"] = ERRORS
        if trial.has_sessions:
            operation["security"] = [{"session": []}]
    if trial.has_sessions:
        whole["components"]["securitySchemes"] = {"session": TOKEN}
    return whole


def try_simulator(trial: Trial, document: Path, *, cases: int, seed: int) -> Outcome:
    """Run Schemathesis against a fresh simulator; `cases` is the most that it makes up for a call and a way."""
    whole = completed(yaml.safe_load(document.read_text()), trial)
    with printos(open=not trial.has_sessions) as bench, TemporaryDirectory() as folder:
        Path(folder, "document.json").write_text(json.dumps(whole))
        url = f"{bench.simulator.url}/openapi"
        arguments = ["--url", url, "--max-examples", str(cases), "--seed", str(seed), "--continue-on-failure"]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", "document.json", *arguments, *_excluded(trial)],
            cwd=folder,
            env=os.environ | _environment(trial, url),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        statuses = bench.report()["status_updates"]
    return Outcome(done.returncode == 0, done.stdout + done.stderr, statuses)


def _excluded(trial: Trial) -> list[str]:
    return [] if trial.has_errors else ["--exclude-checks", "status_code_conformance"]


def _environment(trial: Trial, url: str) -> dict[str, str]:
    project = {"PYTHONPATH": str(Path(__file__).parents[2]), "NO_COLOR": "1"}
    if not trial.has_sessions:
        return project
    logins = {URL_VARIABLE: url, LOGIN_VARIABLE: LOGIN, PASSWORD_VARIABLE: PASSWORD}
    return {**project, **logins, "SCHEMATHESIS_HOOKS": "tests.conformance.hooks"}
