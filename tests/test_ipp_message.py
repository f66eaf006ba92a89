"""IPP messages: what goes out comes back, and no bytes whatever do harm."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers.ipp_attributes import parse_job, parse_reading
from agent.drivers.ipp_message import DEEPEST_COLLECTION, encode_message, parse_message, read_message
from agent.drivers.ipp_values import (
    Attribute,
    Attributes,
    Group,
    GroupTag,
    Localized,
    Message,
    Operation,
    Range,
    Resolution,
    Status,
    Tag,
    Tagged,
    Value,
    attribute,
)
from agent.errors import PrinterProtocolError

RECORDINGS = (
    "get-printer-attributes-hp6830.bin",
    "get-printer-attributes-epsonxp6000.bin",
    "Kyocera-ECOSYS-M2040dn-Printer-Attributes.ipp",
    "get-jobs-kyocera-ecosys-m2540dn-000.bin",
    "get-printer-attributes-empty-attribute-group.bin",
    "get-printer-attributes-error-0x0503.bin",
)

INTEGERS = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
STRING_TAGS = (Tag.TEXT, Tag.NAME, Tag.KEYWORD, Tag.URI, Tag.MIME_MEDIA_TYPE, Tag.CHARSET, Tag.NATURAL_LANGUAGE)
MOMENTS = st.builds(
    lambda moment, tenths, minutes: moment.replace(
        microsecond=tenths * 100_000, tzinfo=timezone(timedelta(minutes=minutes))
    ),
    st.datetimes(datetime(1900, 1, 2), datetime(2999, 1, 1)),  # noqa: DTZ001 - the zone is put in above
    st.integers(0, 9),
    st.integers(-13 * 60, 13 * 60),
)


def tagged(tag: st.SearchStrategy[Tag], values: st.SearchStrategy[Value]) -> st.SearchStrategy[Tagged]:
    """Give values with one of the tags."""
    return st.builds(Tagged, tag, values)


PLAIN = st.one_of(
    tagged(st.sampled_from((Tag.INTEGER, Tag.ENUM)), INTEGERS),
    tagged(st.just(Tag.BOOLEAN), st.booleans()),
    tagged(st.sampled_from(STRING_TAGS), TEXTS),
    tagged(st.just(Tag.OCTET_STRING), st.binary(max_size=40)),
    tagged(st.sampled_from((Tag.UNSUPPORTED, Tag.UNKNOWN, Tag.NO_VALUE)), st.none()),
    tagged(st.just(Tag.DATE_TIME), MOMENTS),
    tagged(st.just(Tag.RESOLUTION), st.builds(Resolution, INTEGERS, INTEGERS, st.sampled_from((3, 4)))),
    tagged(st.just(Tag.RANGE_OF_INTEGER), st.builds(Range, INTEGERS, INTEGERS)),
    tagged(st.sampled_from((Tag.TEXT_WITH_LANGUAGE, Tag.NAME_WITH_LANGUAGE)), st.builds(Localized, TEXTS, TEXTS)),
)


def attributes(values: st.SearchStrategy[Tagged]) -> st.SearchStrategy[Attributes]:
    """Give attributes, most with one value, some with a set."""
    sets = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.lists(st.builds(Attribute, NAMES, sets), max_size=4).map(lambda items: Attributes(tuple(items)))


VALUES = st.recursive(PLAIN, lambda inner: tagged(st.just(Tag.BEGIN_COLLECTION), attributes(inner)), max_leaves=8)
MESSAGES = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    st.lists(st.builds(Group, st.sampled_from((1, 2, 4, 5, 6, 15)), attributes(VALUES)), max_size=3).map(tuple),
    st.sampled_from(((1, 0), (1, 1), (2, 0))),
    INTEGERS,
)


@given(MESSAGES)
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    """A message of any values, sets and nested collections survives encoding and parsing."""
    assert parse_message(encode_message(message)) == message


@given(MESSAGES, st.data())
def test_half_a_message_is_a_protocol_error(message: Message, data: st.DataObject) -> None:
    """A message that is cut off anywhere is refused, with our error."""
    whole = encode_message(message)
    with pytest.raises(PrinterProtocolError):
        parse_message(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=400))
def test_noise_is_a_message_or_a_protocol_error(noise: bytes) -> None:
    """Whatever the bytes, nothing but our error is raised, and what was parsed can be written again."""
    _parse_and_understand(b"\x02\x00\x00\x00\x00\x00\x00\x01" + noise)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_is_written_again_byte_for_byte(recordings: Path, name: str) -> None:
    """Parsing loses nothing of what real printers send."""
    content = (recordings / "ipp" / name).read_bytes()
    assert encode_message(parse_message(content)) == content


@pytest.mark.parametrize("name", RECORDINGS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_recording_does_no_harm(recordings: Path, name: str, data: st.DataObject) -> None:
    """A recording with flipped bits, or cut off, gives a reading or our error."""
    content = bytearray((recordings / "ipp" / name).read_bytes())
    for place in data.draw(st.lists(st.integers(8, len(content) - 1), max_size=4)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    _parse_and_understand(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))


def _parse_and_understand(content: bytes) -> None:
    try:
        message = parse_message(content)
    except PrinterProtocolError:
        return
    assert parse_message(encode_message(message)) == message
    for group in message.groups:
        parse_reading(group.attributes)
        parse_job(group.attributes)


def test_a_request_is_laid_out_as_rfc_8010_shows_it() -> None:
    """Version, operation, request id, group, attributes in order, end: the bytes of RFC 8010's appendix A."""
    charset = attribute("attributes-charset", Tag.CHARSET, "us-ascii")
    request = Message(Operation.GET_JOBS, (Group(GroupTag.OPERATION, Attributes((charset,))),), (1, 1), 0x123)
    assert encode_message(request) == (
        b"\x01\x01\x00\x0a\x00\x00\x01\x23\x01\x47\x00\x12attributes-charset\x00\x08us-ascii\x03"
    )


