from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder  # type: ignore[import-untyped]
from pysnmp.proto import api  # type: ignore[import-untyped]

from agent.drivers.snmp_message import (
    Message,
    Missing,
    Oid,
    Operation,
    Tag,
    Value,
    Version,
    encode_integer,
    encode_oid,
    encode_request,
    encode_response,
    encode_value,
    oid,
    parse_message,
)
from agent.errors import PrinterProtocolError

SYS_DESCR = oid("1.3.6.1.2.1.1.1.0")
SYS_NAME = oid("1.3.6.1.2.1.1.5.0")

oids = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(lambda arcs: (1, 3, *arcs))
int32s = st.integers(-(2**31), 2**31 - 1)
request_ids = st.integers(1, 2**31 - 1)


def typed(module: Any) -> st.SearchStrategy[tuple[Any, Value]]:
    """Give values as pysnmp makes them, with what we should read."""
    return st.one_of(
        int32s.map(lambda number: (module.Integer32(number), number)),
        st.binary(max_size=300).map(lambda octets: (module.OctetString(octets), octets)),
        st.integers(0, 2**32 - 1).map(lambda number: (module.Counter32(number), number)),
        st.integers(0, 2**32 - 1).map(lambda number: (module.Gauge32(number), number)),
        st.integers(0, 2**32 - 1).map(lambda number: (module.TimeTicks(number), number)),
        st.integers(0, 2**64 - 1).map(lambda number: (module.Counter64(number), number)),
        oids.map(lambda name: (module.ObjectIdentifier(name), name)),
    )


v2c = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]


def pysnmp_response(request_id: int, varbinds: list[tuple[Oid, Any]]) -> bytes:
    """Write a v2c response with pysnmp."""
    pdu = v2c.GetResponsePDU()
    v2c.apiPDU.set_defaults(pdu)
    v2c.apiPDU.set_request_id(pdu, request_id)
    v2c.apiPDU.set_varbinds(pdu, varbinds)
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, "public")
    v2c.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


def answer_with(*values: bytes) -> bytes:
    """Write an answer that binds sysDescr to each of these BER values."""
    request = Message(Version.V2C, b"public", Operation.GET, 7, 0, 0, ())
    return encode_response(request, [(SYS_DESCR, value) for value in values])


@given(request_ids, st.lists(st.tuples(oids, typed(v2c)), max_size=20))
def test_an_answer_is_read_as_pysnmp_wrote_it(request_id: int, bound: list[tuple[Oid, tuple[Any, Value]]]) -> None:
    """Every type, names and values of any size: pysnmp's codec is the oracle for good messages."""
    message = parse_message(pysnmp_response(request_id, [(name, value) for name, (value, _) in bound]))
    assert (message.request_id, message.version, message.community) == (request_id, Version.V2C, b"public")
    assert list(message.varbinds) == [(name, expected) for name, (_, expected) in bound]


@given(request_ids, st.lists(oids, max_size=60), st.sampled_from([Operation.GET, Operation.GET_NEXT]))
def test_a_request_is_read_by_pysnmp_as_it_was_meant(request_id: int, names: list[Oid], operation: Operation) -> None:
    """Request id, community and names arrive."""
    datagram = encode_request(operation, names, request_id=request_id, community=b"secret", version=Version.V2C)
    message, rest = decoder.decode(datagram, asn1Spec=v2c.Message())
    pdu = v2c.apiMessage.get_pdu(message)
    assert (rest, bytes(v2c.apiMessage.get_community(message))) == (b"", b"secret")
    assert int(v2c.apiPDU.get_request_id(pdu)) == request_id
    assert [tuple(name) for name, _ in v2c.apiPDU.get_varbinds(pdu)] == names


def test_a_bulk_request_asks_for_repetitions() -> None:
    """GETBULK carries max-repetitions where others have the error index, and is read back."""
    datagram = encode_request(
        Operation.GET_BULK, [SYS_DESCR], request_id=9, community=b"public", version=Version.V2C, max_repetitions=10
    )
    message, _ = decoder.decode(datagram, asn1Spec=v2c.Message())
    pdu = v2c.apiMessage.get_pdu(message)
    assert (int(v2c.apiBulkPDU.get_non_repeaters(pdu)), int(v2c.apiBulkPDU.get_max_repetitions(pdu))) == (0, 10)
    assert parse_message(datagram).error_index == 10


