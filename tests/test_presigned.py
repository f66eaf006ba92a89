"""A document is put at the URL that HP's service names, whole and without our login, and never into our own network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import JobCanceledError, PrinterRejectedError, PrinterUnreachableError
from agent.http import HttpClient
from agent.job import Document
from agent.printos.presigned import PresignedPut
from tests.scripted_server import OK, Script, answering, read_head, reset, scripted, swallow

SIZE = 3_000_000
CLOUD = "https://cloud.example/siteflow"
OUTSIDE = ("198.51.99.7",)


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give the transport."""
    with closing(HttpClient()) as client:
        yield client


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """Give a document on the disk."""
    path = tmp_path / "document"
    path.write_bytes(bytes(SIZE))
    return Document(path, SIZE, "application/pdf")


def nothing() -> None:
    """Beat to nobody."""


def taking(heads: list[bytes]) -> Script:
    """Take a document as a bucket does."""

    def script(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        swallow(sock, SIZE)
        sock.sendall(OK)

    return script


def test_a_document_is_put_with_its_type_and_without_a_login(http: HttpClient, document: Document) -> None:
    """The signature of the URL covers the Content-Type; beats come meanwhile."""
    heads: list[bytes] = []
    beats: list[int] = []
    with scripted(taking(heads)) as url:
        PresignedPut(http=http, service_url=url).put(f"{url}f?Signature=s", document, beat=lambda: beats.append(1))
    head = heads[0].lower()
    assert head.startswith(b"put /f?signature=s http/1.1")
    assert b"content-type: application/pdf" in head
    assert b"hmac" not in head
    assert b"authorization" not in head
    assert len(beats) >= SIZE >> 18


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired", PrinterUnreachableError),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", PrinterUnreachableError),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad", PrinterRejectedError),
        (b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", PrinterRejectedError),
    ],
)
def test_what_a_bucket_says_tells_whether_to_try_again(
    http: HttpClient, document: Document, answer: bytes, error: type[Exception]
) -> None:
    """An expired URL and an outage pass; no redirect is followed."""
    with scripted(answering(answer)) as url, pytest.raises(error):
        PresignedPut(http=http, service_url=url).put(url, document, beat=nothing)


def test_a_broken_upload_is_to_be_tried_again(http: HttpClient, document: Document) -> None:
    """Nobody works at what is in a bucket, so that nothing is in doubt."""

    def breaking(sock: socket.socket) -> None:
        read_head(sock)
        swallow(sock, SIZE // 2)
        reset(sock)

    with scripted(breaking) as url, pytest.raises(PrinterUnreachableError):
        PresignedPut(http=http, service_url=url).put(url, document, beat=nothing)


def test_a_cancel_breaks_an_upload_off(http: HttpClient, document: Document) -> None:
    """Whatever the beat raises comes out."""

    def cancelled() -> None:
        raise JobCanceledError("cancelled")

    with scripted(read_head) as url, pytest.raises(JobCanceledError):
        PresignedPut(http=http, service_url=url).put(url, document, beat=cancelled)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://bucket.example/f", OUTSIDE),
        ("https://bucket.example/f", ("198.51.99.7", "10.0.0.1")),
        ("https://10.1.2.3/f", ("10.1.2.3",)),
        ("https://[fe80::1%25eth0]/f", ("fe80::1%eth0",)),
        ("https://metadata.example/f", ("169.254.169.254",)),
        ("https://localhost/f", ("127.0.0.1",)),
    ],
)
def test_no_document_goes_where_a_url_leads_into_our_network(
    http: HttpClient, document: Document, url: str, addresses: tuple[str, ...]
) -> None:
    """Nor over plain HTTP, where the service itself is asked over TLS. It waits: it is not the document's fault."""
    put = PresignedPut(http=http, service_url=CLOUD, resolve=lambda _host, _port: addresses)
    with pytest.raises(PrinterUnreachableError, match="upload URL"):
        put.put(url, document, beat=nothing)


def test_a_host_that_is_named_may_have_a_private_address(http: HttpClient, document: Document) -> None:
    """As in a network whose name server knows the bucket by its address inside."""
    with scripted(taking([])) as url:
        there = url.replace("127.0.0.1", "localhost")
        service = "http://printos.example/box"
        PresignedPut(http=http, service_url=service, hosts=("LocalHost",)).put(there, document, beat=nothing)


def test_of_a_refusal_only_its_code_and_message_are_told(http: HttpClient, document: Document) -> None:
    """S3 quotes what was signed and by whom, and a proxy's page may have the whole URL."""
    told_by_s3 = b"<Code>SignatureDoesNotMatch</Code><Message>It is wrong</Message><StringToSign>PUT x</StringToSign>"
    body = b"<Error>%b</Error>" % told_by_s3
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with scripted(answering(answer)) as url, pytest.raises(PrinterUnreachableError) as told:
        PresignedPut(http=http, service_url=url).put(url, document, beat=nothing)
    assert str(told.value) == "the document was not taken: HTTP 403: SignatureDoesNotMatch: It is wrong"
