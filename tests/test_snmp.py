from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from agent.drivers import printer_mib as mib
from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.drivers.snmp_message import (
    TOO_BIG,
    Message,
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
from agent.errors import PrinterProtocolError, PrinterUnreachableError
from agent.model import PrinterState
from agent.simulator.snmp_agent import Cells, answer
from tests.snmp_agent import serving, subnet

HOST = "127.0.0.1"


def octets(words: str) -> bytes:
    """Write text as an agent binds it."""
    return encode_value(Tag.OCTET_STRING, words.encode())


def printer_cells(serial: str = "SN0001") -> dict[Oid, bytes]:
    """Give what a small printer answers: 14 supplies, so that a walk takes more than one request."""
    cells = {
        mib.SYS_DESCR: octets("EPSON AL-C2000 01.00"),
        mib.SYS_OBJECT_ID: encode_oid((1, 3, 6, 1, 4, 1, 1248, 1, 1)),
        mib.SYS_UP_TIME: encode_integer(5000, Tag.TIME_TICKS),
        (*mib.DEVICES, mib.HR_DEVICE_TYPE, 1): encode_oid(mib.HR_DEVICE_PRINTER),
        (*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, 1): encode_integer(3),
        (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 1): octets(serial),
    }
    for index in range(1, 15):
        cells[(*mib.SUPPLIES, mib.SUPPLY_DESCRIPTION, 1, index)] = octets(f"Supply {index}")
        cells[(*mib.SUPPLIES, mib.SUPPLY_MAX_CAPACITY, 1, index)] = encode_integer(100)
        cells[(*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, index)] = encode_integer(index)
    return cells


class Recorder:
    """Answers like a good agent, and remembers the requests."""

    def __init__(self, reply: Callable[[Message, Cells], bytes | None] = answer) -> None:
        self.requests: list[Message] = []
        self._reply = reply

    def __call__(self, request: Message, cells: Cells) -> bytes | None:
        """Answer one request."""
        self.requests.append(request)
        return self._reply(request, cells)


@contextmanager
def running(client: SnmpClient) -> Iterator[SnmpClient]:
    """Start a client, and stop it at the end."""
    client.start()
    try:
        yield client
    finally:
        client.stop()


@pytest.fixture
def client() -> Iterator[SnmpClient]:
    """Give a client that is quick to give up."""
    with running(SnmpClient(timeout_seconds=0.2)) as client:
        yield client


# Asking


def test_values_that_the_agent_has_not_are_left_out(client: SnmpClient) -> None:
    """The answer has what is there."""
    with serving(printer_cells()) as agent:
        found = client.get(HOST, [mib.SYS_DESCR, mib.SYS_NAME], port=agent.port)
    assert found == {mib.SYS_DESCR: b"EPSON AL-C2000 01.00"}


def test_a_hundred_names_are_asked_in_pieces(client: SnmpClient) -> None:
    """No request has more than 48 names."""
    recorder = Recorder()
    names = [(*mib.SUPPLIES, 9, 1, index) for index in range(1, 101)]
    with serving(printer_cells(), reply=recorder) as agent:
        found = client.get(HOST, names, port=agent.port)
    assert sorted(found) == names[:14]
    assert max(len(request.varbinds) for request in recorder.requests) <= 48


def test_a_v1_agent_is_asked_again_without_the_name_it_refuses(client: SnmpClient) -> None:
    """It is silent to v2c, and answers a whole GET with noSuchName for one name."""

    def v1_only(request: Message, cells: Cells) -> bytes | None:
        return answer(request, cells) if request.version is Version.V1 else None

    with serving(printer_cells(), reply=v1_only) as agent:
        found = client.get(HOST, [mib.SYS_NAME, mib.SYS_DESCR, mib.SYS_LOCATION], port=agent.port)
        walked = client.walk(HOST, [(*mib.SUPPLIES, mib.SUPPLY_LEVEL), mib.ALERTS], port=agent.port)
    assert list(found) == [mib.SYS_DESCR]
    assert sorted(walked.values(), key=str) == sorted(range(1, 15), key=str)


def test_a_request_that_is_too_big_is_halved(client: SnmpClient) -> None:
    """The agent says tooBig above five names."""

    def small(request: Message, cells: Cells) -> bytes | None:
        is_big = request.operation is Operation.GET and len(request.varbinds) > 5
        return encode_response(request, [], error_status=TOO_BIG) if is_big else answer(request, cells)

    with serving(printer_cells(), reply=small) as agent:
        names = [(*mib.SUPPLIES, 9, 1, index) for index in range(1, 15)]
        assert len(client.get(HOST, names, port=agent.port)) == 14


def test_a_request_that_is_too_big_for_a_silent_agent_is_halved(client: SnmpClient) -> None:
    """It says nothing above ten names, but is alive."""

    def small(request: Message, cells: Cells) -> bytes | None:
        return None if len(request.varbinds) > 10 else answer(request, cells)

    with serving(printer_cells(), reply=small) as agent:
        client.get(HOST, [mib.SYS_DESCR], port=agent.port)
        names = [(*mib.SUPPLIES, 9, 1, index) for index in range(1, 15)]
        assert len(client.get(HOST, names, port=agent.port)) == 14


def test_an_answer_in_part_is_completed(client: SnmpClient) -> None:
    """The agent answers the first three names of each request, in reverse order."""

    def lazy(request: Message, cells: Cells) -> bytes | None:
        return answer(replace(request, varbinds=request.varbinds[2::-1]), cells)

    with serving(printer_cells(), reply=lazy) as agent:
        names = [(*mib.SUPPLIES, 9, 1, index) for index in range(1, 15)]
        assert len(client.get(HOST, names, port=agent.port)) == 14


@pytest.mark.parametrize("status", [None, 5])
def test_an_agent_without_getbulk_is_walked_by_getnext(client: SnmpClient, status: int | None) -> None:
    """It is silent, or says genErr; once is enough to know."""

    def old(request: Message, cells: Cells) -> bytes | None:
        if request.operation is not Operation.GET_BULK:
            return answer(request, cells)
        return None if status is None else encode_response(request, [], error_status=status)

    recorder = Recorder(old)
    with serving(printer_cells(), reply=recorder) as agent:
        client.get(HOST, [mib.SYS_DESCR], port=agent.port)
        for _ in range(2):
            assert len(client.walk(HOST, [(*mib.SUPPLIES, mib.SUPPLY_LEVEL)], port=agent.port)) == 14
    bulks = [request for request in recorder.requests if request.operation is Operation.GET_BULK]
    assert len({request.request_id for request in bulks}) <= 2


def test_a_walk_of_an_agent_that_goes_in_circles_ends(client: SnmpClient) -> None:
    """It answers every GETBULK with the same row."""
    row = (*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, 1)

    def circular(request: Message, cells: Cells) -> bytes | None:
        return encode_response(request, [(row, encode_integer(5))])

    with serving(printer_cells(), reply=circular) as agent:
        assert client.walk(HOST, [row[:-2]], port=agent.port) == {row: 5}


def test_a_bad_value_does_not_lose_the_others(client: SnmpClient) -> None:
    """A negative counter is None."""
    cells = printer_cells() | {mib.SYS_UP_TIME: encode_value(Tag.TIME_TICKS, b"\xff\xff\xff\xff")}
    with serving(cells) as agent:
        found = client.get(HOST, [mib.SYS_UP_TIME, mib.SYS_DESCR], port=agent.port)
    assert found == {mib.SYS_UP_TIME: None, mib.SYS_DESCR: b"EPSON AL-C2000 01.00"}


# Nobody there, somebody else


def test_silence_is_unreachable_within_the_time_limit(client: SnmpClient) -> None:
    """Also an agent that wants another community."""
    with serving(printer_cells(), community="secret") as agent:
        began = time.monotonic()
        with pytest.raises(PrinterUnreachableError, match="no answer"):
            client.get(HOST, [mib.SYS_DESCR], port=agent.port)
    assert 0.3 < time.monotonic() - began < 1.5


def test_a_closed_port_is_known_at_once() -> None:
    """The network says so; a time limit of a minute isn't waited for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
    with running(SnmpClient(timeout_seconds=60)) as client, pytest.raises(PrinterUnreachableError, match="listens"):
        client.get(HOST, [mib.SYS_DESCR], port=port)


def test_a_host_without_an_address_is_unreachable(client: SnmpClient) -> None:
    """A name that nobody knows."""
    with pytest.raises(PrinterUnreachableError, match="no IPv4 address"):
        client.get("no-such-host.invalid", [mib.SYS_DESCR])


def test_an_answer_from_another_address_or_with_another_id_does_not_count(client: SnmpClient) -> None:
    """Only the host that was asked can answer, and only this request."""
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.9", 0))
    with stranger, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind((HOST, 0))
        forger = threading.Thread(target=_forge, args=(asked, stranger))
        forger.start()
        found = client.get(HOST, [mib.SYS_NAME], port=asked.getsockname()[1])
        forger.join()
    assert found == {mib.SYS_NAME: b"true"}


def _forge(asked: socket.socket, stranger: socket.socket) -> None:
    datagram, sender = asked.recvfrom(2000)
    request = parse_message(datagram)
    stranger.sendto(encode_response(request, [(mib.SYS_NAME, octets("forged"))]), sender)
    other = replace(request, request_id=request.request_id ^ 1)
    asked.sendto(encode_response(other, [(mib.SYS_NAME, octets("other"))]), sender)
    asked.sendto(b"\x30\x05noise", sender)
    for _ in range(2):
        asked.sendto(encode_response(request, [(mib.SYS_NAME, octets("true"))]), sender)


def test_one_host_is_asked_one_thing_at_a_time() -> None:
    """While its answer is awaited, no second request comes, though three threads want to ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, running(SnmpClient(timeout_seconds=5)) as client:
        asked.bind((HOST, 0))
        where = {"port": asked.getsockname()[1]}
        askers = [threading.Thread(target=client.get, args=(HOST, [mib.SYS_DESCR]), kwargs=where) for _ in range(3)]
        for asker in askers:
            asker.start()
        assert [_answer_late(asked) for _ in askers] == ["alone"] * 3
        for asker in askers:
            asker.join()


def _answer_late(asked: socket.socket) -> str:
    """Take a request, listen a while for another, and answer."""
    asked.settimeout(5)
    datagram, sender = asked.recvfrom(2000)
    asked.settimeout(0.05)
    try:
        asked.recvfrom(2000)
    except TimeoutError:
        asked.sendto(encode_response(parse_message(datagram), [(mib.SYS_DESCR, octets("x"))]), sender)
        return "alone"
    return "pressed"


# The sweep


def test_a_sweep_finds_the_printers_of_a_subnet_in_three_seconds() -> None:
    """254 addresses, 8 printers, one that is none, the others closed or silent."""
    printers = {f"127.7.1.{number}": printer_cells(f"SN{number:04}") for number in range(10, 90, 10)}
    other = {"127.7.1.99": {mib.SYS_DESCR: octets("Linux nas 4.4.59 #1 SMP")}}
    with subnet({**printers, **other}) as port, running(SnmpClient(timeout_seconds=1.0)) as client:
        began = time.monotonic()
        found = client.sweep([f"127.7.1.{number}" for number in range(1, 255)], port=port)
    assert time.monotonic() - began < 3
    assert [sighting.host for sighting in found] == list(printers)
    assert {sighting.identity.serial for sighting in found} == {f"SN{number:04}" for number in range(10, 90, 10)}


def test_a_silent_subnet_takes_no_longer_than_one_silent_address() -> None:
    """One socket takes the requests for 100 addresses and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, running(SnmpClient(timeout_seconds=0.3)) as client:
        silent.bind(("0.0.0.0", 0))
        began = time.monotonic()
        assert client.sweep([f"127.7.2.{number}" for number in range(1, 101)], port=silent.getsockname()[1]) == []
    assert time.monotonic() - began < 1.5


def test_a_sweep_finds_an_agent_that_speaks_v1_only(client: SnmpClient) -> None:
    """The retry is v1."""

    def v1_only(request: Message, cells: Cells) -> bytes | None:
        return answer(request, cells) if request.version is Version.V1 else None

    with serving(printer_cells(), reply=v1_only) as agent:
        (found,) = client.sweep([HOST], port=agent.port)
    assert (found.source, found.uris) == ("snmp", (f"snmp://{HOST}:{agent.port}",))
    assert found.identity.serial == "SN0001"


def test_a_sweep_finds_a_printer_that_is_slower_than_the_time_limit(client: SnmpClient) -> None:
    """Its answer comes while the retry waits."""

    def slowly(request: Message, cells: Cells) -> bytes | None:
        time.sleep(0.25)
        return answer(request, cells)

    with serving(printer_cells(), reply=slowly) as agent:
        (found,) = client.sweep([HOST], port=agent.port)
    assert found.identity.serial == "SN0001"


def test_a_sweep_finds_all_that_have_answered_however_long_it_takes_to_look_at_them() -> None:
    """Eight answer at once, and each takes longer to tell the rest than there is time to wait for answers."""

    def slow_to_tell_the_rest(request: Message, cells: Cells) -> bytes | None:
        if tuple(name for name, _ in request.varbinds) != tuple(mib.IDENTITY_NAMES):
            time.sleep(0.2)
        return answer(request, cells)

    with ExitStack() as agents, running(SnmpClient(timeout_seconds=0.3, retries=0, version="2c")) as client:
        port, hosts = 0, [f"127.7.3.{number}" for number in range(1, 9)]
        for host in hosts:
            agent = serving(printer_cells(f"SN-{host}"), host=host, port=port, reply=slow_to_tell_the_rest)
            port = agents.enter_context(agent).port
        found = client.sweep(hosts, port=port)
    assert [sighting.host for sighting in found] == hosts


# One printer's status


def test_a_poll_asks_only_for_what_changes(client: SnmpClient) -> None:
    """The first read learns; the next is two requests."""
    recorder = Recorder()
    with serving(printer_cells(), reply=recorder) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port)
        first = printer.read()
        learnt = len(recorder.requests)
        assert printer.read() == first
    assert len(recorder.requests) - learnt == 2
    assert len(first.status.supplies) == 14


def test_a_change_is_seen_at_the_next_poll(client: SnmpClient) -> None:
    """State, level and alerts."""
    cells = printer_cells()
    with serving(lambda: dict(cells)) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port)
        printer.read()
        cells[(*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, 1)] = encode_integer(4)
        cells[(*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, 3)] = encode_integer(77)
        status = printer.read().status
    assert (status.state, status.supplies[2].percent) == (PrinterState.PROCESSING, 77.0)


@pytest.mark.parametrize("change", ["restart", "row", "serial"])
def test_a_printer_that_has_restarted_or_lost_a_row_or_is_another_is_learnt_anew(
    client: SnmpClient, change: str
) -> None:
    """Another printer may have its address by now."""
    cells = printer_cells()
    with serving(lambda: dict(cells)) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port)
        assert printer.read().identity.serial == "SN0001"
        cells[(*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 1)] = octets("SN0002")
        if change == "restart":
            cells[mib.SYS_UP_TIME] = encode_integer(10, Tag.TIME_TICKS)
        elif change == "row":
            del cells[(*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, 14)]
        assert printer.read().identity.serial == "SN0002"


def test_identity_is_learnt_anew_after_an_hour(client: SnmpClient) -> None:
    """By the clock that it is given."""
    now = [0.0]
    cells = printer_cells()
    with serving(lambda: dict(cells)) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port, clock=lambda: now[0])
        printer.read()
        cells[mib.SYS_LOCATION] = octets("Attic")
        assert printer.read().identity.location != "Attic"
        now[0] = 3601.0
        assert printer.read().identity.location == "Attic"


def test_a_printer_that_stops_answering_is_unreachable(client: SnmpClient) -> None:
    """And is read again when it is back."""
    with serving(printer_cells()) as agent:
        printer = SnmpPrinter(HOST, client=client, port=agent.port)
        printer.read()
    with pytest.raises(PrinterUnreachableError):
        printer.read()
    with serving(printer_cells(), port=agent.port):
        assert printer.read().identity.serial == "SN0001"


def test_an_agent_without_a_printer_is_told_from_silence(client: SnmpClient) -> None:
    """It answers, but is no printer."""
    with serving({mib.SYS_DESCR: octets("Cisco IOS Software")}) as agent, pytest.raises(PrinterProtocolError):
        SnmpPrinter(HOST, client=client, port=agent.port).read()
