"""Checks how a call is signed, as HP's services do, and says which mistake it is where it knows it.

`x-hp-hmac-*` is PrintOS's own way (Box, Print Beat, the old Site Flow), `x-oneflow-*` today's Site Flow's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import unquote, urlencode

from agent.model import Clock
from agent.simulator.printos_http import Call, RefusalError

Family = Literal["x-hp-hmac", "x-oneflow"]

SKEW = timedelta(minutes=15)
QUARTER = timedelta(minutes=15)
WIDEST_OFFSET = timedelta(hours=14)
"""The farthest that a zone is from UTC."""
AUTHORIZATION: Mapping[Family, str] = {"x-hp-hmac": "authentication", "x-oneflow": "authorization"}
SHA1_DIGITS = 40
RETIRED = "SHA1 was retired on 2022-03-30; sign with SHA256 and say so in x-hp-hmac-algorithm"
IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
IN_SECONDS = re.compile(r"\d{10}", re.ASCII)
OF_RUBY = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (UTC|[+-]\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a call's headers say: the key, the digest, the date and the algorithm, each as it stands there."""

    family: Family
    key: str
    digest: str
    date: str
    algorithm: str | None


class Signatures:
    """The keys that may sign.

    Attributes:
        secrets: by their keys; with none, every call is refused.

    Args:
        now: the present.
    """

    def __init__(self, secrets: Mapping[str, str], *, now: Clock) -> None:
        self.secrets = secrets
        self._now = now

    def check(self, call: Call, *, base: str, families: tuple[Family, ...] = ("x-hp-hmac",)) -> str:
        """Give the key that signed a call.

        Args:
            call: the call.
            base: the segment of the service, such as `/box`, which is not signed.
            families: the ways of signing that the service takes.

        Raises:
            RefusalError: 401 or 400, with what is wrong.
        """
        signed = _signed(call, families)
        secret = self.secrets.get(signed.key)
        if secret is None:
            raise RefusalError(401, "the key is unknown")
        hash_name = _hash_name(signed)
        _check_date(signed, self._now())
        path = _path(call, signed.family, base)
        right = _digest(secret, _text(signed, call.method, path), hash_name)
        if not hmac.compare_digest(right.encode(), signed.digest.encode()):
            raise RefusalError(401, f"the digest is wrong: {_mistake(signed, call, path, base, secret)}")
        return signed.key


def _signed(call: Call, families: tuple[Family, ...]) -> Signed:
    """Read the headers of the first way of signing that a call uses."""
    for family in families:
        authorization = call.headers.get(f"{family}-{AUTHORIZATION[family]}")
        if authorization is None:
            continue
        key, colon, digest = authorization.partition(":")
        if not (key and colon and digest):
            raise RefusalError(401, f"{family}-{AUTHORIZATION[family]} must be <key>:<digest in hex>")
        date = call.headers.get(f"{family}-date")
        if date is None:
            raise RefusalError(401, f"{family}-date is missing")
        return Signed(family, key, digest, date, call.headers.get(f"{family}-algorithm"))
    raise RefusalError(401, f"the call is not signed: no {' or '.join(f'{it}-{AUTHORIZATION[it]}' for it in families)}")


def _hash_name(signed: Signed) -> str:
    """Give the name of the hash.

    Where none is told, Site Flow's oldest clients mean SHA1; some of HP's samples for PrintOS (Java, PHP) sign with
    SHA256 and say nothing, so that there the digest's length tells.
    """
    if signed.family == "x-oneflow" and signed.algorithm in (None, "SHA1"):
        return "sha1"
    if signed.algorithm == "SHA1" or (signed.algorithm is None and len(signed.digest) == SHA1_DIGITS):
        raise RefusalError(400, RETIRED)
    if signed.algorithm not in (None, "SHA256"):
        raise RefusalError(400, f"{signed.family}-algorithm must be SHA256")
    return "sha256"


