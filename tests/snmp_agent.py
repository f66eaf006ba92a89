"""Support for the SNMP tests: agents that replay recordings of real printers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agent.drivers.snmp_message import Message, Oid, Tag, encode_integer, encode_oid, encode_value, oid
from agent.simulator.snmp_agent import Cells, SnmpAgent, answer

NUMBERS = {Tag.INTEGER, Tag.COUNTER32, Tag.GAUGE32, Tag.TIME_TICKS, Tag.COUNTER64}


def load_recording(path: Path) -> dict[Oid, bytes]:
    """Read the `OID|type|value` lines of a `.snmprec` file into BER values."""
    lines = path.read_text("latin-1").split("\n")
    fields = (line.rstrip("\r").split("|", 2) for line in lines if line.count("|") > 1)
    return {oid(name): _cell(kind, value) for name, kind, value in fields}


def _cell(kind: str, value: str) -> bytes:
    tag = Tag(int(kind.rstrip("x")))
    if kind.endswith("x"):
        return encode_value(tag, bytes.fromhex(value))
    if tag in NUMBERS:
        return encode_integer(int(value), tag)
    if tag is Tag.OBJECT_IDENTIFIER:
        return encode_oid(oid(value))
    if tag is Tag.IP_ADDRESS:
        return encode_value(tag, bytes(map(int, value.split("."))))
    return encode_value(tag, value.encode("latin-1"))


@contextmanager
def serving(
    cells: Cells | Callable[[], Cells],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    community: str | None = "public",
    reply: Callable[[Message, Cells], bytes | None] = answer,
) -> Iterator[SnmpAgent]:
    """Run an agent with these values, which may change while it runs."""
    agent = SnmpAgent(
        cells if callable(cells) else lambda: cells, host=host, port=port, community=community, reply=reply
    )
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


@contextmanager
def subnet(cells_by_host: Mapping[str, Cells]) -> Iterator[int]:
    """Run one agent an address, all on one port, which it gives."""
    with ExitStack() as running:
        port = 0
        for host, cells in cells_by_host.items():
            port = running.enter_context(serving(cells, host=host, port=port)).port
        yield port