def test_the_document_is_left_in_the_stream() -> None:
    """Reading a request stops at the first byte of its document."""
    stream = io.BytesIO(encode_message(Message(Operation.PRINT_JOB, ())) + b"%PDF")
    read_message(stream)
    assert stream.read() == b"%PDF"


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (Tag.INTEGER, b"\x00\x00\x01"),
        (Tag.BOOLEAN, b"\x02"),
        (Tag.KEYWORD, b"caf\xe9"),
        (Tag.DATE_TIME, b"\x07\xe6\x0d\x2d\x03\x2f\x13\x00+\x00\x00"),
        (Tag.RESOLUTION, b"\x00"),
        (Tag.TEXT_WITH_LANGUAGE, b"\x00\x09en"),
        (Tag.NO_VALUE, b"?"),
    ],
)
def test_a_malformed_value_is_kept_as_its_octets(tag: Tag, content: bytes) -> None:
    """A value that isn't what its tag says spoils neither its neighbours nor the message."""
    group = _field(tag, b"broken", content) + _field(Tag.INTEGER, b"whole", b"\x00\x00\x00\x07")
    printer = _printer(group)
    assert printer.values("broken") == (content,)
    assert printer.integer("whole") == 7


def test_accessors_give_only_what_is_of_their_kind() -> None:
    """A number is no text, a boolean no number, and an absent attribute nothing."""
    group = Attributes((attribute("a", Tag.BOOLEAN, True), attribute("b", Tag.INTEGER, 3)))
    assert (group.integer("a"), group.text("b"), group.boolean("b"), group.text("c")) == (None, None, None, None)


def test_text_is_made_safe_to_show() -> None:
    """Control characters go, lines become one, Latin-1 is understood, and nothing is endless."""
    printer = _printer(_field(Tag.TEXT, b"a", b"Caf\xe9\x00\x1b[31m\r\nbar") + _field(Tag.NAME, b"b", b"x" * 5000))
    assert printer.text("a") == "Café [31m bar"
    assert len(printer.text("b") or "") == 1023


def test_a_time_is_understood_with_its_zone() -> None:
    """A dateTime is an aware datetime."""
    printer = _printer(_field(Tag.DATE_TIME, b"at", b"\x07\xe8\x03\x1b\x0f\x0c\x39\x05+\x03\x00"))
    assert printer.values("at") == (datetime(2024, 3, 27, 12, 12, 57, 500_000, tzinfo=UTC),)


@pytest.mark.parametrize(
    "body",
    [
        b"\x21\x00\x01a\x00\x04\x00\x00\x00\x01\x03",
        b"\x04\x21\x00\x00\x00\x04\x00\x00\x00\x01\x03",
        b"\x04\x34\x00\x01a\x00\x00\x21\x00\x00\x00\x04\x00\x00\x00\x01\x37\x00\x00\x00\x00\x03",
        b"\x04\x34\x00\x01a\x00\x00\x03",
        b"\x04\x21\x00\x01a\xff\xff\x00\x03",
    ],
    ids=["no group", "no name", "no member name", "no end of the collection", "a length past the end"],
)
def test_broken_framing_is_a_protocol_error(body: bytes) -> None:
    """A message whose pieces can't be told apart is refused as a whole."""
    with pytest.raises(PrinterProtocolError):
        parse_message(b"\x02\x00\x00\x00\x00\x00\x00\x01" + body)


def test_collections_may_not_be_nested_without_end() -> None:
    """A bottomless collection ends in our error and not in the interpreter's."""
    deep = _field(Tag.BEGIN_COLLECTION, b"a", b"") + (
        _field(Tag.MEMBER_NAME, b"", b"m") + _field(Tag.BEGIN_COLLECTION, b"", b"")
    ) * (DEEPEST_COLLECTION + 1)
    with pytest.raises(PrinterProtocolError, match="too deep"):
        _printer(deep)


def test_a_message_has_a_limit() -> None:
    """A printer can't fill the memory with attributes."""
    with pytest.raises(PrinterProtocolError, match="too long"):
        _printer(_field(Tag.TEXT, b"a", b"x" * 60_000) * 20)


def test_of_two_attributes_of_one_name_the_first_counts() -> None:
    """A repeated attribute doesn't overrule the first."""
    group = _field(Tag.INTEGER, b"a", b"\x00\x00\x00\x01") + _field(Tag.INTEGER, b"a", b"\x00\x00\x00\x02")
    assert _printer(group).integers("a") == (1,)


def _field(tag: Tag, name: bytes, content: bytes) -> bytes:
    return struct.pack(">BH", tag, len(name)) + name + struct.pack(">H", len(content)) + content


def _printer(fields: bytes) -> Attributes:
    head = struct.pack(">BBHiB", 2, 0, Status.OK, 1, GroupTag.PRINTER)
    return parse_message(head + fields + bytes((GroupTag.END,))).group(GroupTag.PRINTER)
