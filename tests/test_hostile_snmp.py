"""A printer whose SNMP agent misbehaves is read by a real socket: what can be read is read, and nothing false is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from agent.drivers import printer_mib as mib
from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.drivers.snmp_message import (
    TOO_BIG,
    Message,
    Missing,
    Oid,
    Operation,
    Tag,
    Version,
    encode_integer,
    encode_oid,
    encode_response,
    encode_value,
    parse_message,
)
from agent.errors import PrinterUnreachableError
from agent.model import PrinterState, Reading
from agent.simulator.snmp_agent import answer

HOST, ELSEWHERE = "127.0.0.1", "127.0.0.9"
COUNTER = (*mib.MARKERS, mib.PRT_MARKER_LIFE_COUNT, 1, 1)
LOCATION = mib.SYS_LOCATION
GEN_ERR = 5
NULL = encode_value(Tag.NULL, b"")

Cells = dict[Oid, bytes]
Sends = Sequence[tuple[str, bytes]]
"""Datagrams, each with whence it is sent: `here`, another `port`, or `elsewhere`."""

Mischief = Callable[[Message, Cells], Sends]


def octets(words: str) -> bytes:
    """Write text as an agent binds it."""
    return encode_value(Tag.OCTET_STRING, words.encode())


def printer() -> Cells:
    """Give what a laser printer with three supplies answers."""
    cells = {
        mib.SYS_DESCR: octets("SHARP MX-2300N"),
        mib.SYS_OBJECT_ID: encode_oid((1, 3, 6, 1, 4, 1, 2385, 3, 1)),
        mib.SYS_UP_TIME: encode_integer(5000, Tag.TIME_TICKS),
        LOCATION: octets("Room 7"),
        (*mib.DEVICES, mib.HR_DEVICE_TYPE, 1): encode_oid(mib.HR_DEVICE_PRINTER),
        (*mib.DEVICES, mib.HR_DEVICE_DESCR, 1): octets("SHARP MX-2300N"),
        (*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, 1): encode_integer(3),
        (*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, 1): encode_value(Tag.OCTET_STRING, b"\x20\x00"),
        (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 1): octets("6509415X00"),
        (*mib.MARKERS, mib.PRT_MARKER_COUNTER_UNIT, 1, 1): encode_integer(7),
        COUNTER: encode_integer(121104, Tag.COUNTER32),
    }
    for index, colour in enumerate(("Cyan", "Magenta", "Black"), start=1):
        cells[(*mib.SUPPLIES, mib.SUPPLY_DESCRIPTION, 1, index)] = octets(f"{colour} Toner")
        cells[(*mib.SUPPLIES, mib.SUPPLY_TYPE, 1, index)] = encode_integer(3)
        cells[(*mib.SUPPLIES, mib.SUPPLY_MAX_CAPACITY, 1, index)] = encode_integer(100)
        cells[(*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, index)] = encode_integer(index * 10)
    return dict(sorted(cells.items()))


@contextmanager
def misbehaving(mischief: Mischief, cells: Cells) -> Iterator[int]:
    """Run an agent that answers each request with what `mischief` makes of it; gives its port."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere,
    ):
        for udp, host in ((here, HOST), (port, HOST), (elsewhere, ELSEWHERE)):
            udp.bind((host, 0))
        senders = {"here": here, "port": port, "elsewhere": elsewhere}

        def serve() -> None:
            while (received := here.recvfrom(65_535))[0]:
                for whence, datagram in mischief(parse_message(received[0]), cells):
                    senders[whence].sendto(datagram, received[1])

        agent = threading.Thread(target=serve)
        agent.start()
        try:
            yield here.getsockname()[1]
        finally:
            here.sendto(b"", here.getsockname())
            agent.join()


def read(mischief: Mischief, cells: Cells | None = None) -> list[Reading]:
    """Read a misbehaving printer twice: when it is learnt, and when it is polled."""
    client = SnmpClient(timeout_seconds=0.3)
    client.start()
    try:
        with misbehaving(mischief, cells or printer()) as port:
            source = SnmpPrinter(HOST, client=client, port=port)
            return [source.read(), source.read()]
    finally:
        client.stop()


def honestly(request: Message, cells: Cells) -> bytes:
    """Answer as a good agent does."""
    response = answer(request, cells)
    assert response is not None
    return response


