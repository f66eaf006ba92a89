"""The pretended PrintOS takes what is signed as HP documents it, and names the mistake of what isn't."""

from __future__ import annotations

import hmac
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.printos.signing import ApiKey, Sign, sign_printos, sign_siteflow
from agent.simulator.printos_http import Call, RefusalError
from agent.simulator.printos_signatures import Family, Signatures

NOW = datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
DATE = "2024-05-06T07:08:09.123Z"
KEY = ApiKey("demo-key", "demo-secret")
UPLOAD_URLS = "/api/partner/file/uploadurls"
BOTH: tuple[Family, ...] = ("x-oneflow", "x-hp-hmac")


def digest(text: str, hash_name: str = "sha256") -> str:
    """Sign a text by hand."""
    return hmac.new(KEY.secret.encode(), text.encode(), hash_name).hexdigest()


def refusal(headers: dict[str, Any], *, family: Family = "x-hp-hmac", base: str = "/box") -> tuple[int, str]:
    """Give the status and the words with which a call is refused; 200 where it isn't."""
    call = Call("GET", base + UPLOAD_URLS, {"mimeType": "application/pdf"}, headers, b"")
    try:
        Signatures({KEY.key: KEY.secret}, now=lambda: NOW).check(call, base=base, families=(family,))
    except RefusalError as error:
        return error.status, str(error)
    return 200, ""


def by_hand(text: str, *, hash_name: str = "sha256", date: str = DATE, key: str = KEY.key) -> dict[str, Any]:
    """Give PrintOS's headers with the digest of any text."""
    return {
        "x-hp-hmac-authentication": f"{key}:{digest(text, hash_name)}",
        "x-hp-hmac-date": date,
        "x-hp-hmac-algorithm": "SHA256",
    }


def oneflow(date: str, *, algorithm: str | None = "SHA256") -> dict[str, Any]:
    """Give Site Flow's headers with a date of any form, rightly signed."""
    name = "sha1" if algorithm in (None, "SHA1") else "sha256"
    headers = {
        "x-oneflow-authorization": f"{KEY.key}:{digest(f'GET {UPLOAD_URLS} {date}', name)}",
        "x-oneflow-date": date,
    }
    return headers | ({"x-oneflow-algorithm": algorithm} if algorithm else {})


@pytest.mark.parametrize(("sign", "family"), [(sign_printos, "x-hp-hmac"), (sign_siteflow, "x-oneflow")])
def test_what_the_agent_signs_is_taken(sign: Sign, family: Family) -> None:
    """Both ways, with the service's segment and the query unsigned."""
    headers = dict(sign(KEY, "GET", UPLOAD_URLS, NOW))
    assert refusal(headers, family=family) == (200, "")


def test_a_service_may_take_both_ways() -> None:
    """Site Flow still takes the signature of its older clients."""
    signatures = Signatures({KEY.key: KEY.secret}, now=lambda: NOW)
    for sign in (sign_printos, sign_siteflow):
        call = Call("GET", "/siteflow/api/order", {}, dict(sign(KEY, "GET", "/api/order", NOW)), b"")
        assert signatures.check(call, base="/siteflow", families=BOTH) == KEY.key


def test_a_doubled_slash_is_one() -> None:
    """HP's own sample of Print Beat sends `//externalApi/…` and signs one."""
    headers = dict(sign_printos(KEY, "GET", "/externalApi/jobs", NOW))
    call = Call("GET", "/printbeat//externalApi/jobs", {}, headers, b"")
    assert Signatures({KEY.key: KEY.secret}, now=lambda: NOW).check(call, base="/printbeat") == KEY.key


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (f"GET {UPLOAD_URLS}?mimeType=application/pdf{DATE}", "the query is not signed"),
        (f"GET /box{UPLOAD_URLS}{DATE}", "/box is not signed"),
        (f"GET {UPLOAD_URLS} {DATE}", "no space belongs between the path and the date"),
        (f"GET\n{UPLOAD_URLS}\n{DATE}", "the parts are not separated by line ends"),
        (f"{DATE}{UPLOAD_URLS} GET", "the order is method, path, date"),
        (f"GET /api/partner/folder{DATE}", "another method, path or date was signed"),
        (f"GET {UPLOAD_URLS}2024-05-06T07:08:09Z", "another method, path or date was signed"),
    ],
)
def test_a_wrong_digest_is_refused_with_the_mistake(text: str, mistake: str) -> None:
    """As clients in the wild make them."""
    status, words = refusal(by_hand(text))
    assert status == 401
    assert mistake in words


