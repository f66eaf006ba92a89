"""Where to put a document, and where HP's services fetch it from: what `uploadurls` and `getpreupload` answer. Pure.

HP shows the names of the answer's fields nowhere, so that every shape is taken: the names may be configured, else the
words in them tell which is which, else what only one of the two needs, a signature in its query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from agent.errors import CloudRefusedError

URLS_LIMIT = 16
NODES_LIMIT = 1000
URL_LIMIT = 4096
SIGNATURES = frozenset({"signature", "x-amz-signature", "x-goog-signature", "sig"})
UPLOAD_WORDS = re.compile(r"up_?load|put|post", re.IGNORECASE)
FETCH_WORDS = re.compile(r"fetch|get|download|read|source", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UploadUrls:
    """`upload` takes the document by PUT and is as good as a password while it lives; `fetch` is what to submit."""

    upload: str
    fetch: str


def parse_upload_urls(content: Any, *, upload_key: str = "", fetch_key: str = "") -> UploadUrls:
    """Find the two URLs in an answer.

    Args:
        content: the JSON of the answer, of any shape.
        upload_key: the name of the field with the upload URL; empty where that is not known.
        fetch_key: likewise.

    Raises:
        CloudRefusedError: there aren't two, or it can't be told which is which.
    """
    urls = _urls(content)
    upload = _named(urls, upload_key) if upload_key else _upload(urls, fetch_key)
    fetch = _named(urls, fetch_key) if fetch_key else _fetch(urls, upload)
    if upload is None or fetch is None:
        raise CloudRefusedError(
            f"which URL to upload to can't be told from the answer (fields: {', '.join(_names(urls)) or 'none'});"
            " name them with upload_url_key and fetch_url_key",
            status=200,
        )
    return UploadUrls(upload, fetch)


def _urls(content: Any) -> list[tuple[str, str]]:
    """Give the web addresses of an answer with the names that lead to them, in its order."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Any]] = [("", content)]
    for _ in range(NODES_LIMIT):
        if not waiting or len(found) >= URLS_LIMIT:
            break
        path, node = waiting.pop(0)
        if isinstance(node, dict):
            waiting[:0] = [(f"{path}.{name}" if path else str(name), value) for name, value in node.items()]
        elif isinstance(node, list):
            waiting[:0] = [(path, value) for value in node[:URLS_LIMIT]]
        elif isinstance(node, str) and _is_url(node):
            found.append((path, node))
    return found


def _is_url(text: str) -> bool:
    if len(text) > URL_LIMIT or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _named(urls: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((url for path, url in urls if name in (path, path.rpartition(".")[2])), None)


def _upload(urls: Sequence[tuple[str, str]], fetch_key: str) -> str | None:
    """Choose by the words of the last name, then of all names, then by who is signed."""
    rest = [(path, url) for path, url in urls if not fetch_key or fetch_key not in (path, _last(path))]
    for part in (_last, str):
        by_word = [url for path, url in rest if UPLOAD_WORDS.search(part(path)) and not FETCH_WORDS.search(part(path))]
        if by_word:
            return by_word[0]
    signed = [url for _, url in rest if _is_signed(url)]
    if len(set(signed)) == 1:
        return signed[0]
    other = [url for path, url in rest if not FETCH_WORDS.search(_last(path))]
    return other[0] if len(set(other)) == 1 else None


def _fetch(urls: Sequence[tuple[str, str]], upload: str | None) -> str | None:
    rest = [(path, url) for path, url in urls if url != upload]
    by_word = [url for path, url in rest if FETCH_WORDS.search(_last(path))]
    if by_word or not rest:
        return by_word[0] if by_word else None
    return rest[0][1] if len({url for _, url in rest}) == 1 else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _is_signed(url: str) -> bool:
    return not SIGNATURES.isdisjoint(name.lower() for name in parse_qs(urlsplit(url).query))


def _names(urls: Sequence[tuple[str, str]]) -> list[str]:
    return [ascii(path)[1:-1][:40] for path, _ in urls]
