"""Messages without end: good tickets with something done to them, garbage that hypothesis makes up, and commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.tickets.oracle import PRINTERS, RULES, Message

PDF = b"%PDF-1.7 pretended\n"
BATCH = 400
GENERATED = 100
HUGE = 100_000
GOOD: Mapping[str, Any] = {
    "printer": PRINTERS[0], "document_format": "application/pdf", "name": "Order 17", "user": "kiosk-3", "copies": 1,
    "sides": "one-sided", "media": "iso_a4_210x297mm", "color_mode": "monochrome", "page_ranges": "1-3,7",
    "print_quality": "normal", "finishings": ["staple"], "priority": 50, "fidelity": "strict", "hold": False,
    "expires_in": 31_536_000, "destination": "printer",
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 999, 1000, 2**31, 2**63, 10**400, 1.0, 1e308, "", " ", "0", "1", "true", "a" * 64,
    "a" * 65, "../../etc/passwd", "%s%n", "'; DROP TABLE jobs; --", "\0", "\x1b[2J", "\ud800", "\ufeff", "\u202e",
    "é" * 300, "1-3,7", "7,1-3", "3-1", "1-", "0-5", "1-99999999999", "text/plain", "a/b/c", "two-sided-long-edge",
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:05", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "draft",
    "best-effort", "box", [], ["staple"], ["staple"] * 17, [[]], [None], {}, {"data": ""}, {"data": "AAAA"},
    {"data": "A"}, {"data": "AA=A"}, {"data": "AAAA\n"}, {"data": "AAA="}, {"data": ["AAAA"]},
    {"data": "AAAA", "size": 3}, {"url": "file:///etc/passwd"}, {"url": "http://127.0.0.1/", "sha256": "00"},
)  # fmt: skip
SPLICES = (
    b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b'"', b"{", b"}",
    b",", b":", b"[" * 400, b"[" * 100_000, b'{"a":' * 300, b'"copies":2,', b'"copies":1,"copies":1,',
    b'"id":"a","id":"a",',    b"\xef\xbb\xbf", b"//", b"'", b"\\u0000", b"\\x41", b"\xc3\xa9",
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
TICKET_JUNK = st.dictionaries(st.sampled_from(list(RULES)) | st.text(max_size=8), JUNK, max_size=6)
PAYLOADS = st.binary(max_size=200) | (JUNK | TICKET_JUNK).map(lambda junk: json.dumps(junk).encode())
PROPERTY_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), max_codepoint=0xFFFD), max_size=20)
PROPERTIES = st.lists(st.tuples(st.sampled_from(list(RULES)) | PROPERTY_TEXT, PROPERTY_TEXT), max_size=4)
CONTENT_TYPES = st.sampled_from((None, "application/json", "application/pdf", "text/plain; charset=x")) | PROPERTY_TEXT


def messages(count: int, random: Random) -> Iterator[Message]:
    """Give so many messages, each on a topic of its own: mutated good tickets, what hypothesis makes up, and commands.

    Not every mutation makes a ticket bad, so that an agent that refuses everything is found out.
    """
    for begin in range(0, count, BATCH):
        made = [*_generated(GENERATED, random.randrange(2**32))]
        made += [_mutated(random) if random.random() < 0.8 else _command(random) for _ in range(BATCH - len(made))]
        random.shuffle(made)
        for number, message in enumerate(made[: count - begin], begin):
            yield _published(replace(message, topic=_tagged(message.topic, f"m{number}")), random)


def _tagged(topic: str, tag: str) -> str:
    """Put what is unique to a message where its topic may have a user or a job."""
    return topic.replace("USER", tag)


def _published(message: Message, random: Random) -> Message:
    """Settle how a message is published."""
    if random.random() < 0.3:
        return replace(Message(message.topic, message.payload), version="3.1.1", retain=random.random() < 0.05)
    message = replace(message, retain=random.random() < 0.05, payload_format=random.choice((None, None, 0, 1, 7)))
    if random.random() < 0.05:
        message = replace(message, user_properties=[("trace", "x" * 20)] * 150)
    if random.random() < 0.3:
        response = random.choice(("reply/USER", "elsewhere/USER", "bridge/state", "reply/#"))
        size = random.choice((0, 16, 1024, 1025, 60_000)) if random.random() < 0.3 else 16
        message = replace(message, response_topic=response, correlation_data=random.randbytes(size))
    return message


def _generated(count: int, number: int) -> list[Message]:
    """Have hypothesis make messages up."""
    made: list[Message] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(PAYLOADS, CONTENT_TYPES, PROPERTIES, st.sampled_from(("print/USER", "printers/desk/print/USER", "USER")))
    def make(payload: bytes, content_type: str | None, properties: list[tuple[str, str]], topic: str) -> None:
        where = topic if topic != "USER" else "printers/nowhere/print/USER"
        made.append(Message(where, payload, content_type=content_type, user_properties=properties))

    make()
    return made[:count]


def _mutated(random: Random) -> Message:
    """Do something to a good ticket, in the form of JSON or of a document with properties."""
    values = {key: value for key, value in GOOD.items() if random.random() < 0.5}
    values["id"] = f"{random.getrandbits(64):016x}"
    values["created_at"] = datetime.now(UTC).isoformat()
    topic = random.choice(
        ("printers/desk/print/USER",) * 4 + ("print/USER",) * 3 + ("print/USER/more", "print/USER\xa0")
    )
    if topic.startswith("print/"):
        values["printer"] = PRINTERS[0]
    if random.random() < 0.25:
        return _as_properties(values, topic, random)
    values["document"] = {"data": base64.b64encode(PDF + random.randbytes(20)).decode()}
    if random.random() < 0.1:
        values["pin"] = "735190"
    if random.random() < 0.5:
        _mutate_values(values, random)
        return Message(topic, json.dumps(values).encode())
    payload = json.dumps(values, ensure_ascii=random.random() < 0.5).encode(errors="surrogatepass")
    for _ in range(random.randrange(3)):
        payload = random.choice(BYTE_MUTATIONS)(payload, random)
    return Message(
        topic, payload, content_type=random.choice((None, None, "application/json", "Application/JSON; x=y"))
    )


def _as_properties(values: dict[str, Any], topic: str, random: Random) -> Message:
    content_type = values.pop("document_format", None)
    if random.random() < 0.5:
        _mutate_values(values, random)
    texts = [(_property_text(key), _property_text(value)) for key, value in values.items() if value is not None]
    if random.random() < 0.1:
        texts.append(random.choice(texts or [("copies", "1")]))
    return Message(topic, PDF + random.randbytes(20), content_type=content_type, user_properties=texts)


def _property_text(value: Any) -> str:
    """Write a value as a User Property that a broker takes."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    text = str(value).lower() if isinstance(value, bool) else text
    return "".join(character for character in text[:20_000] if character.isprintable() or character == "\ufeff")