@pytest.fixture(scope="module")
def good() -> Reading:
    """Give what the printer says of itself when nothing goes wrong."""
    reading = read(lambda request, cells: [("here", honestly(request, cells))])[0]
    assert (reading.identity.serial, reading.status.state) == ("6509415X00", PrinterState.IDLE)
    assert [supply.percent for supply in reading.status.supplies] == [10, 20, 30]
    return reading


def without_counter(reading: Reading) -> Reading:
    """Give the same but for the counter."""
    return replace(reading, status=replace(reading.status, impressions_completed=None))


# Bad values: null, and nothing else is lost


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(encode_value(Tag.COUNTER32, b"\xff\xff\xff\xff"), id="a negative Counter32"),
        pytest.param(encode_value(Tag.COUNTER32, b"\x01\x00\x00\x00\x00"), id="a Counter32 of more than 32 bits"),
        pytest.param(encode_value(Tag.COUNTER32, b"\x00" + b"\xff" * 9), id="a Counter32 of ten bytes"),
        pytest.param(encode_value(Tag.INTEGER, b"\x7f\xff\xff\xff\xff"), id="an INTEGER of five bytes"),
        pytest.param(encode_value(Tag.OBJECT_IDENTIFIER, b""), id="an empty OID"),
        pytest.param(encode_value(0x5F, b"\x01\x02"), id="an unknown type"),
        pytest.param(b"\x1f\x81\x02\x01\x00", id="an unknown type with a long tag"),
        pytest.param(NULL, id="NULL"),
        pytest.param(b"\x41\x7f\x01", id="a value that says it is longer than its binding"),
    ],
)
def test_a_bad_value_is_null_and_nothing_else_is_lost(good: Reading, bad: bytes) -> None:
    """State, supplies and the rest are told as if nothing was wrong."""
    cells = printer() | {COUNTER: bad}
    told = read(lambda request, cells: [("here", honestly(request, cells))], cells)
    assert told == [without_counter(good)] * 2


@pytest.mark.parametrize("missing", list(Missing))
def test_a_value_that_the_agent_says_it_has_not_is_null(good: Reading, missing: Missing) -> None:
    """noSuchObject, noSuchInstance and endOfMibView in the middle of good values."""
    cells = printer() | {COUNTER: encode_value(missing.value, b"")}
    told = read(lambda request, cells: [("here", honestly(request, cells))], cells)
    assert told == [without_counter(good)] * 2


# Bad messages: all of it is read


def with_long_lengths(datagram: bytes) -> bytes:
    """Write a message's lengths in four bytes where they were in one."""
    tag, size = datagram[0], datagram[1]
    if size & 0x80:
        octets_of_size = size & 0x7F
        size, content = int.from_bytes(datagram[2 : 2 + octets_of_size], "big"), datagram[2 + octets_of_size :]
    else:
        content = datagram[2:]
    inner = content[:size]
    if tag in (0x30, Operation.RESPONSE):
        inner = b"".join(map(with_long_lengths, _values(inner)))
    return bytes((tag, 0x84)) + len(inner).to_bytes(4, "big") + inner


