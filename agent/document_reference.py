"""A document that a ticket names by its URL, its hash and its size; pure and total.

A URL is a secret: its query may carry a signature that lets whoever has it read the document. Nothing here puts any of
it but the host into a message.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agent.errors import TicketError

URL_LIMIT = 8192
URL = re.compile(r"https?://[!-\[\]-~]+", re.IGNORECASE)
"""Printable ASCII but the blank, and the backslash, which parsers read differently."""

HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?")
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
SIZE_LIMIT = 1 << 40
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads. `host` is as `canonical_host` gives it, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A document by its URL.

    `sha256` is 64 digits in lower case, empty where the ticket does not tell, which a `FetchPolicy` refuses; `size` is
    bytes, None where the ticket does not tell.
    """

    url: str = field(repr=False)
    sha256: str = ""
    size: int | None = None

    def digest(self) -> bytes:
        """Give what tells it from another, the same in every release."""
        return hashlib.sha256(json.dumps([self.url, self.sha256, self.size]).encode()).digest()


def parse_reference(document: Mapping[str, Any]) -> Reference:
    """Read a ticket's `document` that has a `url`.

    Raises:
        TicketError: a key is unknown or wrong.
    """
    if unknown := document.keys() - {"url", "sha256", "size"}:
        raise TicketError(f"document.{min(unknown)}: not beside document.url")
    url, sha256, size = document["url"], document.get("sha256", ""), document.get("size")
    if not isinstance(url, str) or len(url) > URL_LIMIT:
        raise TicketError(f"document.url: must be text of at most {URL_LIMIT} characters")
    try:
        parse_url(url)
    except ValueError as error:
        raise TicketError(f"document.url: {error}") from None
    if "sha256" in document and (not isinstance(sha256, str) or not SHA256.fullmatch(sha256)):
        raise TicketError("document.sha256: must be the document's SHA-256 as 64 hexadecimal digits")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= SIZE_LIMIT):
        raise TicketError(f"document.size: must be a whole number from 1 to {SIZE_LIMIT}")
    return Reference(url, sha256.lower(), size)


def parse_url(url: str) -> Place:
    """Tell where a URL leads; what is behind a `#` is left out.

    Raises:
        ValueError: it is no URL that is fetched from; the message shows nothing of it.
    """
    if not URL.fullmatch(url):
        raise ValueError("must be an http or https URL of printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("its host or port is malformed") from None
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or a password")
    scheme = parts.scheme.lower()
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Place(scheme, canonical_host(parts.hostname or ""), PORTS[scheme] if port is None else port, target)


def canonical_host(host: str) -> str:
    """Give the one way to write a host: an address as `ipaddress` does, a name in lower case without the last dot.

    Raises:
        ValueError: it is neither.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = host.lower()
    if not HOST_NAME.fullmatch(name):
        raise ValueError("its host is neither a name nor an address")
    return name.rstrip(".")
