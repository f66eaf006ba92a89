"""A whole agent with a PrintOS that knows only HP's documents: what the two say to each other over a life."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from agent.simulator.printer import SimulatedPrinter
from tests.printos_stand_in import Answers, Seen, Told, stand_in
from tests.running_agent import RunningAgent

ADMIN_LOGIN = "POST /base/api/aaa/v1/users/login"
DEVICE_LOGIN = "POST /base/api/aaa/v1/devices/login"
CREATE = "POST /base/api/aaa/v1/organizations/devices"
STATUS = "POST /base/api/system-statistics/v1/devices"
LOGIN, PASSWORD, DEVICE_PASSWORD = "boss@example.com", "correct-horse", "battery-staple"
INTERVAL_SECONDS = 1.0


class Sessions:
    """The tokens that are given out; only the newest is good."""

    def __init__(self) -> None:
        self.given = 0

    def login(self, seen: Seen) -> Told:
        """Give a token for the right password."""
        if seen.content != {"login": "dev-login", "password": DEVICE_PASSWORD}:
            return 401, {"smsError": {"statusCode": 401, "message": f"not {seen.content}"}}
        self.given += 1
        return 200, {"authToken": f"token-{self.given}"}

    def status(self, seen: Seen) -> Told:
        """Take a status for the newest token, as header and as cookie."""
        token = f"token-{self.given}"
        shown = seen.headers["Indigo-SmS-Auth-Token"], seen.headers["Cookie"]
        return (204, None) if shown == (token, f"Indigo-SmS-Auth-Token={token}") else (401, "no")


def an_agent(folder: Path, press: SimulatedPrinter, **printos: object) -> RunningAgent:
    """Give an agent of the press."""
    printer = {"alias": "press", "uris": [press.ready_line()["http_url"]], "printos_type": "IHPSPress"}
    return RunningAgent(folder, printers=[printer], printos=printos)


def approved(agent: RunningAgent) -> None:
    """Wait for the press and approve it."""
    agent.printer("press", online=True, state="idle")
    agent.ask("printers.approve", id="press")


def platform(sessions: Sessions) -> Answers:
    """Give what HP's documents answer."""
    made = {"device": {"deviceId": "d-1"}, "credentials": {"login": "dev-login", "password": DEVICE_PASSWORD}}
    return {
        ADMIN_LOGIN: (200, {"authToken": "admin-token"}),
        CREATE: (200, made),
        DEVICE_LOGIN: sessions.login,
        STATUS: sessions.status,
    }


def test_a_life_in_hps_dialect(tmp_path: Path, press: SimulatedPrinter) -> None:
    """One login each, a status an interval and no oftener, one login more on a 401, DS_OFF at the end, no secret."""
    sessions = Sessions()
    with stand_in(platform(sessions)) as site:
        with an_agent(tmp_path, press, base_url=f"{site.url}/base/") as agent:
            approved(agent)
            done = agent.run("activate", "--password-stdin", "--json", text=f"{LOGIN}\n{PASSWORD}\n")
            assert [row["result"] for row in json.loads(done.stdout)] == ["active"]
            agent.until("statuses", lambda: len(site.of(STATUS)) >= 4)
            sessions.given += 1
            agent.until("more statuses", lambda: len(site.of(STATUS)) >= 7)
        told = agent.log() + done.stdout + done.stderr
    assert (len(site.of(ADMIN_LOGIN)), len(site.of(CREATE)), len(site.of(DEVICE_LOGIN))) == (1, 1, 2)
    words = [seen.content["deviceStatus"] for seen in site.of(STATUS)]
    assert (set(words[:-1]), words[-1]) == ({"DS_ON"}, "DS_OFF")
    taken = [seen.at for seen in site.of(STATUS)[:4]]
    assert all(INTERVAL_SECONDS <= later - sooner < 3 * INTERVAL_SECONDS for sooner, later in pairwise(taken))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode(errors="replace")
    secrets = (PASSWORD, DEVICE_PASSWORD, "admin-token", "token-1")
    assert not [secret for secret in secrets if secret in told + kept]


@pytest.mark.parametrize("auth", ["none", "bearer"])
def test_nobody_is_asked_for_a_login_that_nobody_needs(tmp_path: Path, press: SimulatedPrinter, auth: str) -> None:
    """In the OpenAPI dialect the configuration alone says so; the document's three calls are all that is made."""
    (tmp_path / "token").write_text("bearer-token\n")
    status = "PUT /devices/d-1/status"
    answers = {"GET /devices": (200, {"devices": []}), "POST /devices": (201, {"id": "d-1"}), status: (200, None)}
    bearer = {"token_file": tmp_path / "token"} if auth == "bearer" else {}
    with (
        stand_in(answers) as site,
        an_agent(tmp_path / "agent", press, dialect="openapi", auth=auth, base_url=f"{site.url}/", **bearer) as agent,
    ):
        approved(agent)
        assert [row["result"] for row in agent.run_json("activate")] == ["active"]
        agent.until("a status", lambda: site.of(status))
    assert set(site.calls()) == set(answers)
    assert {seen.headers["Authorization"] for seen in site.seen} == {"Bearer bearer-token" if bearer else None}
    assert site.of(status)[-1].content["status"] == "offline"


def test_a_crash_in_the_middle_of_an_activation_is_known_after_it(tmp_path: Path, press: SimulatedPrinter) -> None:
    """PrintOS has made the device when the agent is killed: it is not active, and a person tries again."""
    sessions, crashes = Sessions(), []
    answers = dict(platform(sessions))
    made = answers[CREATE]
    with stand_in(answers) as site:
        agent = an_agent(tmp_path, press, base_url=f"{site.url}/base/")

        def crash(_seen: Seen) -> Told:
            crashes.append(agent.pid)
            agent.kill()
            return 500, None

        site.answers[CREATE] = crash
        with agent:
            approved(agent)
            assert agent.run("activate", "--password-stdin", text=f"{LOGIN}\n{PASSWORD}\n").returncode != 0
            site.answers[CREATE] = made
            agent.start()
            assert agent.printer("press", printos="unfinished")["printos_message"] is None
            done = agent.run("activate", "--password-stdin", "--json", text=f"{LOGIN}\n{PASSWORD}\n")
            assert [row["result"] for row in json.loads(done.stdout)] == ["active"]
    assert (len(crashes), len(site.of(CREATE))) == (1, 2)
