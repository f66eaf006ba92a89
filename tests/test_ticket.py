from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.document_format import tell_format
from agent.document_reference import Reference
from agent.errors import TicketError
from agent.job import JobOptions
from agent.ticket import ParsedTicket, digest_parts, parse_ticket, parse_ticket_keys

PDF = b"%PDF-1.7 pretended"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["id", "printer", "created_at", "document", "document_format", "name", "user", "copies", "sides", "media",
     "color_mode", "page_ranges", "print_quality", "finishings", "priority", "fidelity", "hold", "pin", "expires_in",
     "destination", "other"]
)  # fmt: skip


def ticket(**changes: Any) -> bytes:
    """Write a JSON ticket with some keys changed; a key of None is left out."""
    values = {"printer": "p1", "document": {"data": base64.b64encode(PDF).decode()}, **changes}
    return json.dumps({key: value for key, value in values.items() if value is not None}).encode()


def parse(payload: bytes, **keywords: Any) -> ParsedTicket:
    """Parse without a Content Type unless one is given."""
    return parse_ticket(payload, **{"content_type": None, **keywords})


def refusal(payload: bytes, **keywords: Any) -> TicketError:
    """Give the error that a message is refused with."""
    with pytest.raises(TicketError) as caught:
        parse(payload, **keywords)
    return caught.value


def test_the_ticket_of_the_contract_is_read_key_by_key() -> None:
    """Every key of the contract's example lands in the model, with its type."""
    payload = ticket(
        id="order-17", printer="4f0c", created_at="2026-01-02T03:04:05Z", document_format="application/pdf",
        name="Order 17", user="kiosk-3", copies=2, sides="one-sided", media="iso_a4_210x297mm",
        color_mode="monochrome", page_ranges="1-3,7", print_quality="normal", finishings=["staple"], priority=50,
        fidelity="strict", hold=False, pin="1234", expires_in=3600, destination="printer",
    )  # fmt: skip
    parsed = parse(payload)
    assert (parsed.ticket.id, parsed.ticket.printer, parsed.ticket.name) == ("order-17", "4f0c", "Order 17")
    assert parsed.ticket.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert parsed.ticket.options == JobOptions(
        2, "one-sided", "iso_a4_210x297mm", "monochrome", ((1, 3), (7, 7)), "normal", ("staple",)
    )
    assert (parsed.document, parsed.document_format, parsed.ticket.pin) == (PDF, "application/pdf", "1234")


