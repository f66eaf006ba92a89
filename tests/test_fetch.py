"""Documents by reference, from real servers on loopback into a real spool."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.document_reference import Reference
from agent.download import trusted
from agent.errors import StorageError
from agent.job import Job, JobState, Ticket
from agent.spool_incoming import Incoming
from tests.conftest import FakeClock
from tests.fetch_parts import DOCUMENT, FetchBench
from tests.file_server import FileServer
from tests.mosquitto import make_certificates
from tests.scripted_server import Script, answering, read_head, reset, scripted
from tests.spool_parts import PDF, Parts, after_kill, claimed, opened, told

CUT = 100_000
FAILED = ("document-access-error", "agent-fetch-failed")
NOT_ALLOWED = ("document-access-error", "agent-fetch-not-allowed")
DELAYED = ("job-incoming", "agent-fetch-delayed")
MISMATCH = ("aborted-by-system", "agent-document-mismatch")


@pytest.fixture
def parts(tmp_path: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(tmp_path / "state", clock) as parts:
        yield parts


@pytest.fixture
def bench(parts: Parts, clock: FakeClock) -> FetchBench:
    """Give a fetcher that may fetch from 127.0.0.1."""
    return FetchBench(parts, clock)


def outcome(job: Job) -> tuple[JobState, tuple[str, ...]]:
    """Give the state of a job with its reasons."""
    return job.state, job.state_reasons


def is_whole(job: Job, document: bytes = DOCUMENT) -> bool:
    """Tell whether a job waits for its printer with the whole document."""
    return job.state is JobState.PENDING and job.document.path.read_bytes() == document


def test_a_document_is_accepted_at_once_and_fetched_before_its_job_may_print(bench: FetchBench) -> None:
    """Until it is there the job is held as `job-incoming`, and no printer gets it."""
    with FileServer(DOCUMENT) as web:
        job = bench.accept(web.url(), id="order-17")
        assert outcome(job) == (JobState.PENDING_HELD, ("job-incoming",))
        assert claimed(bench.parts) is None
        job = bench.fetch()
    assert is_whole(job)
    assert (job.document.size, job.document.format) == (len(DOCUMENT), "application/pdf")
    assert (job.state_reasons, claimed(bench.parts)) == ((), "order-17")


def test_the_request_is_plain(bench: FetchBench) -> None:
    """The query goes to the server as it is; nothing is asked for that would have to be decoded, nobody logs in."""
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url("/a%20b.pdf?x=1&sig=a/b%2B"))
        bench.fetch()
        (request,) = web.requests
        assert request.target == "/a%20b.pdf?x=1&sig=a/b%2B"
        assert request.headers["Host"] == f"127.0.0.1:{web.port}"
        assert request.headers["Accept-Encoding"] == "identity"
        assert not {"Authorization", "Cookie", "Range"} & request.headers.keys()


def test_a_format_that_the_ticket_names_is_believed(bench: FetchBench) -> None:
    """The first bytes tell only where it names none."""
    with FileServer(DOCUMENT) as web:
        document = Reference(web.url(), hashlib.sha256(DOCUMENT).hexdigest())
        bench.parts.accept(document=document, document_format="application/vnd.hp-PCL")
        assert bench.fetch().document.format == "application/vnd.hp-PCL"


def test_a_broken_document_goes_on_where_it_broke_off(bench: FetchBench) -> None:
    """With the entity tag of the first part, after a pause in which the job says why it waits."""
    with FileServer(DOCUMENT, cuts=[CUT]) as web:
        bench.accept(web.url(), size=len(DOCUMENT))
        waiting = bench.fetch()
        assert outcome(waiting) == (JobState.PENDING_HELD, DELAYED)
        assert "127.0.0.1" in waiting.message
        kept = next(path.stat().st_size for path in bench.parts.documents())
        assert CUT - 16_384 <= kept <= CUT
        assert is_whole(bench.fetch())
        assert web.ranges() == [None, f"bytes={kept}-"]
        assert web.requests[1].headers["If-Range"] == '"v1"'


def test_a_broken_document_goes_on_after_a_restart(bench: FetchBench, clock: FakeClock) -> None:
    """A kill in its midst leaves the part and the row that tells of it."""
    with FileServer(DOCUMENT, cuts=[CUT]) as web:
        bench.accept(web.url())
        bench.fetch()
        with opened(after_kill(bench.parts.state), clock) as survivor:
            assert is_whole(FetchBench(survivor, clock).fetch())
        assert web.ranges()[1] != "bytes=0-"
        assert None not in web.ranges()[1:]


def test_a_document_that_was_whole_when_the_agent_was_killed_is_not_fetched_again(
    bench: FetchBench, clock: FakeClock
) -> None:
    """Neither where its name was final already, nor where it was not."""
    name = "incoming-1.doc"
    for file in (name, f"{name}.part"):
        with FileServer(DOCUMENT) as web:
            if not bench.parts.spool.jobs():
                bench.accept(web.url())
            copy = after_kill(bench.parts.state)
            (copy / "documents" / file).write_bytes(DOCUMENT)
            with opened(copy, clock) as survivor:
                assert is_whole(FetchBench(survivor, clock).fetch())
            assert web.requests == []


def test_a_document_that_changed_meanwhile_is_fetched_anew(bench: FetchBench) -> None:
    """The server answers If-Range with the whole."""
    with FileServer(bytes(len(DOCUMENT)), cuts=[CUT]) as web:
        bench.accept(web.url())
        bench.fetch()
        web.document, web.etag = DOCUMENT, '"v2"'
        assert is_whole(bench.fetch())


@pytest.mark.parametrize("etag", ['W/"weak"', None])
def test_pieces_that_make_no_document_are_dropped_and_it_is_fetched_in_one(etag: str | None, bench: FetchBench) -> None:
    """Where no entity tag could tell that it changed, the hash does."""
    with FileServer(bytes(len(DOCUMENT)), cuts=[CUT], etag=etag) as web:
        bench.accept(web.url())
        bench.fetch()
        web.document = DOCUMENT
        assert outcome(bench.fetch()) == (JobState.PENDING_HELD, DELAYED)
        assert is_whole(bench.fetch())
        assert web.ranges()[2] is None


def test_an_answer_of_untold_size_that_may_have_ended_early_is_fetched_anew_a_few_times(bench: FetchBench) -> None:
    """Neither the ticket nor the server tells its size; in the end it is another document."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    early, whole = answering(head + DOCUMENT[:CUT]), answering(head + DOCUMENT)
    with scripted(early, whole) as url:
        bench.accept(url)
        assert outcome(bench.fetch()) == (JobState.PENDING_HELD, DELAYED)
        assert is_whole(bench.fetch())
    with scripted(*[early] * 4) as url:
        bench.accept(url)
        assert outcome(bench.fetch(tries=4)) == (JobState.ABORTED, MISMATCH)