def _check_date(signed: Signed, now: datetime) -> None:
    try:
        moment = _moment(signed.family, signed.date)
    except ValueError as error:
        raise RefusalError(401, f"{signed.family}-date {error}") from error
    skew = (moment or _nearest(signed.date, now)) - now
    if abs(skew) > SKEW:
        seconds = round(skew.total_seconds())
        raise RefusalError(401, f"{signed.family}-date is {seconds} seconds from the present; is the clock right?")


def _moment(family: Family, date: str) -> datetime | None:
    """Read a date in any form that the family takes; None where it is in a zone that only the client knows.

    Raises:
        ValueError: it has another form.
    """
    if IN_UTC.fullmatch(date):
        return datetime.fromisoformat(date)
    if family == "x-oneflow":
        if WITHOUT_ZONE.fullmatch(date):
            return None
        if IN_SECONDS.fullmatch(date):
            return datetime.fromtimestamp(int(date), UTC)
        if found := OF_RUBY.fullmatch(date):
            return datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3].replace('UTC', '+0000')}")
    raise ValueError("must be of the form 2024-05-06T07:08:09.123Z")


def _nearest(date: str, now: datetime) -> datetime:
    """Read a client's local time as that of the zone which brings it nearest to the present."""
    moment = datetime.fromisoformat(date).replace(tzinfo=UTC)
    offset = round((moment - now) / QUARTER) * QUARTER
    return moment - max(-WIDEST_OFFSET, min(offset, WIDEST_OFFSET))


def _path(call: Call, family: Family, base: str) -> str:
    """Give the path that is signed: behind the service's segment, of Site Flow's own way decoded."""
    path = "/" + call.path.removeprefix(base).lstrip("/")
    return unquote(path) if family == "x-oneflow" else path


def _text(signed: Signed, method: str, path: str) -> str:
    space = " " if signed.family == "x-oneflow" else ""
    return f"{method} {path}{space}{signed.date}"


def _digest(secret: str, text: str, hash_name: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hash_name).hexdigest()


def _mistake(signed: Signed, call: Call, path: str, base: str, secret: str) -> str:
    """Say which known mistake would give this digest."""
    for text, mistake in _mistakes(signed, call, path, base):
        for hash_name in ("sha256", "sha1"):
            if _is_digest_of(signed.digest, text, secret, hash_name):
                return mistake if hash_name == "sha256" else f"it is made with SHA1, and {mistake}"
    right = _text(signed, call.method, path)
    hash_name = _hash_name(signed)
    if _is_digest_of(signed.digest, right, secret, hash_name):
        return "it must be written in lower case hex"
    if hash_name == "sha256" and _is_digest_of(signed.digest, right, secret, "sha1"):
        return "it is made with SHA1, and the header says SHA256"
    return "wrong secret, or another method, path or date was signed than was sent"


def _mistakes(signed: Signed, call: Call, path: str, base: str) -> Iterator[tuple[str, str]]:
    method, date = call.method, signed.date
    between = " " if signed.family == "x-oneflow" else ""
    query = f"?{urlencode(call.query)}" if call.query else ""
    if query:
        yield f"{method} {path}{query}{between}{date}", "the query is not signed"
        yield f"{method} {path}{unquote(query)}{between}{date}", "the query is not signed"
    if base:
        yield f"{method} {base}{path}{between}{date}", f"{base} is not signed"
    if between:
        yield f"{method} {path}{date}", "a space belongs between the path and the date"
    else:
        yield f"{method} {path} {date}", "no space belongs between the path and the date"
    yield f"{method}\n{path}\n{date}", "the parts are not separated by line ends"
    yield f"{method}{path}{date}", "a space belongs between the method and the path"
    yield f"{date}{between}{path} {method}", "the order is method, path, date"
    yield f"{path} {method}{between}{date}", "the order is method, path, date"
    yield f"{method} {date}{between}{path}", "the order is method, path, date"


def _is_digest_of(told: str, text: str, secret: str, hash_name: str) -> bool:
    """Whether a digest is of a text, in whichever letters it is written."""
    raw = hmac.new(secret.encode(), text.encode(), getattr(hashlib, hash_name)).digest()
    return told.lower() == raw.hex() or told == b64encode(raw).decode()