@pytest.mark.parametrize("lead", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n "])
def test_a_payload_whose_first_non_blank_byte_is_a_brace_is_a_ticket(lead: bytes) -> None:
    """Blanks and a byte order mark before it change nothing."""
    assert parse(lead + ticket()).document == PDF


def test_bytes_are_a_document_whose_user_properties_are_read_by_each_keys_type() -> None:
    """Numbers, flags and lists come out of text, and Content Type is the format."""
    properties = [("id", "o-1"), ("copies", "3"), ("hold", "true"), ("finishings", "staple, punch"), ("name", "N")]
    parsed = parse(PDF, content_type="application/pdf", user_properties=properties, topic_printer="p1")
    assert (parsed.ticket.id, parsed.ticket.hold, parsed.ticket.printer) == ("o-1", True, "p1")
    assert parsed.ticket.options == JobOptions(copies=3, finishings=("staple", "punch"))
    assert (parsed.document, parsed.document_format) == (PDF, "application/pdf")


def test_content_type_decides_whether_a_brace_begins_a_ticket() -> None:
    """Text that begins with a brace is printed as what its Content Type says."""
    parsed = parse(b"{not json", content_type="text/plain; charset=utf-8", topic_printer="p1")
    assert (parsed.document, parsed.document_format) == (b"{not json", "text/plain")
    assert "JSON" in str(refusal(PDF, content_type="application/json", topic_printer="p1"))


def test_malformed_json_is_refused_and_never_printed_as_text() -> None:
    """What begins with a brace and is no JSON is no document either."""
    for payload in (b"{", b"{]", b'{"a": NaN}', b'{"a": 1} x', b"{\xff}", b'{"copies": ' + b"9" * 5000 + b"}"):
        assert refusal(payload, topic_printer="p1").reason == "agent-bad-ticket"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"copies": 0}, "copies"), ({"copies": True}, "copies"), ({"copies": "2"}, "copies"),
        ({"copies": 1.5}, "copies"),
        ({"priority": 101}, "priority"), ({"id": "-x"}, "id"), ({"id": "x" * 65}, "id"), ({"id": "a\n"}, "id"),
        ({"id": 5}, "id"), ({"sides": "both"}, "sides"), ({"sides": ["one-sided"]}, "sides"), ({"hold": 1}, "hold"),
        ({"media": "a b"}, "media"), ({"finishings": "staple"}, "finishings"), ({"finishings": [1]}, "finishings"),
        ({"page_ranges": "3-1"}, "page_ranges"), ({"page_ranges": "1-3,2"}, "page_ranges"),
        ({"page_ranges": "0"}, "page_ranges"), ({"page_ranges": ""}, "page_ranges"), ({"pin": ""}, "pin"),
        ({"created_at": "2026-01-02T03:04:05"}, "created_at"), ({"created_at": 5}, "created_at"),
        ({"created_at": "9999-12-31T23:59:59-12:00"}, "created_at"), ({"expires_in": 0}, "expires_in"),
        ({"document_format": "pdf"}, "document_format"), ({"fidelity": "lax"}, "fidelity"), ({"name": 5}, "name"),
        ({"printer": "a/b"}, "printer"), ({"document": {"data": "A"}}, "document.data"),
        ({"document": {"data": "AAAA\n"}}, "document.data"), ({"document": {"dat": "AAAA"}}, "document.'dat'"),
        ({"document": {"data": "AAAA", "size": 3}}, "document.data"), ({"document": []}, "document"),
        ({"document": {"data": ""}}, "document"), ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_key_named(change: dict[str, Any], key: str) -> None:
    """Type, range and form are each checked; unknown keys are refused."""
    assert key in str(refusal(ticket(**change)))


def test_a_missing_document_or_printer_is_named() -> None:
    """Without a document, or a printer in ticket or topic, there is no job."""
    assert "document: missing" in str(refusal(ticket(document=None)))
    assert "printer: missing" in str(refusal(ticket(printer=None)))
    assert "empty" in str(refusal(b"", topic_printer="p1"))


def test_a_repeated_key_is_refused_in_json_and_in_user_properties() -> None:
    """Nobody can know which of the two was meant; also within `document`."""
    twice = ticket()[:-1] + b', "copies": 1, "copies": 2}'
    nested = b'{"printer": "p", "document": {"data": "AAAA", "data": "BBBB"}}'
    assert "'copies': the key is repeated" in str(refusal(twice))
    assert "'data': the key is repeated" in str(refusal(nested))
    properties = [("copies", "1"), ("copies", "1")]
    assert "repeated" in str(refusal(PDF, user_properties=properties, topic_printer="p1"))
    properties = [("document_format", "text/plain")]
    assert "repeated" in str(refusal(PDF, content_type="application/pdf", user_properties=properties))


def test_a_user_property_that_is_no_key_is_refused() -> None:
    """`document` is the payload itself, so it is no property either."""
    for name in ("colour", "document"):
        assert name in str(refusal(PDF, user_properties=[(name, "x")], topic_printer="p1"))


def test_a_refusal_carries_the_id_where_it_can_be_read() -> None:
    """So that the publisher can match it; a repeated or wrong id is none."""
    assert refusal(ticket(id="o-1", copies=0)).job_id == "o-1"
    assert refusal(ticket(id="o-1")[:-1] + b', "copies": 1, "copies": 2}').job_id == "o-1"
    assert refusal(ticket(id="o-1")[:-1] + b', "id": "o-2"}').job_id is None
    assert refusal(ticket(id="o 1", copies=0)).job_id is None


