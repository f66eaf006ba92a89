"""Documents on their way to real servers on loopback: when they start, how far they have come, when they have ended."""

from __future__ import annotations

import contextlib
import io
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agent.errors import AnswerLostError, ConnectFailedError, JobCanceledError, StorageError
from agent.http import HttpClient
from agent.upload import Upload
from tests.scripted_server import OK, answering, read_head, reset, scripted, swallow
from tests.spool_parts import nothing


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """Give a client with short limits."""
    client = HttpClient(connect_timeout_seconds=2, read_timeout_seconds=1)
    yield client
    client.close()


def upload(data: bytes, notes: list[str], prefix: bytes = b"") -> Upload:
    """Give a body that notes when it starts, goes on and ends."""
    return Upload(
        prefix,
        io.BytesIO(data),
        len(data),
        on_start=lambda: notes.append("start"),
        on_end=lambda: notes.append("end"),
        on_progress=lambda: notes.append("beat"),
    )


def test_a_document_is_sent_with_its_length_and_starts_and_ends_once(client: HttpClient) -> None:
    """The prefix, then the document, never chunked; the start is told before its first byte, the end after its last."""
    notes: list[str] = []
    got: list[bytes] = []

    def take(sock: socket.socket) -> None:
        got.append(read_head(sock))
        body = b""
        while len(body) < 600_003:
            body += sock.recv(65536)
        got.append(body)
        sock.sendall(OK)

    with scripted(take) as url:
        client.request("POST", url, body=upload(b"d" * 600_000, notes, b"ipp"))
    assert b"Content-Length: 600003" in got[0]
    assert got[1] == b"ipp" + b"d" * 600_000
    assert notes[:4] == ["start", "beat", "beat", "beat"]
    assert [note for note in notes if note != "beat"] == ["start", "end"]


def test_a_document_never_rides_on_a_kept_connection(client: HttpClient) -> None:
    """A kept connection may be dead, and then nobody could tell whether the document arrived."""
    accepted = threading.Event()

    def second(sock: socket.socket) -> None:
        accepted.set()
        read_head(sock)
        sock.recv(3)
        sock.sendall(OK)

    with scripted(answering(OK), second) as url:
        client.request("GET", url)
        client.request("POST", url, body=upload(b"doc", []))
    assert accepted.is_set()


def test_a_document_does_not_start_where_nobody_listens(client: HttpClient) -> None:
    """So its journal says that no byte has left."""
    notes: list[str] = []
    body = upload(b"doc", notes)
    with pytest.raises(ConnectFailedError):
        client.request("POST", "http://127.0.0.1:1/", body=body)
    assert notes == []
    assert not body.has_started


