"""The pretended S3 takes one document by a presigned URL, whole, of the media type that was asked for, in time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from agent.errors import AnswerLostError
from agent.http import NO_HEADERS, Answer
from agent.simulator.pdf import write_pdf
from agent.simulator.printos_uploads import LIFETIME
from tests.printos_parts import Bench, printos, received

PDF = write_pdf("Menu", pages=3)


def put(bench: Bench, url: str, body: bytes = PDF, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Send a document to a URL."""
    return bench.http.request("PUT", url, headers={"Content-Type": "application/pdf", **headers}, body=body)


def test_a_document_is_known_by_its_fetch_url() -> None:
    """With its hash, size and pages; the words that a client adds to the query are let be."""
    with printos() as bench:
        upload_url, fetch_url = bench.simulator.uploads.issue("application/pdf", "box")
        assert bench.simulator.uploads.find(fetch_url) is None
        assert put(bench, f"{upload_url}&file=C%3A%5Cmenu.pdf").status == 200
        content = bench.simulator.uploads.find(fetch_url)
    assert content is not None
    assert (content.sha256, content.size, content.pages) == (hashlib.sha256(PDF).hexdigest(), len(PDF), 3)
    assert content.is_pdf


def test_the_same_url_may_be_used_again() -> None:
    """A transfer that broke is begun anew."""
    with printos() as bench:
        upload_url, fetch_url = bench.simulator.uploads.issue("application/pdf", "box")
        put(bench, upload_url, b"first")
        put(bench, upload_url, b"second")
        content = bench.simulator.uploads.find(fetch_url)
    assert content is not None
    assert content.head == b"second"


@pytest.mark.parametrize(
    ("change", "headers", "status", "code"),
    [
        (("", ""), {"Content-Type": "text/plain"}, 403, b"SignatureDoesNotMatch"),
        (("Signature=", "Signature=0"), {}, 403, b"SignatureDoesNotMatch"),
        (("Expires=", "Expires=9"), {}, 403, b"SignatureDoesNotMatch"),
        (("/s3/box/", "/s3/box/f"), {}, 403, b"SignatureDoesNotMatch"),
        (("", ""), {"Authorization": "Basic eA=="}, 400, b"InvalidArgument"),
        (("", ""), {"Transfer-Encoding": "chunked"}, 411, b"MissingContentLength"),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(
    change: tuple[str, str], headers: dict[str, str], status: int, code: bytes
) -> None:
    """In S3's own XML."""
    with printos() as bench:
        upload_url, fetch_url = bench.simulator.uploads.issue("application/pdf", "box")
        answer = put(bench, upload_url.replace(*change, 1) if change[0] else upload_url, headers=headers)
        assert bench.simulator.uploads.find(fetch_url) is None
    assert (answer.status, code in answer.body) == (status, True)


@pytest.mark.parametrize(
    ("length", "code"),
    [("many", b"MissingContentLength"), ("9" * 10, b"EntityTooLarge"), ("9" * 5000, b"EntityTooLarge")],
)
def test_a_length_that_cannot_be_is_refused(length: str, code: bytes) -> None:
    """Before any of the document is read."""
    with printos() as bench:
        target = bench.simulator.uploads.issue("application/pdf", "box")[0].removeprefix(bench.simulator.url)
        head = f"PUT {target} HTTP/1.1\r\nContent-Type: application/pdf\r\nContent-Length: {length}\r\n\r\n"
        assert code in received(bench, head.encode())


def test_a_url_expires() -> None:
    """After an hour."""
    with printos() as bench:
        upload_url, _ = bench.simulator.uploads.issue("application/pdf", "box")
        bench.ticker.advance(LIFETIME.total_seconds() + 1)
        answer = put(bench, upload_url)
    assert (answer.status, b"Request has expired" in answer.body) == (403, True)


def test_a_document_that_breaks_off_is_none() -> None:
    """The one before stays."""
    with printos() as bench:
        upload_url, fetch_url = bench.simulator.uploads.issue("application/pdf", "box")
        put(bench, upload_url)
        bench.call("POST", "/simulator/fault?method=PUT&path=/s3/.*&when=middle")
        with pytest.raises(AnswerLostError):
            put(bench, upload_url, b"x" * 100_000)
        content = bench.simulator.uploads.find(fetch_url)
    assert content is not None
    assert content.size == len(PDF)


def test_only_the_newest_thousand_are_kept() -> None:
    """A simulator that runs for weeks grows no further."""
    with printos() as bench:
        first = bench.simulator.uploads.issue("application/pdf", "box")[0]
        for _ in range(1000):
            bench.simulator.uploads.issue("application/pdf", "box")
        assert put(bench, first).status == 404
