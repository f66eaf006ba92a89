"""A pretended S3: presigned URLs for one object each, as HP's services hand them out for documents.

An upload URL is signed as in S3's older way (`AWSAccessKeyId`, `Expires`, `Signature`), which covers the Content-Type
and lets other words of the query be. Of a document only what tells it is kept: its size and hash, how it begins and
ends, and how many pages it has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from agent.model import Clock
from agent.simulator.pdf import PageCounter
from agent.simulator.printos_http import Call, RefusalError, Reply, Route

LIFETIME = timedelta(hours=1)
MOST_OBJECTS = 1000
MOST_BYTES = 5 << 30
LONGEST_LENGTH = 12
END_BYTES = 1024
ACCESS_KEY = "AKIASIMULATOR"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'


@dataclass(frozen=True, slots=True)
class Content:
    """What was sent to one URL. `head` and `tail` are its first and last kilobyte."""

    media_type: str
    size: int
    sha256: str
    head: bytes = field(repr=False)
    tail: bytes = field(repr=False)
    pages: int

    @property
    def is_pdf(self) -> bool:
        """Whether it begins and ends as a PDF does."""
        return self.head.startswith(b"%PDF-") and b"%%EOF" in self.tail


@dataclass(slots=True)
class Intake:
    """Takes in a document piece by piece."""

    size: int = 0
    head: bytes = b""
    tail: bytes = b""
    _pages: PageCounter = field(default_factory=PageCounter)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        self._hash.update(data)
        self.size += len(data)
        if len(self.head) < END_BYTES:
            self.head = (self.head + data)[:END_BYTES]
        self.tail = (self.tail + data[-END_BYTES:])[-END_BYTES:]
        self._pages.update(data)

    def content(self, media_type: str) -> Content:
        """Give what has come."""
        return Content(media_type, self.size, self._hash.hexdigest(), self.head, self.tail, self._pages.pages)


@dataclass(slots=True)
class _Object:
    media_type: str
    content: Content | None = None


class Uploads:
    """The objects; safe in several threads.

    Attributes:
        url: where the simulator is, once it is started.
    """

    def __init__(self, *, now: Clock) -> None:
        self.url = ""
        self._now = now
        self._secret = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._objects: OrderedDict[str, _Object] = OrderedDict()

    def issue(self, media_type: str, folder: str) -> tuple[str, str]:
        """Give an upload URL for one document of a media type, and the URL that it can be fetched from afterwards."""
        name = f"{folder}/{secrets.token_hex(16)}"
        expires = int((self._now() + LIFETIME).timestamp())
        with self._lock:
            self._objects[name] = _Object(media_type)
            while len(self._objects) > MOST_OBJECTS:
                self._objects.popitem(last=False)
        signature = self._signature(name, str(expires), media_type)
        query = urlencode({"AWSAccessKeyId": ACCESS_KEY, "Expires": expires, "Signature": signature})
        return f"{self.url}/s3/{name}?{query}", f"{self.url}/s3/{name}"

    def is_own(self, url: str) -> bool:
        """Whether a URL leads here."""
        return url.startswith(f"{self.url}/s3/")

    def find(self, fetch_url: str) -> Content | None:
        """Give what was sent for a fetch URL; None where nothing was, or there is no such URL."""
        with self._lock:
            found = self._objects.get(urlsplit(fetch_url).path.removeprefix("/s3/"))
            return None if found is None else found.content

    def routes(self) -> list[Route]:
        """Give its routes."""
        return [Route("PUT", "/s3/{folder}/{name}", self.put, self.open)]

    def open(self, call: Call) -> Intake:
        """Look at the head of a PUT, and give what takes its document.

        Raises:
            RefusalError: S3 would not take it.
        """
        query, headers = call.query, call.headers
        if "Authorization" in headers:
            raise _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        length = headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in headers:
            raise _refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        expires, name = query.get("Expires", ""), _name(call)
        right = self._signature(name, expires, headers.get("Content-Type", ""))
        if not hmac.compare_digest(right.encode(), query.get("Signature", "").encode()):
            raise _refusal(
                403, "SignatureDoesNotMatch", "The signature does not match; the Content-Type belongs to what is signed"
            )
        if int(expires) < self._now().timestamp():
            raise _refusal(403, "AccessDenied", "Request has expired")
        if len(length) > LONGEST_LENGTH or int(length) > MOST_BYTES:
            raise _refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        return Intake()

    def put(self, call: Call) -> Reply:
        """Keep what was sent; a second time replaces the first."""
        with self._lock:
            target = self._objects.get(_name(call))
            if target is None:
                raise _refusal(404, "NoSuchBucket", "The specified bucket does not exist")
            target.content = call.sink.content(target.media_type)
            return Reply(200, None, {"ETag": f'"{target.content.sha256[:32]}"'})

    def _signature(self, name: str, expires: str, media_type: str) -> str:
        text = f"PUT\n{media_type}\n{expires}\n/{name}"
        return hmac.new(self._secret, text.encode(errors="replace"), "sha256").hexdigest()


def _name(call: Call) -> str:
    return f"{call.match['folder']}/{call.match['name']}"


def _refusal(status: int, code: str, message: str) -> RefusalError:
    xml = XML.format(code, escape(message)).encode()
    return RefusalError(status, f"{code}: {message}", content=xml, headers={"Content-Type": "application/xml"})
