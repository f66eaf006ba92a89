"""The `document` of a ticket that names it by its URL."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.document_reference import Place, Reference, canonical_host, parse_reference, parse_url
from agent.errors import TicketError

URL = "https://files.example/orders/17.pdf?sig=SECRET"
SHA256 = "ab" * 32


def test_a_reference_has_url_hash_and_size() -> None:
    """The size may be missing; the hash is in lower case whatever the ticket has."""
    whole = parse_reference({"url": URL, "sha256": SHA256.upper(), "size": 123})
    assert whole == Reference(URL, SHA256, 123)
    assert parse_reference({"url": URL, "sha256": SHA256}).size is None


def test_references_are_told_apart_by_each_of_the_three() -> None:
    """Another URL, hash or size is another ticket."""
    references = [Reference(URL, SHA256, 1), Reference(URL, SHA256), Reference(URL), Reference(URL + "2", SHA256, 1)]
    assert len({reference.digest() for reference in references}) == 4
    assert Reference(URL, SHA256, 1).digest() == references[0].digest()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, Place("https", "files.example", 443, "/orders/17.pdf?sig=SECRET")),
        ("HTTP://Files.Example.:8080", Place("http", "files.example", 8080, "/")),
        ("http://h/a#b", Place("http", "h", 80, "/a")),
        ("http://[0:0::1]:81/a?b?c", Place("http", "::1", 81, "/a?b?c")),
    ],
)
def test_a_url_leads_to_one_place(url: str, place: Place) -> None:
    """Scheme, host, port and what is asked for; the fragment is nobody's."""
    assert parse_url(url) == place


def test_the_host_header_has_the_port_where_it_is_not_the_schemes() -> None:
    """An IPv6 address is in brackets."""
    authorities = [parse_url(url).authority for url in (URL, "http://h:443/", "http://[::1]/", "https://[::1]:8443/")]
    assert authorities == ["files.example", "h:443", "[::1]", "[::1]:8443"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/a", "file:///etc/passwd", "h/a", "", "http://", "http:///a", "http://user@h/", "http://u:p@h/",
        "http://h\\@evil/", "http://h/a b", "http://h/\r\nX: y", "http://h/ä", "http://ä.example/", "http://[::1/",
        "http://h:99999/", "http://h:x/", "http://h..x/", "http://*.example/", "http://@h/",
        "https://h/" + "a" * 8192,
    ],
)  # fmt: skip
def test_what_is_no_url_to_fetch_from_is_refused_and_not_shown(url: str) -> None:
    """Other schemes, logins, and whatever two parsers may read differently."""
    with pytest.raises(TicketError) as caught:
        parse_reference({"url": url, "sha256": SHA256})
    assert caught.value.reason == "agent-bad-ticket"
    assert str(caught.value).startswith("document.url: must") or "host" in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"sha256": "ab"}, "sha256"), ({"sha256": None}, "sha256"), ({"sha256": "g" * 64}, "sha256"),
        ({"size": 0}, "size"), ({"size": -1}, "size"), ({"size": True}, "size"), ({"size": "1"}, "size"),
        ({"size": 1 << 41}, "size"), ({"data": "aGk="}, "data"), ({"url": 7}, "url"), ({"url": None}, "url"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named(change: dict[str, Any], key: str) -> None:
    """So that the publisher knows what to edit."""
    with pytest.raises(TicketError, match=rf"document\.{key}:"):
        parse_reference({"url": URL, "sha256": SHA256, **change})


def test_a_reference_shows_no_url() -> None:
    """Whoever logs it leaks nothing."""
    assert "SECRET" not in repr(parse_reference({"url": URL, "sha256": SHA256})) + repr(parse_url(URL))


@given(st.text(max_size=50) | st.from_regex(r"https?://[a-z.:\[\]0-9@/?#%]{0,40}", fullmatch=True))
def test_whatever_is_called_a_url_is_a_place_or_refused(url: str) -> None:
    """Nothing else comes of it, and a place can be written into a request."""
    try:
        place = parse_url(url)
    except ValueError:
        return
    assert place.host == canonical_host(place.host)
    assert place.target.startswith("/")
    assert place.target.isascii()