def test_a_v1_request_is_read_by_pysnmp() -> None:
    """Version 1 differs in its version field only."""
    v1 = api.PROTOCOL_MODULES[api.SNMP_VERSION_1]
    datagram = encode_request(Operation.GET, [SYS_DESCR], request_id=9, community=b"public", version=Version.V1)
    message, _ = decoder.decode(datagram, asn1Spec=v1.Message())
    assert int(v1.apiPDU.get_request_id(v1.apiMessage.get_pdu(message))) == 9


@given(st.data())
def test_a_damaged_message_is_a_message_or_our_error(data: st.DataObject) -> None:
    """Cut short or with bytes changed: no other exception."""
    good = pysnmp_response(7, [(SYS_DESCR, v2c.OctetString(b"x" * 200)), (SYS_NAME, v2c.Integer32(5))])
    damaged = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        if damaged:
            damaged[at] = data.draw(st.integers(0, 255))
    with suppress(PrinterProtocolError):
        assert isinstance(parse_message(bytes(damaged)), Message)


@given(st.binary(max_size=100))
def test_noise_is_a_message_or_our_error(noise: bytes) -> None:
    """Any bytes may come in on a UDP port."""
    with suppress(PrinterProtocolError):
        assert isinstance(parse_message(noise), Message)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(encode_value(Tag.COUNTER32, b"\xff\xff\xff\xff"), id="a negative counter"),
        pytest.param(encode_value(Tag.COUNTER32, b"\x01\x00\x00\x00\x00"), id="a counter over 32 bits"),
        pytest.param(encode_value(Tag.INTEGER, b"\x00\xff\xff\xff\xff"), id="an INTEGER of five bytes"),
        pytest.param(encode_value(Tag.INTEGER, b""), id="an INTEGER of none"),
        pytest.param(encode_value(Tag.OBJECT_IDENTIFIER, b""), id="an empty OID"),
        pytest.param(encode_value(Tag.OBJECT_IDENTIFIER, b"\x2b\x86"), id="an OID that ends in the middle"),
        pytest.param(encode_value(Tag.OBJECT_IDENTIFIER, b"\x2b" + b"\xff" * 6 + b"\x7f"), id="an arc over 32 bits"),
        pytest.param(encode_value(0x5F, b"?"), id="an unknown type"),
        pytest.param(encode_value(Tag.NULL, b""), id="NULL"),
        pytest.param(b"\x04\x7fabc", id="a string longer than its binding"),
        pytest.param(b"", id="no value at all"),
    ],
)
def test_one_bad_value_is_none_and_the_others_stand(bad: bytes) -> None:
    """What makes a strict codec drop the whole answer costs only itself."""
    message = parse_message(answer_with(encode_integer(1), bad, encode_integer(3)))
    assert [value for _, value in message.varbinds] == [1, None, 3]


def test_an_integer_with_more_bytes_than_it_needs_is_read() -> None:
    """Five bytes that hold a small number are no reason to lose it."""
    message = parse_message(answer_with(encode_value(Tag.INTEGER, b"\x00\x00\x00\x00\x05")))
    assert message.varbinds[0][1] == 5


@pytest.mark.parametrize("missing", list(Missing))
def test_the_three_kinds_of_nothing_are_told_apart(missing: Missing) -> None:
    """NoSuchObject, noSuchInstance and endOfMibView are no values, and not the same."""
    assert parse_message(answer_with(encode_value(missing.value, b""))).varbinds == ((SYS_DESCR, missing),)


def test_long_lengths_and_bytes_after_the_message_are_read_over() -> None:
    """Some agents write every length in four bytes, and send their whole buffer."""
    value = b"\x04\x84\x00\x00\x00\x02ok"
    assert parse_message(answer_with(value) + b"\x00" * 20).varbinds == ((SYS_DESCR, b"ok"),)


def test_what_is_whole_of_a_cut_answer_is_kept() -> None:
    """A datagram cut in its last binding still tells the others; the cut one may be asked for again."""
    whole = answer_with(encode_integer(1), encode_value(Tag.OCTET_STRING, b"x" * 40))
    assert parse_message(whole[:-10]).varbinds == ((SYS_DESCR, 1),)


def test_version_3_is_not_read_as_something_else() -> None:
    """A v3 report is refused by its version."""
    with pytest.raises(PrinterProtocolError, match="version 3"):
        parse_message(encode_value(0x30, encode_integer(3) + encode_value(0x30, b"")))


def test_an_oid_of_the_second_arc_over_39_is_read() -> None:
    """2.999 has its first two arcs in one number of two bytes."""
    assert parse_message(answer_with(encode_oid((2, 999, 3)))).varbinds[0][1] == (2, 999, 3)