def test_a_server_without_ranges_gives_it_from_the_beginning(bench: FetchBench) -> None:
    """What was there is forgotten when the whole comes."""
    with FileServer(DOCUMENT, cuts=[CUT], has_ranges=False) as web:
        bench.accept(web.url())
        assert is_whole(bench.fetch(tries=2))


def test_a_server_that_does_not_go_on_where_it_should_is_asked_for_the_whole(bench: FetchBench) -> None:
    """Another range than was asked for, and a 416, are of no use."""
    wrong = b"HTTP/1.1 206 X\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nabc"
    for answer in (wrong, b"HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n"):
        half = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT[:CUT]
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT
        with scripted(answering(half), answering(answer), answering(whole)) as url:
            bench.accept(url)
            assert outcome(bench.fetch(tries=2)) == (JobState.PENDING_HELD, DELAYED)
            assert is_whole(bench.fetch())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_answer_that_may_change_is_waited_for(status: int, bench: FetchBench) -> None:
    """The job tells which, and goes on by itself."""
    with FileServer(DOCUMENT, statuses=[status]) as web:
        bench.accept(web.url())
        waiting = bench.fetch()
        assert outcome(waiting) == (JobState.PENDING_HELD, DELAYED)
        assert str(status) in waiting.message
        job = bench.fetch()
        assert (is_whole(job), job.message) == (True, "")


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 403, 404, 410, 416])
def test_an_answer_that_will_not_change_ends_the_job(status: int, bench: FetchBench) -> None:
    """It is asked once, and nothing is left of it."""
    with FileServer(DOCUMENT, statuses=[status]) as web:
        bench.accept(web.url())
        job = bench.fetch(tries=2)
        assert len(web.requests) == 1
    assert outcome(job) == (JobState.ABORTED, FAILED)
    assert str(status) in job.message
    assert bench.files() == []