def _values(content: bytes) -> Iterator[bytes]:
    while content:
        size, start = content[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(content[2:start], "big")
        yield content[: start + size]
        content = content[start + size :]


def turned_round(request: Message, cells: Cells) -> Sends:
    """Answer a GET in the opposite order."""
    if request.operation is not Operation.GET:
        return [("here", honestly(request, cells))]
    return [("here", honestly(replace(request, varbinds=request.varbinds[::-1]), cells))]


def in_parts(request: Message, cells: Cells) -> Sends:
    """Answer no more than three of the names of a GET."""
    if request.operation is not Operation.GET:
        return [("here", honestly(request, cells))]
    return [("here", honestly(replace(request, varbinds=request.varbinds[:3]), cells))]


def failing_at_one(request: Message, cells: Cells) -> Sends:
    """Say genErr to whatever comes near the location, with the index of it."""
    asked = [name for name, _ in request.varbinds]
    if request.operation is Operation.GET and LOCATION in asked:
        index = asked.index(LOCATION) + 1
        return [("here", encode_response(request, [], error_status=GEN_ERR, error_index=index))]
    return [("here", honestly(request, cells))]


def failing_without_saying_where(request: Message, cells: Cells) -> Sends:
    """The same without the index."""
    if request.operation is Operation.GET and LOCATION in [name for name, _ in request.varbinds]:
        return [("here", encode_response(request, [], error_status=GEN_ERR))]
    return [("here", honestly(request, cells))]


def truncated(request: Message, cells: Cells) -> Sends:
    """Cut every answer to 300 bytes."""
    return [("here", honestly(request, cells)[:300])]


def too_big(request: Message, cells: Cells) -> Sends:
    """Refuse whatever asks for more than four values."""
    if len(request.varbinds) > 4:
        return [("here", encode_response(request, [], error_status=TOO_BIG))]
    return [("here", honestly(request, cells))]


def by_v1_only(request: Message, cells: Cells) -> Sends:
    """Speak v1: noSuchName for a whole request, and no GETBULK."""
    return [("here", honestly(request, cells))] if request.version is Version.V1 else []


def without_bulk(request: Message, cells: Cells) -> Sends:
    """Say genErr to GETBULK."""
    if request.operation is Operation.GET_BULK:
        return [("here", encode_response(request, [], error_status=GEN_ERR))]
    return [("here", honestly(request, cells))]


def other_answers_first(request: Message, cells: Cells) -> Sends:
    """A stranger answers first, then the host to another request, then somebody shouts noise; then the truth."""
    forged = dict.fromkeys(cells, octets("FORGED1"))
    other = replace(request, request_id=request.request_id ^ 1)
    return [
        ("elsewhere", honestly(request, forged)),
        ("here", honestly(other, forged)),
        ("elsewhere", honestly(other, forged)),
        ("here", b"\x30\x82noise"),
        ("here", b""),
        ("here", honestly(request, cells)),
    ]


@pytest.mark.parametrize(
    "mischief",
    [
        pytest.param(lambda request, cells: [("here", honestly(request, cells) + b"\x00" * 40)], id="bytes after it"),
        pytest.param(lambda request, cells: [("here", with_long_lengths(honestly(request, cells)))], id="long lengths"),
        pytest.param(lambda request, cells: [("here", honestly(request, cells))] * 2, id="two answers"),
        pytest.param(lambda request, cells: [("port", honestly(request, cells))], id="from another port"),
        pytest.param(turned_round, id="another order"),
        pytest.param(in_parts, id="fewer varbinds"),
        pytest.param(truncated, id="truncated"),
        pytest.param(too_big, id="tooBig"),
        pytest.param(by_v1_only, id="v1 with noSuchName"),
        pytest.param(without_bulk, id="no GETBULK"),
        pytest.param(other_answers_first, id="forged answers before it"),
    ],
)
def test_a_message_that_is_odd_is_read_whole(good: Reading, mischief: Mischief) -> None:
    """At the first read and at the poll after it."""
    assert read(mischief) == [good] * 2


def test_an_agent_that_is_slower_than_the_time_limit_is_read(good: Reading) -> None:
    """Its answer to the first attempt comes while the second waits, and counts."""

    def slowly(request: Message, cells: Cells) -> Sends:
        time.sleep(0.35)
        return [("here", honestly(request, cells))]

    assert read(slowly) == [good] * 2


@pytest.mark.parametrize("mischief", [failing_at_one, failing_without_saying_where])
def test_an_error_about_one_name_costs_that_name(good: Reading, mischief: Mischief) -> None:
    """genErr, with and without the index of the name."""
    expected = replace(good, identity=replace(good.identity, location=None))
    assert read(mischief) == [expected] * 2


def test_an_error_in_one_column_costs_that_column(good: Reading) -> None:
    """A v1 agent that fails whenever it walks the levels still tells names and types."""
    levels = (*mib.SUPPLIES, mib.SUPPLY_LEVEL)

    def failing(request: Message, cells: Cells) -> Sends:
        hits = [at for at, (name, _) in enumerate(request.varbinds, 1) if name[: len(levels)] == levels]
        if request.operation is Operation.GET_NEXT and hits:
            return [("here", encode_response(request, [], error_status=GEN_ERR, error_index=hits[0]))]
        return by_v1_only(request, cells)

    status = read(failing)[0].status
    assert [supply.description for supply in status.supplies] == ["Cyan Toner", "Magenta Toner", "Black Toner"]
    assert {supply.percent for supply in status.supplies} == {None}
    assert status.impressions_completed == good.status.impressions_completed


@pytest.mark.parametrize("whence", ["elsewhere", "here"])
def test_what_was_not_asked_or_not_by_the_host_is_never_believed(whence: str) -> None:
    """Another address with the right request-id, and the right address with another: both are as good as silence."""

    def forging(request: Message, cells: Cells) -> Sends:
        told = request if whence == "elsewhere" else replace(request, request_id=request.request_id ^ 1)
        return [(whence, honestly(told, cells))]

    with pytest.raises(PrinterUnreachableError):
        read(forging)
