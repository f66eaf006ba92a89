"""A whole agent whose PrintOS is behind a proxy with a login, the company's own authority, and client certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.simulator.printer import SimulatedPrinter
from tests.authority import Authority, fingerprint, over_tls
from tests.printos_parts import LOGIN, PASSWORD, printos
from tests.running_agent import RunningAgent
from tests.web_proxy import web_proxy

HOST = "printos.example"
PROXY_PASSWORD = "let-me-out"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the company's authority."""
    return Authority(tmp_path_factory.mktemp("authority"), "Company Inspection")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    """Give what the proxy presents in the place of PrintOS."""
    return authority.issue(HOST)


@pytest.fixture
def way(authority: Authority, certificate: Path) -> Iterator[str]:
    """Give the URL of a proxy behind which a simulated PrintOS is."""
    with printos() as bench:
        port = int(bench.simulator.url.rpartition(":")[2])
        with (
            over_tls(certificate, port, clients_of=authority) as secure,
            web_proxy({f"{HOST}:443": secure}, login=f"gate:{PROXY_PASSWORD}") as (_, url),
        ):
            yield url


def an_agent(folder: Path, press: SimulatedPrinter, way: str, authority: Authority, **keys: object) -> RunningAgent:
    """Give an agent that goes that way, with other keys if a test wants."""
    folder.mkdir(exist_ok=True)
    (folder / "proxy-password").write_text(f"{PROXY_PASSWORD}\n")
    settings = {
        "base_url": f"https://{HOST}/platform",
        "proxy": way.replace("http://", "http://gate@"),
        "proxy_password_file": "proxy-password",
        "ca_file": authority.ca_file,
        "client_cert_file": authority.issue(name="gateway"),
        **keys,
    }
    printer = {
        "alias": "press", "uris": [press.ready_line()["http_url"]],
        "printos_type": "IHPSPress", "printos_model": "HP T300M",
    }  # fmt: skip
    return RunningAgent(folder, printers=[printer], printos=settings)


def test_a_device_is_made_and_logs_in_through_all_of_it(
    tmp_path: Path, press: SimulatedPrinter, way: str, authority: Authority
) -> None:
    """And doctor finds nothing wrong on that way."""
    with an_agent(tmp_path, press, way, authority) as agent:
        agent.printer("press", online=True, state="idle")
        agent.ask("printers.approve", id="press")
        (row,) = agent.run_json("activate", "--password-stdin", text=f"{LOGIN}\n{PASSWORD}\n")
        assert row["result"] == "active"
        findings = {finding["check"]: finding for finding in agent.run_json("doctor")}
    assert (findings["PrintOS"]["result"], findings["devices"]["result"]) == ("ok", "ok")


def test_an_authority_that_is_not_known_is_told_by_log_and_doctor(
    tmp_path: Path, press: SimulatedPrinter, way: str, authority: Authority, certificate: Path
) -> None:
    """Both say whose certificate was presented, and what to do."""
    stranger = Authority(tmp_path / "stranger", "Somebody Else")
    with an_agent(tmp_path / "agent", press, way, authority, ca_file=stranger.ca_file) as agent:
        agent.printer("press", online=True)
        agent.ask("printers.approve", id="press")
        refused = agent.run("activate", "--password-stdin", text=f"{LOGIN}\n{PASSWORD}\n")
        told = next(finding for finding in agent.run_json("doctor") if finding["check"] == "PrintOS")
    for text in (refused.stderr, told["message"]):
        assert "issued by CN=Company Inspection" in text
        assert fingerprint(certificate) in text
        assert "ca_file" in text
    assert PASSWORD not in refused.stdout + refused.stderr


def test_a_proxy_that_refuses_the_login_is_told_by_doctor(
    tmp_path: Path, press: SimulatedPrinter, way: str, authority: Authority
) -> None:
    """As the proxy's word, with the keys to change."""
    with an_agent(tmp_path, press, way, authority, proxy=way.replace("http://", "http://stranger@")) as agent:
        agent.printer("press", online=True)
        agent.ask("printers.approve", id="press")
        told = next(finding for finding in agent.run_json("doctor") if finding["check"] == "PrintOS")
    assert told["result"] == "failed"
    assert f"the proxy {way.removeprefix('http://')} asks for a login, or for another one (407)" in told["message"]
    assert PROXY_PASSWORD not in str(told)