def test_pauses_grow_while_nothing_comes_and_are_as_long_as_the_server_asks(
    bench: FetchBench, clock: FakeClock
) -> None:
    """At most five minutes by ourselves, a quarter of an hour where it asks."""
    with FileServer(DOCUMENT, statuses=[503] * 12) as web:
        bench.accept(web.url())
        pauses = []
        for number in range(12):
            web.headers = {"Retry-After": "86400" if number == 11 else "0"}
            bench.fetcher.step()
            pauses.append(round(bench.fetcher.step()))
            clock.advance(900)
        assert pauses[:6] == sorted(pauses[:6])
        assert (pauses[0] <= 1, 150 <= pauses[10] <= 300, pauses[11]) == (True, True, 900)
        assert len(web.requests) == 12


def test_a_pause_begins_anew_once_something_came(bench: FetchBench, clock: FakeClock) -> None:
    """A line that breaks every few megabytes gets there."""
    with FileServer(DOCUMENT, statuses=[503, 503, 503, 503, 0], cuts=[CUT]) as web:
        bench.accept(web.url())
        bench.fetch(tries=4)
        bench.fetcher.step()
        assert bench.fetcher.step() <= 1


def test_another_hash_ends_the_job(bench: FetchBench) -> None:
    """What was fetched is not what was meant, and nothing of it is printed or kept."""
    with FileServer(b"%PDF another") as web:
        bench.accept(web.url())
        assert outcome(bench.fetch()) == (JobState.ABORTED, MISMATCH)
    assert bench.files() == []


@pytest.mark.parametrize("size", [len(DOCUMENT) - 1, len(DOCUMENT) + 1])
def test_another_size_than_the_ticket_says_ends_the_job(size: int, bench: FetchBench) -> None:
    """The hash can't be right then, so nothing is received."""
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url(), size=size)
        job = bench.fetch()
    assert outcome(job) == (JobState.ABORTED, MISMATCH)
    assert str(size) in job.message


def test_an_empty_document_ends_the_job(bench: FetchBench) -> None:
    """Even if the ticket meant it: there is nothing to print."""
    with FileServer(b"") as web:
        bench.accept(web.url(), b"")
        assert outcome(bench.fetch()) == (JobState.ABORTED, MISMATCH)


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
def test_a_document_over_the_limit_ends_the_job(framing: str, parts: Parts, clock: FakeClock) -> None:
    """Whether the server says so or just sends on; no more than the limit is ever kept."""
    bench = FetchBench(parts, clock, limit_bytes=200_000)
    heads = {"length": b"Content-Length: 10000000\r\n", "chunks": b"Transfer-Encoding: chunked\r\n", "close": b""}
    block = b"10000\r\n" + bytes(0x10000) + b"\r\n" if framing == "chunks" else bytes(0x10000)

    def without_end(sock: socket.socket) -> None:
        read_head(sock)
        try:
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n")
            for _ in range(150):
                sock.sendall(block)
        except ConnectionError:
            return

    with scripted(without_end) as url:
        bench.accept(url)
        job = bench.fetch()
    assert outcome(job) == (JobState.ABORTED, ("document-access-error", "agent-document-too-large"))
    assert bench.files() == []


def test_chunks_without_a_length_are_a_document_too(bench: FetchBench) -> None:
    """Room is reserved as they come."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (DOCUMENT[:CUT], DOCUMENT[CUT:])) + b"0\r\n\r\n"
    with scripted(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)) as url:
        bench.accept(url)
        assert is_whole(bench.fetch())


def test_an_encoded_document_ends_the_job(bench: FetchBench) -> None:
    """It was asked for as it is, and nothing that unfolds is ever unfolded."""
    with FileServer(DOCUMENT, headers={"Content-Encoding": "gzip"}) as web:
        bench.accept(web.url())
        assert outcome(bench.fetch()) == (JobState.ABORTED, FAILED)


def test_a_redirect_is_followed_to_a_host_of_the_list(parts: Parts, clock: FakeClock) -> None:
    """Its name is looked up anew, and the query of the first goes nowhere else."""
    asked: list[str] = []
    bench = FetchBench(parts, clock, ["127.0.0.1", "files.example"], resolve=all_to("127.0.0.1", asked))
    with FileServer(DOCUMENT) as web:
        moved = b"HTTP/1.1 302 Found\r\nLocation: " + web.url("/moved", "files.example").encode() + b"\r\n\r\n"
        with scripted(answering(moved)) as url:
            bench.accept(f"{url}?sig=SECRET")
            assert is_whole(bench.fetch())
        assert (web.requests[0].target, asked) == ("/moved", ["127.0.0.1", "files.example"])


def all_to(address: str, asked: list[str]) -> Any:
    """Make a resolver that leads every name to one address."""

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return [address]

    return resolve


@pytest.mark.parametrize(
    ("location", "reasons"),
    [
        ("http://169.254.169.254/latest/meta-data", NOT_ALLOWED), ("http://192.168.1.1/admin", NOT_ALLOWED),
        ("http://[::1]/", NOT_ALLOWED), ("http://2130706433/", NOT_ALLOWED), ("//localhost/", NOT_ALLOWED),
        ("file:///etc/passwd", FAILED), ("http://u:p@127.0.0.1/", FAILED), ("http://[", FAILED),
    ],
)  # fmt: skip
def test_a_redirect_to_a_private_host_ends_the_job(location: str, reasons: tuple[str, ...], bench: FetchBench) -> None:
    """It is never asked, since it isn't on the list; nor is what is no URL."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with scripted(answering(moved)) as url:
        bench.accept(url)
        assert outcome(bench.fetch()) == (JobState.ABORTED, reasons)


