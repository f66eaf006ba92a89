"""One attempt at fetching one document: redirects, ranges, limits, and the hash at the end.

A document that broke off goes on where it broke off (RFC 9110, Range and If-Range). Whatever the server makes of that,
the hash tells: pieces that don't make the document are dropped and it is fetched anew, once and in one piece. Where
neither ticket nor server tells the size, an answer that ended early looks like another document: it has a few tries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from urllib.parse import urljoin

from agent.document_reference import Place, parse_url
from agent.download import SLOWNESS_SECONDS, Download, Pace, Trust, open_download
from agent.errors import ConfigError, FetchDelayedError, FetchFailedError, TransportError
from agent.fetch_policy import ACCESS_ERROR, TOO_LARGE, FetchPolicy
from agent.part_file import PartFile
from agent.spool_incoming import Incoming, IncomingDocuments

REDIRECTS_LIMIT = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRIED_AGAIN = frozenset({408, 425, 429})
RESERVED_AT_ONCE_BYTES = 4 << 20
"""Of a document whose size nobody tells."""

UNTOLD_TRIES = 3
"""How many failures in a row make another document of one that may have ended early, since nobody tells its size."""

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)")
VALIDATOR = re.compile(r'"[!#-~]{0,500}"|[A-Za-z0-9 :,+-]{1,50}')
"""A strong entity tag, or a date."""

Resolve = Callable[[str, int], Sequence[str]]


class Transfer:
    """Brings documents.

    Args:
        policy: what may be fetched.
        resolve: gives the addresses of a host for a port, or raises OSError.
        trust: gives the certificates to trust.
        documents: where room is reserved, and what a later attempt needs to know is noted.
        slowness_seconds: how long a server may be slower than 1 KiB a second.
    """

    def __init__(
        self,
        *,
        policy: FetchPolicy,
        resolve: Resolve,
        trust: Trust,
        documents: IncomingDocuments,
        slowness_seconds: float = SLOWNESS_SECONDS,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._trust = trust
        self._documents = documents
        self._slowness_seconds = slowness_seconds

    def bring(self, incoming: Incoming, part: PartFile, *, check: Callable[[], None]) -> None:
        """Make the part whole; its bytes are on the disk when this returns.

        Args:
            incoming: what the document is.
            part: what has come of it so far.
            check: called with all that comes, and every few seconds; what it raises ends the attempt.

        Raises:
            FetchDelayedError: it did not come now; what has come is kept, unless it is of no use.
            FetchFailedError: it will never come, or is another.
            SpoolFullError: there is no room for it now.
            StorageError: the disk refuses otherwise.
        """
        if not _is_whole(incoming, part):
            try:
                self._fetch(incoming, part, Pace(check, slowness_seconds=self._slowness_seconds))
            except (TransportError, ConfigError) as exc:
                raise FetchDelayedError(str(exc)) from exc
        part.sync()

    def _fetch(self, incoming: Incoming, part: PartFile, pace: Pace) -> None:
        with closing(self._open(incoming, part.size, pace)) as download:
            is_resumed = self._begin(incoming, part, download)
            may_be_cut = incoming.reference.size is None and _length(download, part.size) is None
            self._receive(incoming, part, download)
        if not _is_whole(incoming, part):
            is_tried_again = is_resumed or (may_be_cut and incoming.failures < UNTOLD_TRIES)
            self._differs(part, f"{download.host}: what came is not the document of this SHA-256", is_tried_again)

    def _open(self, incoming: Incoming, have: int, pace: Pace) -> Download:
        url = incoming.reference.url
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and incoming.validator:
            headers["If-Range"] = incoming.validator
        for _ in range(REDIRECTS_LIMIT + 1):
            place = parse_url(url)
            download = open_download(place, self._addresses(place), headers=headers, trust=self._trust, pace=pace)
            if download.status not in REDIRECTS:
                return download
            download.close()
            url = _redirected(url, place, download.headers.get("Location", ""))
        raise _failed(f"{place.host}: more than {REDIRECTS_LIMIT} redirects")

    def _addresses(self, place: Place) -> Sequence[str]:
        self._policy.check_place(place)
        try:
            found = self._resolve(place.host, place.port)
        except OSError as exc:
            raise FetchDelayedError(f"{place.host}: {exc.strerror or 'its name is unknown'}") from exc
        return self._policy.allowed_addresses(place.host, found)

    def _begin(self, incoming: Incoming, part: PartFile, download: Download) -> bool:
        """Judge the head of an answer; gives whether it goes on where the part ends."""
        _check_status(download, part)
        if download.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise _failed(f"{download.host}: the document comes encoded, though that was not asked for")
        if download.status == 206:  # noqa: PLR2004 - Partial Content
            return True
        if part.size:
            part.restart()
        self._documents.note_validator(incoming, _validator(download))
        return False

    def _receive(self, incoming: Incoming, part: PartFile, download: Download) -> None:
        expected, reserved = _length(download, part.size), 0
        self._check_length(incoming, part, expected, download.host)
        if expected is not None:
            self._documents.reserve(incoming, expected)
        for piece in download.pieces():
            size = part.size + len(piece)
            if size > self._policy.limit_bytes:
                raise self._too_large(download.host)
            if expected is None and size > reserved:
                reserved = min(size + RESERVED_AT_ONCE_BYTES, self._policy.limit_bytes)
                self._documents.reserve(incoming, reserved)
            part.append(piece)
        told = incoming.reference.size
        if expected is None and told is not None and part.size < told:
            raise FetchDelayedError(f"{download.host}: it broke off at {part.size} bytes of {told}")

    def _check_length(self, incoming: Incoming, part: PartFile, length: int | None, host: str) -> None:
        size = incoming.reference.size
        if length is None:
            return
        if size is not None and length != size:
            self._differs(part, f"{host}: it has {length} bytes, the ticket says {size}", part.size > 0)
        if length > self._policy.limit_bytes:
            raise self._too_large(host)

    def _too_large(self, host: str) -> FetchFailedError:
        return FetchFailedError(
            f"{host}: it has more than {self._policy.limit_bytes} bytes", reasons=(ACCESS_ERROR, TOO_LARGE)
        )

    def _differs(self, part: PartFile, message: str, is_tried_again: bool) -> None:
        if is_tried_again:
            part.restart()
            raise FetchDelayedError(f"{message}; it is fetched anew")
        raise FetchFailedError(message, reasons=("aborted-by-system", "agent-document-mismatch"))


def _is_whole(incoming: Incoming, part: PartFile) -> bool:
    return part.size > 0 and part.sha256 == incoming.reference.sha256


def _redirected(url: str, place: Place, location: str) -> str:
    """Give the URL that a redirect leads to, unless it leads from TLS to none."""
    try:
        target = urljoin(url, location)
        scheme = parse_url(target).scheme
    except ValueError as exc:
        raise _failed(f"{place.host}: it redirects to what is no URL to fetch from") from exc
    if place.scheme == "https" and scheme != "https":
        raise _failed(f"{place.host}: it redirects from https to http")
    return target


def _check_status(download: Download, part: PartFile) -> None:
    status, host = download.status, download.host
    if status == 200 or (status == 206 and part.size and _offset(download) == part.size):  # noqa: PLR2004
        return
    if part.size and status in (206, 416):
        part.restart()
        raise FetchDelayedError(f"{host}: it doesn't go on where it broke off; it is fetched anew")
    if status in TRIED_AGAIN or status >= 500:  # noqa: PLR2004 - Server Error
        raise FetchDelayedError(f"{host}: HTTP {status}", retry_after_seconds=_retry_after(download))
    raise _failed(f"{host}: HTTP {status}")


def _offset(download: Download) -> int | None:
    match = CONTENT_RANGE.fullmatch(download.headers.get("Content-Range", "").strip())
    return int(match[1]) if match else None


def _length(download: Download, have: int) -> int | None:
    """Give the bytes of the whole document, None where the answer does not tell."""
    match = CONTENT_RANGE.fullmatch(download.headers.get("Content-Range", "").strip())
    if download.status == 206 and match and match[2] != "*":  # noqa: PLR2004 - Partial Content
        return int(match[2])
    length = download.headers.get("Content-Length", "").strip()
    if not _is_number(length) or "Transfer-Encoding" in download.headers:
        return None
    return have + int(length)


def _validator(download: Download) -> str | None:
    """Give what If-Range takes; a date that is not strong does no harm, since the hash tells."""
    for name in ("ETag", "Last-Modified"):
        value = download.headers.get(name, "").strip()
        if VALIDATOR.fullmatch(value):
            return value
    return None


def _retry_after(download: Download) -> float | None:
    value = download.headers.get("Retry-After", "").strip()
    return float(value) if _is_number(value) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16  # noqa: PLR2004 - more is no size and no pause


def _failed(message: str) -> FetchFailedError:
    return FetchFailedError(message, reasons=(ACCESS_ERROR, "agent-fetch-failed"))