def test_site_flow_wants_the_space() -> None:
    """Its rule differs by this one."""
    headers = {**oneflow(DATE), "x-oneflow-authorization": f"{KEY.key}:{digest(f'GET {UPLOAD_URLS}{DATE}')}"}
    assert "a space belongs between the path and the date" in refusal(headers, family="x-oneflow")[1]


def test_a_digest_in_base64_is_told() -> None:
    """Another habit of clients."""
    raw = bytes.fromhex(digest(f"GET {UPLOAD_URLS}{DATE}"))
    headers = by_hand("") | {"x-hp-hmac-authentication": f"{KEY.key}:{b64encode(raw).decode()}"}
    assert "lower case hex" in refusal(headers)[1]


@pytest.mark.parametrize("algorithm", ["SHA1", None])
def test_printos_refuses_sha1(algorithm: str | None) -> None:
    """It was switched off in 2022, and a client that names no algorithm is one of those days."""
    headers = by_hand(f"GET {UPLOAD_URLS}{DATE}", hash_name="sha1") | {"x-hp-hmac-algorithm": algorithm}
    assert refusal(headers)[0] == 400
    assert "retired on 2022-03-30" in refusal(headers)[1]


def test_a_sha1_digest_that_is_called_sha256_is_told() -> None:
    """Who only changed the header learns it."""
    assert "made with SHA1" in refusal(by_hand(f"GET {UPLOAD_URLS}{DATE}", hash_name="sha1"))[1]


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA1", None])
def test_site_flow_bears_sha1(algorithm: str | None) -> None:
    """Its documents say so, and its oldest clients name no algorithm."""
    assert refusal(oneflow(DATE, algorithm=algorithm), family="x-oneflow") == (200, "")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "not signed"),
        (by_hand(f"GET {UPLOAD_URLS}{DATE}", key="other"), "key is unknown"),
        ({"x-hp-hmac-authentication": "no colon", "x-hp-hmac-date": DATE}, "<key>:<digest in hex>"),
        ({"x-hp-hmac-authentication": f"{KEY.key}:aa"}, "date is missing"),
        (by_hand("", date="2024-05-06 07:08:09"), "must be of the form"),
        (by_hand("", date="2024-13-06T07:08:09Z"), "x-hp-hmac-date"),
        (by_hand("", date="2024-05-06T07:24:09Z"), "960 seconds from the present"),
    ],
)
def test_what_is_missing_or_wrong_is_named(headers: dict[str, Any], words: str) -> None:
    """Each refusal is 401 and says what is wrong."""
    status, told = refusal(headers)
    assert status == 401
    assert words in told


@pytest.mark.parametrize(
    "date",
    [
        DATE,
        "2024-05-06T07:08:09Z",
        "1714979289",
        "2024-05-06 07:08:09 +0000",
        "2024-05-06 09:08:09 +0200",
        "2024-05-06 07:08:09 UTC",
        "2024-05-06 16:53:09",
        "2024-05-05 21:08:09",
    ],
)
def test_site_flow_bears_the_dates_of_its_samples(date: str) -> None:
    """ISO, seconds since 1970, Ruby's own, and local time of whatever zone."""
    assert refusal(oneflow(date), family="x-oneflow") == (200, "")


@pytest.mark.parametrize("date", ["2024-05-08 07:08:09", "1714979", "tomorrow"])
def test_no_zone_makes_another_day_of_it(date: str) -> None:
    """A local time is believed within the zones that there are."""
    assert refusal(oneflow(date), family="x-oneflow")[0] == 401


def test_without_a_key_nothing_is_taken() -> None:
    """A simulator that was given none refuses everybody."""
    call = Call("GET", "/box/api/partner/flow", {}, dict(sign_printos(KEY, "GET", "/api/partner/flow", NOW)), b"")
    with pytest.raises(RefusalError, match="key is unknown"):
        Signatures({}, now=lambda: NOW).check(call, base="/box")
