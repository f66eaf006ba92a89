"""PJL's bytes: what is written around a document, and what is read out of whatever a printer sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.pjl_message import LONGEST_REPLY, UEL, Reply, ReplyReader, encode_head, encode_tail, job_name
from agent.drivers.pjl_options import settings
from agent.job import Document, Job, JobOptions, JobState
from tests.spool_parts import TIME_ZERO

END = b'@PJL USTATUS JOB\r\nEND\r\nNAME="Order 17 abc-1"\r\nPAGES=3\r\n\f'


def a_job(name: str | None = "Order 17", *, user: str | None = None, has_pin: bool = False) -> Job:
    """Make a job whose token is `0123456789ab-1`."""
    return Job(
        id="order-17",
        printer_id="p",
        state=JobState.PROCESSING,
        document=Document(Path("document"), 1, "application/pdf"),
        received_at=TIME_ZERO,
        updated_at=TIME_ZERO,
        name=name,
        user=user,
        attempts=1,
        token="0123456789ab",
        has_pin=has_pin,
    )


def read(*pieces: bytes) -> list[Reply]:
    """Read replies that come in these pieces and end with a goodbye."""
    reader = ReplyReader()
    return [*(reply for piece in pieces for reply in reader.feed(piece)), *reader.end()]


def test_a_document_is_wrapped_as_the_manual_says() -> None:
    """Status is on before the job, settings come behind it, and the language is entered last."""
    head = encode_head(a_job(user="anna"), settings(JobOptions(copies=2, sides="two-sided-long-edge")), "PDF")
    assert head == (
        b"\x1b%-12345X@PJL\r\n@PJL USTATUS DEVICE = ON\r\n@PJL USTATUS JOB = ON\r\n@PJL USTATUS PAGE = ON\r\n"
        b'@PJL USTATUS TIMED = 30\r\n@PJL JOB NAME = "Order 17 0123456789ab-1"\r\n@PJL SET USERNAME = "anna"\r\n'
        b"@PJL SET COPIES=2\r\n@PJL SET DUPLEX=ON\r\n@PJL SET BINDING=LONGEDGE\r\n@PJL ENTER LANGUAGE = PDF\r\n"
    )
    assert encode_tail(a_job()) == (b'\x1b%-12345X@PJL\r\n@PJL EOJ NAME = "Order 17 0123456789ab-1"\r\n\x1b%-12345X')


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Jürgens Übung", "Jurgens Ubung 0123456789ab-1"),
        ('a"b\r\n@PJL DEFAULT X\x1b%-12345X', "a b @PJL DEFAULT X %-12345X 0123456789ab-1"),
        ("注文", "0123456789ab-1"),
        ("x" * 500, "x" * 65 + " 0123456789ab-1"),
        (None, "order-17 0123456789ab-1"),
    ],
)
def test_the_last_word_of_a_name_is_the_token_whatever_the_name_is(name: str | None, written: str) -> None:
    """Plain ASCII without quotes, at most 80 characters."""
    assert job_name(a_job(name)) == written


def test_a_job_with_a_pin_does_not_tell_its_name() -> None:
    """Its id stands for it."""
    assert job_name(a_job("Salaries", has_pin=True)) == "order-17 0123456789ab-1"


@given(name=st.text(), user=st.text())
def test_nothing_from_a_ticket_breaks_out_of_its_line(name: str, user: str) -> None:
    """Every line is one of those that we write, with one pair of quotes at most and no escape in it."""
    head = encode_head(a_job(name, user=user), (), "PDF")
    assert head.startswith(UEL)
    lines = head[len(UEL) :].split(b"\r\n")
    assert lines.pop() == b""
    pattern = rb'@PJL( (USTATUS \w+ = \w+|(JOB NAME|SET USERNAME) = "[ !#-~]{1,80}"|ENTER LANGUAGE = PDF))?'
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_a_reply_is_read_whatever_ends_its_lines(line_end: bytes) -> None:
    """Its values come without quotes, with spaces around the sign or without."""
    told = b'@PJL  USTATUS JOB\r\nEND\r\nName = "JOB 1"\r\nPAGES=3\r\n\f'.replace(b"\r\n", line_end)
    (reply,) = read(told)
    assert (reply.subject, reply.lines[0]) == ("USTATUS JOB", "END")
    assert reply.values == {"NAME": "JOB 1", "PAGES": "3"}


@given(data=st.data())
def test_replies_are_the_same_in_whatever_pieces_they_come(data: st.DataObject) -> None:
    """TCP cuts where it likes; garbage between replies makes no reply."""
    told = data.draw(st.lists(st.sampled_from([END, b"noise\r\n", b"@PJL ECHO hello\r\n\f", UEL, b"\f", b"\xff\0"])))
    stream = b"".join(told)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(stream)


@given(pieces=st.lists(st.binary()))
def test_any_bytes_are_read_without_an_error_and_into_clean_lines(pieces: list[bytes]) -> None:
    """A printer is as hostile as any other peer."""
    assert all(line.isprintable() and line for reply in read(*pieces) for line in (reply.subject, *reply.lines))


def test_what_a_printer_says_without_end_costs_no_memory() -> None:
    """One endless line, and one endless reply, keep 8 KiB; the next reply is read as ever."""
    reader = ReplyReader()
    for _ in range(1000):
        assert list(reader.feed(b"x" * 1000)) == []
    long, end = reader.feed(b"\n@PJL INFO ID\n" + b"z\r\n" * 100_000 + b"\f" + END)
    assert sum(map(len, long.lines)) <= LONGEST_REPLY
    assert end.values["PAGES"] == "3"


def test_the_other_answers_of_a_printer_are_read_too() -> None:
    """Its id, its variables, an echo, a line that an echoed UEL stands before, and an end without a form feed."""
    replies = read(
        b'@PJL INFO ID\r\n"HP LASERJET 4ML"\r\n\f@PJL INFO VARIABLES\r\nCOPIES=1 [2 RANGE]\r\n\t1\r\n\t999\r\n\f',
        UEL + b"@PJL ECHO 12:07 1\r\n@PJL USTATUS PAGE\r\n7",
    )
    assert [reply.subject for reply in replies] == ["INFO ID", "INFO VARIABLES", "ECHO 12:07 1", "USTATUS PAGE"]
    assert replies[1].values == {"COPIES": "1 [2 RANGE]"}
    assert replies[3].lines == ("7",)