def test_a_ticket_may_say_where_its_document_is() -> None:
    """Its format is then the ticket's, or not known yet; another URL is another ticket."""
    url = {"url": "https://example.org/a.pdf", "sha256": "ab" * 32, "size": 3}
    parsed = parse(ticket(document=url))
    assert parsed.document == Reference("https://example.org/a.pdf", "ab" * 32, 3)
    assert parsed.document_format == "application/octet-stream"
    assert parse(ticket(document=url, document_format="image/jpeg")).document_format == "image/jpeg"
    assert parse(ticket(document={**url, "size": 4})).digest_parts() != parsed.digest_parts()


def test_a_wrong_url_is_refused_with_the_id_of_the_ticket() -> None:
    """The key is named, and nothing of the URL."""
    error = refusal(ticket(id="u-1", document={"url": "https://me:SECRET@example.org/", "sha256": "ab" * 32}))
    assert (error.reason, error.job_id) == ("agent-bad-ticket", "u-1")
    assert "document.url" in str(error)
    assert "SECRET" not in str(error)


def test_a_ticket_for_a_box_has_its_own_keys_and_no_printer() -> None:
    """What is asked of the cloud stays together, beside what any destination knows."""
    read = parse(ticket(printer=None, destination="box", folder="May", notes="soft fold", copies=3)).ticket
    assert (read.destination, read.printer, read.options.copies) == ("box", "", 3)
    assert read.delivery == {"folder": "May", "notes": "soft fold"}


def test_the_order_of_a_ticket_may_be_a_property() -> None:
    """Beside a bare document the order is a User Property, in JSON."""
    properties = [("destination", "siteflow"), ("order", '{"sourceOrderId": "A1"}')]
    assert parse(PDF, user_properties=properties).ticket.delivery == {"order": {"sourceOrderId": "A1"}}


@pytest.mark.parametrize("order", ["{broken", "[]", "A1"])
def test_an_order_that_is_no_json_object_is_refused_by_its_name(order: str) -> None:
    """With the id of the ticket, whichever property comes first."""
    error = refusal(PDF, user_properties=[("destination", "siteflow"), ("order", order), ("id", "o-1")])
    assert (str(error), error.job_id) == ("order: must be a JSON object, the order's data", "o-1")


def test_notes_of_several_lines_become_one() -> None:
    """No word is lost, and none grows together with another."""
    read = parse(ticket(printer=None, destination="box", notes="thick paper\r\nno\ttrim\x00"))
    assert read.ticket.delivery == {"notes": "thick paper no trim"}


@pytest.mark.parametrize(
    ("keys", "culprit"),
    [
        ({"destination": "fax"}, "destination"),
        ({"destination": "box"}, "printer"),
        ({"folder": "May"}, "folder"),
        ({"printer": None, "destination": "siteflow", "flow": "easy"}, "flow"),
        ({"printer": None, "destination": "box", "folder": " "}, "folder"),
        ({"printer": None, "destination": "box", "folder": "x" * 256}, "folder"),
        ({"printer": None, "destination": "box", "notes": "x" * 2001}, "notes"),
        ({"printer": None, "destination": "siteflow", "order": []}, "order"),
        ({"printer": None, "destination": "siteflow", "order": {"a": "x" * 262_144}}, "order"),
    ],
)
def test_what_belongs_to_another_destination_is_refused(keys: dict[str, Any], culprit: str) -> None:
    """A key that would be ignored is a mistake of the publisher's."""
    assert str(refusal(ticket(**keys))).startswith(f"{culprit}: ")


def test_the_user_of_the_topic_wins() -> None:
    """A user within the ticket is only a claim."""
    assert parse(ticket(user="admin"), topic_user="kiosk-3").ticket.user == "kiosk-3"
    assert parse(ticket(user="admin")).ticket.user == "admin"
    assert "user" in str(refusal(ticket(), topic_user="a\x07"))


def test_the_printer_of_the_topic_wins_and_the_tickets_own_is_kept_to_compare() -> None:
    """The caller can tell whether both are one printer."""
    parsed = parse(ticket(printer="alias"), topic_printer="p9")
    assert (parsed.ticket.printer, parsed.named_printer) == ("p9", "alias")
    assert parse(ticket()).named_printer is None


