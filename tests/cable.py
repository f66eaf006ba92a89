"""A network namespace at the end of a cable of its own, where a test's broker or printer runs; the cable can fail.

with cable() as line:
    line.fail("tcp dport 1883 drop")
    line.mend()
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

INSIDE = "printer"
"""The namespace's end of the cable, beside `lo`."""

RULES = """
table inet fault {{
  chain input {{ type filter hook input priority 0; {input}; }}
  chain output {{ type filter hook output priority 0; {output}; }}
}}
"""
MENDED = "add table inet fault\ndelete table inet fault\n"

_numbers = itertools.count()


@dataclass
class Cable:
    """A veth between this host and a namespace.

    Attributes:
        namespace: the name of the network namespace at its end.
        host: the address there.
        gateway: this host's address.
        outside: this host's end.
    """

    namespace: str
    host: str
    gateway: str
    outside: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    @property
    def link_local_host(self) -> str:
        """The IPv6 link-local address there, with this host's end as its zone."""
        command = (*self.inside, "ip", "-6", "-o", "addr", "show", "dev", INSIDE, "scope", "link")
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return f"{told.split()[3].partition('/')[0]}%{self.outside}"

    def plug(self) -> None:
        """Lay it."""
        peer = ("peer", "name", INSIDE, "netns", self.namespace)
        _run("ip", "link", "add", self.outside, "type", "veth", *peer)
        _run("ip", "addr", "add", f"{self.gateway}/28", "dev", self.outside)
        _run("ip", "link", "set", self.outside, "up")
        _run("ip", "-n", self.namespace, "addr", "add", f"{self.host}/28", "dev", INSIDE)
        _run("ip", "-n", self.namespace, "link", "set", INSIDE, "up")

    def pull(self) -> None:
        """Take it away, as a power cut does: nobody says goodbye."""
        _run("ip", "link", "del", self.outside)

    def readdress(self) -> None:
        """Give the far end the next address of its network, as DHCP may."""
        prefix, _, last = self.host.rpartition(".")
        moved = f"{prefix}.{int(last) + 1}"
        _run("ip", "-n", self.namespace, "addr", "del", f"{self.host}/28", "dev", INSIDE)
        _run("ip", "-n", self.namespace, "addr", "add", f"{moved}/28", "dev", INSIDE)
        self.host = moved

    def fail(self, input: str, output: str = "") -> None:  # noqa: A002 - nftables' word
        """Apply a rule of nftables to what comes in at the far end, and another to what goes out there."""
        _run(*self.inside, "nft", "-f", "-", text=MENDED + RULES.format(input=input, output=output))

    def reset(self, port: int) -> None:
        """Break off all connections to a port at the far end: both ends hear of it."""
        _run(*self.inside, "ss", "--kill", "--tcp", "state", "established", f"( sport = :{port} )")

    def mend(self) -> None:
        """Take the rules away."""
        _run(*self.inside, "nft", "-f", "-", text=MENDED)


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay a cable; the test is skipped where none can be laid."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    if missing := [program for program in ("ip", "nft", "ss") if shutil.which(program) is None]:
        pytest.skip(f"a cable that can fail needs {', '.join(missing)}")
    number = f"{os.getpid()}-{next(_numbers)}"
    prefix, first = _free_network()
    line = Cable(f"printer-{number}", f"{prefix}.{first + 1}", f"{prefix}.{first}", f"pb{number}")
    try:
        _run("ip", "netns", "add", line.namespace)
        _run("ip", "-n", line.namespace, "link", "set", "lo", "up")
        line.plug()
    except AssertionError as error:
        _remove(line)
        pytest.skip(f"no network namespace here: {error}")
    try:
        yield line
    finally:
        _remove(line)


def _remove(line: Cable) -> None:
    subprocess.run(("ip", "netns", "del", line.namespace), capture_output=True, timeout=20, check=False)


def _free_network() -> tuple[str, int]:
    """Pick a /28 in the range for benchmarks (RFC 2544): its first three octets, and the last of its first address."""
    number = secrets.randbelow(2**13)
    return f"198.{18 + number // 2**12}.{number // 16 % 256}", number % 16 * 16 + 1


def _run(*command: str, text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
