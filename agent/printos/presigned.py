"""A document put where one of HP's services says: at a presigned URL of a bucket, streamed from the disk.

The URL comes from outside: it must not lead the document to this box or its network. What failed may be done again with
another URL, because a document in a bucket is nothing that anybody works at yet. A URL that leads where it must not is
no fault of the document, which waits until the operator has named the host or the service another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import BinaryIO
from urllib.parse import SplitResult, urlsplit

from agent.download import resolve
from agent.errors import AnswerLostError, ConnectFailedError, PrinterRejectedError, PrinterUnreachableError
from agent.http import Answer, HttpClient
from agent.job import Document
from agent.printos.exchange import OUT_OF_ORDER, SERVER_ERROR, in_words, printable
from agent.upload import Upload

PORTS = {"http": 80, "https": 443}
ANSWER_LIMIT_BYTES = 65_536
ANSWER_SECONDS = 120.0
FORBIDDEN = 403

Resolve = Callable[[str, int], Sequence[str]]


class PresignedPut:
    """Puts documents.

    Args:
        http: the transport; nothing of the service's login goes with it.
        service_url: of the service that gives the URLs: a document may go to its host wherever that is, and over plain
            HTTP only where the service itself is asked so.
        hosts: others that a document may go to wherever they are.
        resolve: gives the addresses of a name; OSError where it has none.
    """

    def __init__(
        self, *, http: HttpClient, service_url: str, hosts: Iterable[str] = (), resolve: Resolve = resolve
    ) -> None:
        self._http = http
        self._service = urlsplit(service_url)
        self._hosts = frozenset({self._service.hostname, *(host.lower() for host in hosts)})
        self._resolve = resolve

    def put(self, url: str, document: Document, *, beat: Callable[[], None]) -> None:
        """Send a document.

        Args:
            url: where to.
            document: what; its format is the Content-Type, which is part of what is signed.
            beat: called while it goes on; whatever it raises breaks it off.

        Raises:
            PrinterRejectedError: the document is refused.
            PrinterUnreachableError: it did not come whole, or the URL leads where no document may go; a new URL may do.
        """
        self._check(url)
        try:
            with document.path.open("rb") as file:
                answer = self._send(url, file, document, beat)
        except (ConnectFailedError, AnswerLostError) as error:
            raise PrinterUnreachableError(f"the document can't be uploaded: {error}") from error
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the class of successes of RFC 9110
            raise _refusal(answer)

    def _send(self, url: str, file: BinaryIO, document: Document, beat: Callable[[], None]) -> Answer:
        upload = Upload(b"", file, document.size, on_start=_note_nothing, on_end=_note_nothing, on_progress=beat)
        return self._http.request(
            "PUT",
            url,
            headers={"Content-Type": document.format},
            body=upload,
            limit_bytes=ANSWER_LIMIT_BYTES,
            timeout_seconds=ANSWER_SECONDS,
        )

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", self._service.scheme):
            raise PrinterUnreachableError("the upload URL is not https: nothing was sent there")
        if parts.hostname not in self._hosts and not self._is_outside(parts):
            host = printable(parts.hostname or "")
            raise PrinterUnreachableError(
                f"the upload URL leads into this box's own network ({host}): if that is right, name it in upload_hosts"
            )

    def _is_outside(self, parts: SplitResult) -> bool:
        """Whether no address of a host is private; a name that only the proxy can look up is the proxy's to judge."""
        host = parts.hostname or ""
        try:
            addresses = self._resolve(host, parts.port or PORTS[parts.scheme])
        except OSError:
            return host != "localhost"
        return all(ip_address(address.partition("%")[0]).is_global for address in addresses)


def _refusal(answer: Answer) -> Exception:
    told = in_words(answer.body)
    message = f"the document was not taken: HTTP {answer.status}{f': {told}' if told else ''}"
    if answer.status in OUT_OF_ORDER or answer.status >= SERVER_ERROR or answer.status == FORBIDDEN:
        return PrinterUnreachableError(message)  # a URL that has expired is refused with 403
    return PrinterRejectedError(message, reason="document-access-error")


def _note_nothing() -> None:
    """Stand in for a journal: no byte of this counts."""