NO_IDS = tuple(value for value in ODD if not RULES["id"](_property_text(value)))
"""Ids stay each its own: what becomes of the same one again is for other tests."""


def _mutate_values(values: dict[str, Any], random: Random) -> None:
    key = random.choice(list(RULES))
    match random.randrange(4):
        case 0:
            values.pop(key, None)
        case 1:
            values[random.choice(("Copies", "document ", "k" * HUGE, "", "\0", "__proto__"))] = random.choice(ODD)
        case _:
            values[key] = random.choice(ODD if key != "id" else NO_IDS)


def _flip(payload: bytes, random: Random) -> bytes:
    place = random.randrange(len(payload) or 1)
    return payload[:place] + random.randbytes(1) + payload[place + 1 :]


def _splice(payload: bytes, random: Random) -> bytes:
    place = random.choice((0, 1, len(payload) - 1, random.randrange(len(payload) or 1)))
    return payload[:place] + random.choice(SPLICES) + payload[place:]


def _cut(payload: bytes, random: Random) -> bytes:
    return payload[: random.randrange(len(payload) + 1)]


def _swap_words(payload: bytes, random: Random) -> bytes:
    old, new = random.choices((b"true", b"false", b"null", b"1", b"50", b"{", b'"', b" ", b"=", b"desk"), k=2)
    return payload.replace(old, new, 1)


BYTE_MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _splice, _cut, _swap_words)


def _command(random: Random) -> Message:
    """Make a command that nothing fits: no such job or printer, or garbage."""
    topic = random.choice(
        (
            "jobs/USER/cmd/cancel", "jobs/USER/cmd/release", "jobs/USER/cmd/confirm", "jobs/USER/cmd/reprint",
            "jobs/none/cmd/cancel/USER", "jobs/none/cmd/release/USER", "printers/USER/cmd/pause",
            "printers/USER/cmd/resume", "printers/USER/cmd/identify", "jobs//cmd/cancel/USER", "jobs/USER/cmd/destroy",
        )
    )  # fmt: skip
    payload = json.dumps(
        random.choice(({}, {"pin": random.choice(ODD)}, {"attempts": random.choice(ODD)}, *ODD))
    ).encode()
    return Message(topic, random.choice(BYTE_MUTATIONS)(payload, random) if random.random() < 0.5 else payload)