@pytest.mark.parametrize("status", [401, 413, 503])
def test_an_early_answer_is_read_though_the_server_hangs_up(client: HttpClient, status: int) -> None:
    """The server refuses in the middle of a document and resets the connection."""

    def refuse(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        reset(sock)

    with scripted(refuse) as url:
        assert client.request("POST", url, body=upload(bytes(30_000_000), [])).status == status


def test_a_reset_in_the_middle_of_a_document_is_a_lost_answer(client: HttpClient) -> None:
    """Some of it has left, and nothing came back."""

    def break_off(sock: socket.socket) -> None:
        read_head(sock)
        sock.recv(100_000)
        reset(sock)

    body = upload(bytes(30_000_000), [])
    with scripted(break_off) as url, pytest.raises(AnswerLostError):
        client.request("POST", url, body=body)
    assert (body.has_started, body.has_ended) == (True, False)


def test_a_document_that_only_our_kernel_has_has_not_ended(client: HttpClient) -> None:
    """All of it is handed over, but the peer's TCP takes no more: with the cable it would be lost."""
    over = threading.Event()

    def take_little(sock: socket.socket) -> None:
        read_head(sock)
        over.wait(5)
        reset(sock)

    body = upload(bytes(500_000), [])
    with scripted(take_little, receive_bytes=8192) as url:
        with pytest.raises(AnswerLostError):
            client.request("POST", url, body=body)
        over.set()
    assert (body.read(), body.has_ended) == (b"", False)


def test_a_document_has_ended_though_no_answer_ever_comes(client: HttpClient) -> None:
    """What the peer's TCP has, a printer has: its word counts for the whole document."""
    over, notes = threading.Event(), list[str]()

    def say_nothing(sock: socket.socket) -> None:
        read_head(sock)
        swallow(sock, 500_000)
        over.wait(5)

    with scripted(say_nothing) as url:
        with pytest.raises(AnswerLostError):
            client.request("POST", url, body=upload(bytes(500_000), notes))
        over.set()
    assert notes.count("end") == 1


@pytest.mark.parametrize(("moment", "arrived"), [("beat", range((3 << 18) + 1)), ("end", [10_000_000 - 1])])
def test_a_document_that_is_broken_off_ends_with_a_reset(
    client: HttpClient, moment: str, arrived: Sequence[int]
) -> None:
    """The end of the connection is not the end of the document; its last byte waits until its end is noted."""
    notes: list[str] = []
    got: list[int] = []

    def note(what: str) -> None:
        notes.append(what)
        if notes.count(moment) == (4 if moment == "beat" else 1):
            raise JobCanceledError(what)

    def take(sock: socket.socket) -> None:
        read_head(sock)
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(65536):
                got.append(len(part))
            got.append(10**9)

    body = Upload(
        b"",
        io.BytesIO(bytes(10_000_000)),
        10_000_000,
        on_start=nothing,
        on_end=lambda: note("end"),
        on_progress=lambda: note("beat"),
    )
    with scripted(take) as url, pytest.raises(JobCanceledError):
        client.request("POST", url, body=body)
    assert sum(got) in arrived


def test_the_last_byte_leaves_only_when_that_is_written_down(client: HttpClient) -> None:
    """What the writing raises keeps it here, and the connection is broken off."""
    got: list[bytes] = []

    def refuse() -> None:
        raise StorageError("the disk is full")

    def take(sock: socket.socket) -> None:
        read_head(sock)
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(65536):
                got.append(part)

    body = Upload(b"", io.BytesIO(b"{}\n"), 3, on_start=nothing, on_end=nothing, on_progress=nothing, on_last=refuse)
    with scripted(take) as url, pytest.raises(StorageError):
        client.request("POST", url, body=body)
    assert (b"".join(got) in (b"", b"{}"), body.may_be_whole) == (True, False)


def test_who_hangs_up_before_the_last_byte_is_not_sent_it(client: HttpClient) -> None:
    """So it is sure that nobody has the whole."""
    last: list[str] = []

    def hang_up(sock: socket.socket) -> None:
        read_head(sock)
        reset(sock)

    size = 200_000  # more than the peer's TCP takes ahead
    body = Upload(
        b"", io.BytesIO(bytes(size)), size,
        on_start=nothing, on_end=nothing, on_progress=nothing, on_last=lambda: last.append("last"),
    )  # fmt: skip
    with scripted(hang_up, receive_bytes=4096) as url, pytest.raises(AnswerLostError):
        client.request("POST", url, body=body)
    assert (last, body.may_be_whole) == ([], False)


def test_a_document_that_shrank_is_a_lost_answer(client: HttpClient) -> None:
    """The promised length can't be kept, so the connection is broken off."""
    body = Upload(b"", io.BytesIO(b"short"), 100, on_start=nothing, on_end=nothing, on_progress=nothing)
    with scripted(read_head) as url, pytest.raises(AnswerLostError, match="shorter"):
        client.request("POST", url, body=body)


def test_a_big_document_needs_little_memory(client: HttpClient) -> None:
    """100 MB grow the process by less than 24 MB."""
    size = 100_000_000

    def take(sock: socket.socket) -> None:
        read_head(sock)
        swallow(sock, size)
        sock.sendall(OK)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Path("/dev/zero").open("rb") as zeros, scripted(take) as url:
        body = Upload(b"", zeros, size, on_start=nothing, on_end=nothing, on_progress=nothing)
        assert client.request("POST", url, body=body, timeout_seconds=20).status == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24_000
