"""Signatures: HP's services each want their own, and one space decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from agent.printos.signing import ApiKey, sign_printos, sign_siteflow

KEY = ApiKey("demo-key", "demo-secret")
MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_line", "digest"),
    [
        ("POST /api/partner/folder", "e44272b2777f54bfc1a84e7836dfb0bb76f6116c11287dff1c72237c122dfa3c"),
        ("GET /api/partner/file/uploadurls", "fb83e44356a138e2689ff12e4d40d90489a2aa83b4a32aa7769ee5839f115b50"),
        ("GET /externalApi/v1/RealTimeData", "a227e79371f35f060488a012cea105de0065949890bdab165204f02cd73613a3"),
    ],
)
def test_box_and_print_beat_are_signed_without_a_space_before_the_date(request_line: str, digest: str) -> None:
    """The vectors were made independently of this code."""
    method, path = request_line.split()
    headers = sign_printos(KEY, method, path, MOMENT)
    assert headers == {
        "x-hp-hmac-authentication": f"demo-key:{digest}",
        "x-hp-hmac-date": "2024-05-06T07:08:09.123Z",
        "x-hp-hmac-algorithm": "SHA256",
    }


def test_site_flow_is_signed_with_one() -> None:
    """The vector was made independently of this code."""
    headers = sign_siteflow(KEY, "POST", "/api/order", MOMENT)
    assert headers == {
        "x-oneflow-authorization": "demo-key:1b9e87a2fe75c1f8d01c2bad7c1ba988dbb00524155a73cbd401f64fee533733",
        "x-oneflow-date": "2024-05-06T07:08:09.123Z",
        "x-oneflow-algorithm": "SHA256",
    }


def test_site_flow_signs_the_decoded_path() -> None:
    """An id with a space in it is one text, however it is sent."""
    assert sign_siteflow(KEY, "GET", "/api/order/a%20b", MOMENT) == sign_siteflow(KEY, "GET", "/api/order/a b", MOMENT)


def test_the_moment_is_told_in_utc() -> None:
    """Whatever zone the box is in, HP reads the same date."""
    moment = MOMENT.astimezone(timezone(timedelta(hours=5)))
    assert sign_printos(KEY, "GET", "/x", moment) == sign_printos(KEY, "GET", "/x", MOMENT)


def test_the_secret_is_not_shown() -> None:
    """A key may stand in a log by mistake, its secret never."""
    assert "demo-secret" not in repr(KEY)