def test_redirects_come_to_an_end(bench: FetchBench) -> None:
    """The sixth is not followed."""
    again = answering(b"HTTP/1.1 307 Again\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    with scripted(*[again] * 6) as url:
        bench.accept(url)
        job = bench.fetch()
    assert outcome(job) == (JobState.ABORTED, FAILED)
    assert "5 redirects" in job.message


def test_a_name_that_leads_to_this_box_ends_the_job(parts: Parts, clock: FakeClock) -> None:
    """Whoever has the name in hand can't have this box ask itself."""
    bench = FetchBench(parts, clock, ["files.example"], resolve=all_to("127.0.0.1", []))
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url(host="files.example"))
        assert outcome(bench.fetch()) == (JobState.ABORTED, NOT_ALLOWED)
        assert web.requests == []


def test_the_connection_goes_to_the_address_that_was_checked(parts: Parts, clock: FakeClock) -> None:
    """A name that leads elsewhere the second time it is looked up is looked up once."""
    answers = iter([["127.0.0.1"], ["203.0.113.9"]])
    bench = FetchBench(parts, clock, ["127.0.0.1", "rebinding.invalid"], resolve=lambda _host, _port: next(answers))
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url(host="rebinding.invalid"))
        assert is_whole(bench.fetch())
        assert web.requests[0].headers["Host"] == f"rebinding.invalid:{web.port}"
    assert next(answers) == ["203.0.113.9"]


def test_the_next_address_of_a_name_is_tried(parts: Parts, clock: FakeClock) -> None:
    """Where nobody takes a connection at the first."""
    hosts = ["127.0.0.1", "127.0.0.2", "files.example"]
    bench = FetchBench(parts, clock, hosts, resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url(host="files.example"))
        assert is_whole(bench.fetch())


def test_a_name_with_many_addresses_holds_up_nobody(parts: Parts, clock: FakeClock) -> None:
    """No more than eight are tried at a time, with a beat before each."""
    beats: list[int] = []
    dead = ["127.0.0.2"] + [f"127.0.1.{number}" for number in range(20)]
    hosts = ["files.example", *dead]
    bench = FetchBench(parts, clock, hosts, resolve=lambda _host, _port: dead, beat=lambda: beats.append(1))
    bench.accept("http://files.example:9/")
    assert outcome(bench.fetch()) == (JobState.PENDING_HELD, DELAYED)
    assert len(beats) == 8