def test_names_lose_control_characters_and_what_is_too_long() -> None:
    """A title is cleaned, cut at 255 bytes between characters, and never breaks what reads it later."""
    parsed = parse(ticket(name="Or\x1bder\n\ud800" + "é" * 200))
    assert parsed.ticket.name is not None
    assert parsed.ticket.name.startswith("Orderé")
    assert len(parsed.ticket.name.encode()) in (254, 255)
    assert parse(ticket(name="\0" * 20_000 + "never looked at")).ticket.name == ""


def test_deep_or_wide_json_is_refused_before_it_unfolds() -> None:
    """A ticket has few parts; megabytes of brackets are none."""
    for payload in (b'{"a":' + b"[" * 1_000_000, b'{"a":[' + b"[]," * 1_000_000):
        assert "parts" in str(refusal(payload, topic_printer="p1"))


def test_tickets_are_told_apart_by_every_key_and_by_the_document() -> None:
    """The same ticket gives the same digest parts whatever the order of its keys, another one others."""
    same = parse(json.dumps(dict(reversed(json.loads(ticket(id="a", copies=2)).items()))).encode())
    first = parse(ticket(id="a", copies=2))
    assert first.digest_parts() == same.digest_parts()
    others = [parse(ticket(id="a", copies=3)), parse(ticket(id="a", copies=2, pin="1")), parse(ticket(id="a"))]
    parts = {other.digest_parts() for other in (first, *others)}
    assert len(parts | {digest_parts(first.ticket, b"another")}) == 5


def test_keys_without_a_document_make_a_ticket() -> None:
    """A file from the command line has the same keys."""
    parsed = parse_ticket_keys({"printer": "p1", "copies": 2, "hold": True})
    assert (parsed.options.copies, parsed.hold) == (2, True)
    with pytest.raises(TicketError, match="copies"):
        parse_ticket_keys({"printer": "p1", "copies": "two"})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"%PDF-1.7", "application/pdf"), (b"%!PS-Adobe", "application/postscript"),
        (b"RaS2PwgRaster", "image/pwg-raster"),
        (b"UNIRAST\x00", "image/urf"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"II*\x00", "image/tiff"), (b"\x1bE\x1b&l1O", "application/vnd.hp-PCL"),
        (b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE = PDF\r\n%PDF", "application/pdf"),
        (b"\x1b%-12345X@PJL enter language=postscript\n", "application/postscript"),
        (b"\x1b%-12345X@PJL INFO STATUS\r\n", "application/vnd.hp-PCL"),
        (b"\x1b%-12345X@PJL ENTER LANGUAGE=XYZ\n", "application/octet-stream"),
        ("Grüße,\r\n\tpage\f".encode(), "text/plain"), (b"\x1b@receipt", "application/octet-stream"),
        (b"\x00\x01", "application/octet-stream"), (b"", "application/octet-stream"),
        (b"a" * 4095 + "é".encode(), "text/plain"),
    ],
)  # fmt: skip
def test_a_format_is_told_from_the_first_bytes(document: bytes, expected: str) -> None:
    """By the magic of each format, PJL by its ENTER LANGUAGE."""
    assert tell_format(document) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300),
    st.none() | st.text(max_size=40),
    st.lists(st.tuples(KEYS | st.text(max_size=5), st.text(max_size=20)), max_size=4),
    st.none() | st.text(max_size=20),
)
def test_any_bytes_are_a_ticket_or_refused(
    payload: bytes, content_type: str | None, properties: list[tuple[str, str]], user: str | None
) -> None:
    """Nothing but `TicketError` is ever raised, and what is accepted can be digested."""
    try:
        parsed = parse(
            payload, content_type=content_type, user_properties=properties, topic_printer="p1", topic_user=user
        )
    except TicketError:
        return
    assert parsed.digest_parts()


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, JSON_VALUES, max_size=6))
def test_any_json_object_is_a_ticket_or_refused(values: dict[str, Any]) -> None:
    """Values of any type under any key are taken or refused."""
    try:
        parsed = parse(json.dumps({"document": {"data": "AAAA"}, **values}).encode(), topic_printer="p1")
    except TicketError:
        return
    assert (parsed.ticket.name or "").isprintable()
