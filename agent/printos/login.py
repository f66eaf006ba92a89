"""What a login to PrintOS asks and answers: a person's or a device's; the token, and how long it may live. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.errors import CloudRefusedError, CloudUnreachableError, SessionExpiredError
from agent.http import Answer
from agent.printos.exchange import (
    TOKEN_NAME,
    Request,
    aware,
    checked,
    find_node,
    http_date,
    nodes,
    parse_json,
)

# The name of PrintOS's hint is not documented: these are looked for in any case, at any depth.
EXPIRY_KEYS = (
    "expiresIn",
    "expires_in",
    "expiresAt",
    "expires",
    "expiration",
    "expirationTime",
    "expirationDate",
    "expiry",
    "tokenExpiration",
    "tokenExpirationTime",
    "tokenExpiry",
    "sessionTimeout",
    "validUntil",
    "ttl",
)
SHORTEST_LIFETIME_SECONDS = 60.0
SHORTEST_COOKIE_SECONDS = 1.0
LONGEST_LIFETIME_SECONDS = 86_400.0
EPOCH_SECONDS = 1_000_000_000
EPOCH_MILLISECONDS = 100_000_000_000
TOKEN_PATTERN = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,4096}")
COOKIE_PATTERN = re.compile(rf'{TOKEN_NAME}\s*=\s*"?([^;,"\s]+)', re.IGNORECASE)
NEXT_COOKIE_PATTERN = re.compile(r",\s*[^;,=\s]+=")


@dataclass(frozen=True, slots=True)
class Token:
    """A session's token; `lifetime_seconds` is from its login on, None where no believable hint came."""

    value: str = field(repr=False)
    lifetime_seconds: float | None = None


def login_request(path: str, login: str, password: str) -> Request:
    """Ask for a session, of a person or of a device."""
    return Request("POST", path, {"login": login, "password": password})


def parse_login(answer: Answer, *, now: datetime, expiry_keys: Iterable[str] = EXPIRY_KEYS) -> Token:
    """Read the answer to a login: `authToken` of the JSON, else the cookie.

    Raises:
        CloudRefusedError: the login is refused.
        CloudUnreachableError: PrintOS is out of order, or it isn't PrintOS that answered: no token came.
    """
    try:
        checked(answer)
    except SessionExpiredError as error:
        raise CloudRefusedError(f"PrintOS refuses the login: {error}", status=answer.status) from error
    content, cookie = parse_json(answer.body), answer.headers.get("Set-Cookie", "")
    found = find_node(content, "authToken") or next(iter(COOKIE_PATTERN.findall(cookie)), None)
    if not isinstance(found, str) or not TOKEN_PATTERN.fullmatch(found):
        raise CloudUnreachableError("PrintOS answered the login without a usable token")
    present = http_date(answer.headers.get("Date", "")) or now
    hints = (_lifetime(hint, present, shortest) for hint, shortest in _hints(content, cookie, expiry_keys))
    return Token(found, next((seconds for seconds in hints if seconds is not None), None))


def _hints(content: Any, cookie: str, expiry_keys: Iterable[str]) -> Iterator[tuple[Any, float]]:
    """Give whatever may say how long the token lives, the body's before the cookie's, with the least to believe of it.

    Nobody knows the unit of the body's, and seconds misread would make every status a login; the cookie's are defined.
    """
    wanted = {key.casefold() for key in expiry_keys}
    yield from ((value, SHORTEST_LIFETIME_SECONDS) for key, value in nodes(content) if key.casefold() in wanted)
    if found := COOKIE_PATTERN.search(cookie):
        attributes = NEXT_COOKIE_PATTERN.split(cookie[found.end() :], maxsplit=1)[0]
        for name in ("Max-Age", "Expires"):
            for value in re.findall(rf"{name}=([^;]+)", attributes, re.IGNORECASE):
                yield value, SHORTEST_COOKIE_SECONDS


def _lifetime(hint: Any, present: datetime, shortest: float) -> float | None:
    """Give the seconds that a hint means: a number of them, a moment as epoch or date; None where it is none of these.

    A hint of less than `shortest` is not believed; the 401 tells then.
    """
    seconds = _seconds(hint, present)
    if seconds is None or not seconds >= shortest:
        return None
    return min(seconds, LONGEST_LIFETIME_SECONDS)


def _seconds(hint: Any, present: datetime) -> float | None:
    if isinstance(hint, str):
        moment = _iso_date(hint) or http_date(hint)
        if moment is not None:
            return (moment - present).total_seconds()
    try:
        number = float(hint)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(hint, bool) or not math.isfinite(number):
        return None
    if number >= EPOCH_MILLISECONDS:
        number /= 1000
    return number - present.timestamp() if number >= EPOCH_SECONDS else number


def _iso_date(text: str) -> datetime | None:
    if "-" not in text:  # a bare number is no date, though ISO 8601 would let it be
        return None
    try:
        return aware(datetime.fromisoformat(text.strip()))
    except ValueError:
        return None
