"""The measuring itself: what a figure says, and that the sinks count what arrives."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest

from agent.drivers.ipp import Ipp
from agent.http import HttpClient
from tests.benchmarks.byte_sink import ByteSink
from tests.benchmarks.figures import DOCUMENT_BYTES, document
from tests.benchmarks.http_sink import HttpSink
from tests.benchmarks.ratio import Ratio, alternate, table


@pytest.fixture
def sink() -> Iterator[ByteSink]:
    """Give a 9100 sink for documents of four bytes."""
    made = ByteSink(document_bytes=4)
    made.start()
    yield made
    made.stop()


def _send(port: int, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(content)


def test_a_figure_tells_whether_its_aim_holds() -> None:
    """Ours is divided by theirs, and the bound says which way is good."""
    faster = Ratio("rate", 200.0, "peer", 100.0, "at least", 2.0)
    slower = Ratio("delay", 0.7, "peer", 1.0, "at most", 0.6)
    assert (faster.ratio, faster.holds, slower.holds) == (2.0, True, False)


def test_a_figure_has_the_keys_that_machines_read() -> None:
    """The line of --json is made of these."""
    figure = Ratio("rate", 200.0, "peer", 100.0, "at least", 2.0).to_json()
    assert list(figure) == ["name", "ours", "peer", "theirs", "ratio", "aim", "holds"]


def test_a_missed_aim_is_seen_in_the_table() -> None:
    """People read the last column first."""
    assert table([Ratio("delay", 1.0, "peer", 1.0, "at most", 0.6)]).splitlines()[1].endswith("MISSED")


def test_rounds_alternate_and_give_medians() -> None:
    """Each side goes first in every other round, so that neither always meets the warmer machine."""
    order: list[str] = []
    figures = {"ours": iter([1.0, 9.0, 2.0]), "theirs": iter([5.0, 4.0, 30.0])}

    def measure(side: str) -> float:
        order.append(side)
        return next(figures[side])

    medians = alternate(3, lambda: measure("ours"), lambda: measure("theirs"))
    assert medians == (2.0, 5.0)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_the_sink_counts_whole_documents_only(sink: ByteSink) -> None:
    """A connection that breaks off in the middle is no job done."""
    for content in (b"1234", b"12", b"5678"):
        _send(sink.port, content)
    sink.wait(2)
    assert sink.count() == 2


def test_the_document_has_its_size_and_is_always_the_same() -> None:
    """20 KB that begin as a PDF does."""
    assert (len(document()), document()[:5]) == (DOCUMENT_BYTES, b"%PDF-")
    assert document() == document()


def test_the_http_sink_is_a_printer_to_our_driver_and_times_uploads() -> None:
    """It is read by IPP, and a big upload leaves its seconds."""
    sink, http = HttpSink(), HttpClient()
    sink.start()
    try:
        reading = Ipp(sink.uri, http=http).read()
        sink.receive(io.BytesIO(bytes(2_000_000)), 2_000_000)
    finally:
        http.close()
        sink.stop()
    assert reading.identity.make_and_model == "Sink"
    assert len(sink.uploads) == 1
