"""The two URLs of an upload are found in an answer of any shape, and never guessed where they can't be told apart."""

from __future__ import annotations

from typing import Any

import pytest

from agent.errors import CloudRefusedError
from agent.printos.upload_urls import UploadUrls, parse_upload_urls

PUT = "https://bucket.s3.example/f.pdf?X-Amz-Signature=ab12&X-Amz-Expires=900"
GET = "https://files.example/f.pdf"
SIGNED_GET = "https://bucket.s3.example/f.pdf?Signature=cd34"
BOTH = UploadUrls(upload=PUT, fetch=GET)


@pytest.mark.parametrize(
    "content",
    [
        {"uploadUrl": PUT, "fetchUrl": GET},
        {"fetchUrl": GET, "uploadUrl": PUT},
        {"upload": PUT, "fetch": GET, "success": True},
        {"upload": {"url": PUT}, "fetch": {"url": GET}},
        {"putUrl": PUT, "getUrl": GET},
        {"urls": {"upload_url": PUT, "download_url": GET}, "mimeType": "application/pdf"},
        {"url": PUT, "fetchUrl": GET},
        {"uploadUrl": PUT, "url": GET},
        {"data": [{"signedUrl": PUT, "url": GET}]},
        [PUT, GET],
        [GET, PUT],
    ],
)
def test_every_shape_gives_the_same_two(content: Any) -> None:
    """By the words in the names, whatever their order and depth, else by the signature that only one of them has."""
    assert parse_upload_urls(content) == BOTH


def test_words_count_more_than_signatures() -> None:
    """Both may be signed, where the bucket is private."""
    assert parse_upload_urls({"uploadUrl": PUT, "fetchUrl": SIGNED_GET}) == UploadUrls(PUT, SIGNED_GET)
    assert parse_upload_urls({"b": PUT, "downloadUrl": SIGNED_GET}) == UploadUrls(PUT, SIGNED_GET)


def test_configured_names_win() -> None:
    """A name or a whole path; the other one is what is left."""
    odd = {"fetch": {"to": PUT}, "upload": {"from": GET}}
    assert parse_upload_urls(odd, upload_key="to", fetch_key="from") == BOTH
    assert parse_upload_urls(odd, upload_key="fetch.to") == BOTH
    assert parse_upload_urls({"a": PUT, "b": GET}, fetch_key="b") == BOTH


@pytest.mark.parametrize(
    "content",
    [
        None,
        "text",
        {},
        {"uploadUrl": PUT},
        {"a": SIGNED_GET, "b": PUT},
        {"uploadUrl": "file:///etc/passwd", "fetchUrl": GET},
        {"uploadUrl": "https://a b.example/", "fetchUrl": GET},
        {"uploadUrl": "https://[bad/", "fetchUrl": GET},
        {"uploadUrl": "https://h.example/\r\nX: y", "fetchUrl": GET},
    ],
)
def test_what_cant_be_told_apart_is_refused(content: Any) -> None:
    """And so is what is no web address; the error names the settings that help."""
    with pytest.raises(CloudRefusedError, match="upload_url_key"):
        parse_upload_urls(content)


def test_a_monstrous_answer_ends() -> None:
    """Depth and width are limited."""
    deep: Any = PUT
    for _ in range(5000):
        deep = [deep]
    for content in (deep, {"a": ["x"] * 100_000}):
        with pytest.raises(CloudRefusedError):
            parse_upload_urls(content)