def test_a_name_that_nobody_knows_now_is_looked_up_again(parts: Parts, clock: FakeClock) -> None:
    """DNS may be down with the line."""

    def fail(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    bench = FetchBench(parts, clock, ["files.example"], resolve=fail)
    bench.accept("https://files.example/")
    assert outcome(bench.fetch()) == (JobState.PENDING_HELD, DELAYED)


def test_nothing_is_taken_from_the_environment(bench: FetchBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would look names up for itself."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url())
        assert is_whole(bench.fetch())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an authority, and a certificate for 127.0.0.1 and localhost."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    (folder / "both.pem").write_text((folder / "server.pem").read_text() + (folder / "server.key").read_text())
    return folder


@contextmanager
def over_tls(certificates: Path, parts: Parts, clock: FakeClock, trust: Path | None) -> Iterator[Any]:
    """Give a server that speaks TLS, and a fetcher that trusts the certificates of a file."""
    hosts = ["127.0.0.1", "localhost", "files.example"]
    bench = FetchBench(parts, clock, hosts, resolve=lambda _host, _port: ["127.0.0.1"], trust=partial(trusted, trust))
    with FileServer(DOCUMENT, certificate=certificates / "both.pem") as web:
        yield bench, web


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_document_comes_over_tls_from_the_host_that_the_certificate_names(
    host: str, certificates: Path, parts: Parts, clock: FakeClock
) -> None:
    """The connection is made to an address; the certificate is of the name, or of the address that the URL has."""
    with over_tls(certificates, parts, clock, certificates / "ca.pem") as (bench, web):
        bench.accept(web.url(host=host))
        assert is_whole(bench.fetch())


@pytest.mark.parametrize(("host", "trusts"), [("files.example", True), ("localhost", False)])
def test_a_certificate_that_proves_nothing_gets_no_request(
    host: str, trusts: bool, certificates: Path, parts: Parts, clock: FakeClock
) -> None:
    """Of another name, or signed by nobody we trust: an operator may see to it, the job waits."""
    with over_tls(certificates, parts, clock, certificates / "ca.pem" if trusts else None) as (bench, web):
        bench.accept(web.url(host=host))
        waiting = bench.fetch()
        assert web.requests == []
    assert outcome(waiting) == (JobState.PENDING_HELD, DELAYED)
    assert "certificate" in waiting.message


def test_a_redirect_from_tls_to_none_ends_the_job(certificates: Path, parts: Parts, clock: FakeClock) -> None:
    """Whoever listens in between would read the document."""
    with over_tls(certificates, parts, clock, certificates / "ca.pem") as (bench, web):
        web.statuses, web.headers = [302], {"Location": f"http://127.0.0.1:{web.port}/"}
        bench.accept(web.url())
        assert outcome(bench.fetch()) == (JobState.ABORTED, FAILED)


def test_a_server_that_drips_is_left_and_gone_on_with_later(parts: Parts, clock: FakeClock) -> None:
    """Less than a kilobyte a second is no progress; what came is kept."""
    bench = FetchBench(parts, clock, slowness_seconds=0.3)
    done = threading.Event()

    def drip(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT[:CUT])
        while not done.wait(0.05):
            sock.sendall(b"x")

    with scripted(drip) as url:
        bench.accept(url)
        waiting = bench.fetch()
        done.set()
    assert "too slowly" in waiting.message
    assert sum(path.stat().st_size for path in bench.parts.documents()) > CUT - 16_384


def test_a_job_that_is_cancelled_while_it_is_fetched_ends_at_once(bench: FetchBench, clock: FakeClock) -> None:
    """The connection is closed, and nothing is left of the document."""
    with FileServer(DOCUMENT) as web:
        web.goes_on.clear()
        bench.accept(web.url(), id="order-17")
        fetching = threading.Thread(target=bench.fetcher.step)
        fetching.start()
        wait_for_part(bench)
        bench.parts.spool.cancel("order-17")
        clock.advance(2)
        fetching.join(10)
        assert not fetching.is_alive()
    assert outcome(bench.job()) == (JobState.CANCELED, ("job-canceled-by-user",))
    assert bench.files() == []


def wait_for_part(bench: FetchBench) -> None:
    """Wait until some of a document has come."""
    for _ in range(1000):
        if any(path.stat().st_size for path in bench.parts.documents()):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nothing came")


def test_an_agent_that_stops_breaks_off_and_keeps_what_has_come(bench: FetchBench, clock: FakeClock) -> None:
    """A slow server holds up no stop."""
    with FileServer(DOCUMENT) as web:
        web.goes_on.clear()
        bench.accept(web.url())
        fetching = threading.Thread(target=bench.fetcher.step)
        fetching.start()
        wait_for_part(bench)
        bench.fetcher.close()
        fetching.join(10)
        assert not fetching.is_alive()
    assert bench.job().state_reasons == ("job-incoming",)
    assert bench.files() == ["incoming-1.doc.part"]


def test_a_host_that_is_slow_holds_up_no_other(bench: FetchBench) -> None:
    """No more than two documents come from one host at a time."""
    for number in range(3):
        bench.accept(f"http://127.0.0.1/{number}")
    bench.accept("http://other.example/")
    taken = [bench.parts.spool.incoming.take() for _ in range(4)]
    assert [it and it.host for it in taken] == ["127.0.0.1", "127.0.0.1", "other.example", None]


def test_a_document_without_room_waits_for_it_and_takes_none_meanwhile(tmp_path: Path, clock: FakeClock) -> None:
    """Else two halves could wait for each other's room."""
    with (
        opened(tmp_path / "small", clock, max_bytes=1 << 20, max_job_bytes=1 << 20) as parts,
        FileServer(DOCUMENT) as web,
    ):
        bench = FetchBench(parts, clock)
        parts.accept(Ticket(printer="p", id="large"), bytes(800_000))
        bench.accept(web.url())
        waiting = bench.fetch()
        assert (outcome(waiting), parts.spool.tally().document_bytes) == ((JobState.PENDING_HELD, DELAYED), 800_000)
        assert "no room" in waiting.message
        parts.spool.cancel("large")
        assert is_whole(bench.fetch())


def test_a_part_that_the_disk_refuses_holds_up_no_other_document(bench: FetchBench) -> None:
    """It is left alone for a while; what the disk says is logged by the loop."""
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url(), id="refused")
        bench.accept(web.url(), id="good")
        (bench.parts.state / "documents" / "incoming-1.doc.part").mkdir()
        with pytest.raises(StorageError):
            bench.fetcher.step()
        bench.fetcher.step()
    assert is_whole(bench.parts.spool.get("good"))
    assert bench.parts.spool.get("refused").state_reasons == ("job-incoming",)


@pytest.mark.parametrize(
    "script",
    [
        answering(b"nonsense /order.pdf?sig=SECRET\r\n\r\n"),
        answering(b"HTTP/1.1 500 /?sig=SECRET\r\nX SECRET\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n"),
        answering(b"HTTP/1.1 302 X\r\nLocation: ftp://SECRET@h/\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECRET"),
        reset,
    ],
)
def test_no_query_is_ever_shown(
    script: Script, parts: Parts, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong: neither in the log, nor in what is told outside, nor in the job."""
    caplog.set_level(logging.DEBUG)
    bench = FetchBench(parts, clock, ["127.0.0.1", "files.example"], resolve=all_to("127.0.0.1", []))
    with scripted(script) as url:
        bench.accept(url.replace("127.0.0.1", "files.example") + "?sig=SECRET")
        job = bench.fetch()
    notes = [repr(told(note)) for note in parts.notes()]
    assert notes
    assert not [text for text in (caplog.text, json.dumps(job.to_json()), *notes) if "SECRET" in text]


def test_a_mistake_of_ours_holds_up_no_other_document_and_shows_no_url(
    bench: FetchBench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged with where it came from, and the document is tried again later."""

    def fail(_transfer: object, incoming: Incoming, *_args: object, **_more: object) -> None:
        raise KeyError(incoming.reference.url)

    monkeypatch.setattr("agent.fetch_transfer.Transfer.bring", fail)
    bench.accept("http://127.0.0.1/?sig=SECRET")
    assert outcome(bench.fetch()) == (JobState.PENDING_HELD, DELAYED)
    assert "KeyError" in caplog.text
    assert "test_fetch.py" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_url_is_gone_from_the_disk_once_it_is_not_needed(bench: FetchBench) -> None:
    """It was there for a restart; with the document or the end of the job it goes."""
    with FileServer(DOCUMENT) as web:
        bench.accept(web.url())
        kept = [row["url"] for row in bench.parts.store.query("SELECT url FROM incoming")]
        assert kept == [web.url()]
        bench.fetch()
        bench.accept(web.url(), b"another")
        bench.fetch()
    assert bench.parts.store.query("SELECT url FROM incoming") == []


def test_a_long_transfer_beats(parts: Parts, clock: FakeClock) -> None:
    """So that the watchdog knows it from a thread that hangs."""
    beats: list[int] = []
    with FileServer(DOCUMENT) as web:
        bench = FetchBench(parts, clock, beat=lambda: beats.append(1))
        bench.accept(web.url())
        bench.fetch()
    assert len(beats) > 3


def test_a_document_may_also_come_by_a_message_while_another_is_fetched(bench: FetchBench) -> None:
    """It overtakes what is not there yet."""
    bench.accept("http://127.0.0.1/", id="slow")
    bench.parts.accept(Ticket(printer="p", id="quick"), PDF)
    assert claimed(bench.parts) == "quick"
