"""From where documents may be fetched."""

from __future__ import annotations

import pytest

from agent.document_reference import Reference, parse_url
from agent.errors import FetchFailedError, TicketError
from agent.fetch_policy import FetchPolicy

SHA256 = "ab" * 32
POLICY = FetchPolicy(["Files.Example.", "192.168.7.9", "::1"], limit_bytes=1000)


def refusal(policy: FetchPolicy, url: str, **keys: int) -> TicketError:
    """Have a ticket's document refused."""
    with pytest.raises(TicketError) as caught:
        policy.check(Reference(url, SHA256, **keys))
    return caught.value


def test_a_host_of_the_list_may_be_fetched_from() -> None:
    """By name whatever its case, or by address, on any port."""
    for url in ("https://files.example/a", "http://FILES.example.:81/a", "http://192.168.7.9/a", "http://[0::1]/"):
        POLICY.check(Reference(url, SHA256, 1000))


@pytest.mark.parametrize(
    "url",
    [
        "https://example/",
        "https://a.files.example/",
        "https://files.example.evil/",
        "http://192.168.7.8/",
        "http://[::2]/",
    ],
)
def test_another_host_is_refused_by_policy(url: str) -> None:
    """A part of a listed name, and a name that has one as a part, are other hosts."""
    assert refusal(POLICY, url).reason == "agent-fetch-not-allowed"
    with pytest.raises(FetchFailedError, match="not among"):
        POLICY.check_place(parse_url(url))


def test_an_empty_list_refuses_every_url_and_says_so() -> None:
    """So the publisher knows that no other URL would do."""
    error = refusal(FetchPolicy([], limit_bytes=1), "https://files.example/?sig=SECRET")
    assert error.reason == "agent-fetch-not-allowed"
    assert "empty" in str(error)
    assert "SECRET" not in str(error)


def test_a_document_that_the_ticket_calls_too_large_is_refused() -> None:
    """Before anything is fetched."""
    assert refusal(POLICY, "https://files.example/a", size=1001).reason == "agent-document-too-large"


def test_a_document_without_a_hash_is_refused() -> None:
    """Nobody could tell what was fetched from what was meant."""
    with pytest.raises(TicketError, match=r"document\.sha256"):
        POLICY.check(Reference("https://files.example/a"))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "127.0.0.1", "127.8.8.8", "169.254.169.254", "192.0.0.192", "224.0.0.251", "255.255.255.255",
        "240.0.0.1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::fb", "::ffff:127.0.0.1", "::ffff:169.254.1.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:1::",
        "2001:0:1::1", "100::1",
    ],
)  # fmt: skip
def test_no_name_may_lead_to_this_box_or_its_link(address: str) -> None:
    """Nor to what is no host at all, nor to any of that wrapped into an IPv6 address."""
    with pytest.raises(FetchFailedError) as caught:
        POLICY.allowed_addresses("files.example", [address])
    assert caught.value.reasons == ("document-access-error", "agent-fetch-not-allowed")


@pytest.mark.parametrize(
    "address",
    ["203.0.113.9", "10.1.2.3", "192.168.1.1", "100.64.0.1", "2a00:1450::1", "fd00::1", "64:ff9b::cb00:7109"],
)
def test_a_host_of_the_list_may_be_public_or_private(address: str) -> None:
    """That is what the list is for; NAT64 is how an IPv4 host looks from an IPv6 network."""
    assert POLICY.allowed_addresses("files.example", [address]) == (address,)


def test_this_box_may_be_led_to_where_its_very_address_is_listed() -> None:
    """Another loopback address than the one that is listed may not; the allowed ones are kept in their order."""
    found = ["127.0.0.1", "10.0.0.2", "::1", "10.0.0.1", "10.0.0.2"]
    assert POLICY.allowed_addresses("files.example", found) == ("10.0.0.2", "::1", "10.0.0.1")
