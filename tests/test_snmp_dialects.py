"""Several communities, and the two versions: each host is asked its own way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.drivers import printer_mib as mib
from agent.drivers.snmp import SnmpClient
from agent.drivers.snmp_dialects import Dialect, Dialects
from agent.drivers.snmp_message import Message, Version, encode_value
from agent.simulator.snmp_agent import Cells, answer
from tests.snmp_agent import serving

HOST = "127.0.0.1"
ADDRESS = (HOST, 161)
CELLS = {
    mib.SYS_DESCR: encode_value(4, b"EPSON AL-C2000 01.00"),
    (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 1): encode_value(4, b"SN0001"),
}
PUBLIC, SITE = Dialect(Version.V2C, b"public"), Dialect(Version.V2C, b"site")
OLD_PUBLIC, OLD_SITE = Dialect(Version.V1, b"public"), Dialect(Version.V1, b"site")


@dataclass
class Seconds:
    """A clock that moves when told."""

    now: float = 0.0

    def __call__(self) -> float:
        """Give the present."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """Give a clock."""
    return Seconds()


@pytest.fixture
def dialects(seconds: Seconds) -> Dialects:
    """Give what speaks two communities in both versions."""
    return Dialects(("public", "site"), version="auto", attempts=2, clock=seconds)


def test_a_stranger_is_tried_with_all_communities_by_v2c_before_v1(dialects: Dialects) -> None:
    """Nearly everybody speaks v2c."""
    assert dialects.of(ADDRESS) == [PUBLIC, SITE, OLD_PUBLIC, OLD_SITE]


def test_one_community_is_tried_as_often_as_is_asked_for() -> None:
    """With one community and version, retries are retries."""
    assert Dialects(["public"], version="2c", attempts=3).of(ADDRESS) == [PUBLIC] * 3


def test_a_host_that_has_answered_hears_no_other_community(dialects: Dialects) -> None:
    """Neither at the next poll nor a month later."""
    dialects.remember(ADDRESS, SITE)
    assert dialects.of(ADDRESS) == [SITE, SITE]


def test_one_that_speaks_v1_is_tried_with_v2c_once_an_hour(dialects: Dialects, seconds: Seconds) -> None:
    """It may be that its v2c answer was lost; its community is known."""
    dialects.remember(ADDRESS, OLD_SITE)
    assert dialects.of(ADDRESS) == [OLD_SITE, OLD_SITE]
    seconds.now = 3600
    assert dialects.of(ADDRESS) == [SITE, OLD_SITE]


def test_one_that_falls_silent_hears_the_others_every_ten_minutes(dialects: Dialects, seconds: Seconds) -> None:
    """Its community may have been changed; more likely it is switched off."""
    dialects.remember(ADDRESS, SITE)
    dialects.doubt(ADDRESS)
    assert dialects.of(ADDRESS) == [SITE, PUBLIC, OLD_PUBLIC, OLD_SITE]
    dialects.doubt(ADDRESS)
    assert dialects.of(ADDRESS) == [SITE, SITE]
    seconds.now = 600
    assert dialects.of(ADDRESS) == [SITE, PUBLIC, OLD_PUBLIC, OLD_SITE]


def test_a_community_stands_in_no_log() -> None:
    """It is a secret."""
    assert "site" not in repr(SITE)


# With real agents


@dataclass
class Overheard:
    """An agent that notes with which communities it is asked, and answers to one."""

    community: bytes
    heard: list[bytes] = field(default_factory=list)

    def __call__(self, request: Message, cells: Cells) -> bytes | None:
        """Answer one request."""
        self.heard.append(request.community)
        return answer(request, cells) if request.community == self.community else None


@pytest.fixture
def client() -> Iterator[SnmpClient]:
    """Give a client with three communities."""
    client = SnmpClient(communities=("public", "site", "vault"), timeout_seconds=0.15)
    client.start()
    yield client
    client.stop()


def test_a_printer_with_its_own_community_is_found_and_then_asked_with_it(client: SnmpClient) -> None:
    """All are tried once; after that it hears its own."""
    overheard = Overheard(b"site")
    with serving(CELLS, community=None, reply=overheard) as agent:
        client.get(HOST, [mib.SYS_DESCR], port=agent.port)
        assert overheard.heard == [b"public", b"site"]
        client.get(HOST, [mib.SYS_DESCR], port=agent.port)
    assert overheard.heard == [b"public", b"site", b"site"]


def test_a_sweep_finds_the_printers_of_every_community(client: SnmpClient) -> None:
    """Each by its own."""
    with (
        serving(CELLS, host="127.0.0.1", community="vault") as one,
        serving(CELLS, host="127.0.0.2", port=one.port, community="public"),
    ):
        found = client.sweep(["127.0.0.1", "127.0.0.2", "127.0.0.3"], port=one.port)
    assert [sighting.host for sighting in found] == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("option", ["--community", "--community-file"])
def test_probe_takes_several_communities(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    """On the command line, or in a file with one a line."""
    (tmp_path / "communities").write_text("public\n\n  vault \n")
    given = {
        "--community": ["--community", "public", "--community", "vault"],
        "--community-file": ["--community-file", str(tmp_path / "communities")],
    }
    with serving(CELLS, community="vault") as agent:
        code = main(["--config", "none.toml", "probe", HOST, "--snmp-port", str(agent.port), "--json", *given[option]])
    assert (code, '"serial": "SN0001"' in capsys.readouterr().out) == (0, True)
