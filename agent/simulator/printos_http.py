"""The calls of the pretended PrintOS: what one asks, what answers it, how it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

TOKEN_NAME = "Indigo-SmS-Auth-Token"  # noqa: S105 - the name of the header and cookie, not a token


class RefusalError(Exception):
    """Raised when the pretended PrintOS refuses a call.

    Attributes:
        status: the HTTP status code.
        headers: of the answer.
        content: its body; a `smsError` unless given.
    """

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, content: Any = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.content = content


class Sink(Protocol):
    """Takes a body piece by piece."""

    def write(self, data: bytes, /) -> object:
        """Take the next piece."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `match` is what its route's pattern found in the path, percent-decoded.

    `query` has the last value of each name, `pairs` have all. `body` is empty where the route has a sink, which is then
    `sink`.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    match: Mapping[str, str] = field(default_factory=dict)
    sink: Any = None
    pairs: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Give all values that the query has of a name."""
        return [value for key, value in self.pairs if key == name]

    def content(self) -> dict[str, Any]:
        """Give the JSON object of the body.

        Raises:
            RefusalError: it is no JSON (415 by its type, 400 by its content).
        """
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusalError(415, "Content-Type must be application/json")
        try:
            content = json.loads(self.body)
            json.dumps(content, ensure_ascii=False, allow_nan=False).encode()  # NaN and halves of characters can't be
        except (ValueError, RecursionError) as error:
            raise RefusalError(400, "the body is not JSON") from error
        if not isinstance(content, dict):
            raise RefusalError(400, "the body must be a JSON object")
        return content

    def token(self) -> str | None:
        """Give the session token of the header or the cookie; two that differ are refused."""
        cookies = (cookie.partition("=") for cookie in self.headers.get("Cookie", "").split(";"))
        found = {value.strip(' \t"') for name, _, value in cookies if name.strip() == TOKEN_NAME}
        if TOKEN_NAME in self.headers:
            found.add(self.headers[TOKEN_NAME].strip())
        if len(found) > 1:
            raise RefusalError(401, "the token of the header and of the cookie differ")
        return found.pop() if found else None

    def bearer(self) -> str | None:
        """Give the bearer token of the Authorization header."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: JSON, bytes of the type that `headers` name, or nothing."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method at a path; `{name}` in `path` matches one segment.

    `sink`, where there is one, is called once the head has come: it refuses, or gives what takes the body, which may be
    far larger then.
    """

    method: str
    path: str
    answer: Callable[[Call], Reply]
    sink: Callable[[Call], Sink] | None = None

    def matched(self, path: str) -> Mapping[str, str] | None:
        """Give what the pattern finds in a path; None where it doesn't match."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def sms_error(refusal: RefusalError) -> dict[str, Any]:
    """Give a refusal in PrintOS's shape."""
    return {
        "smsError": {
            "statusCode": refusal.status,
            "message": str(refusal),
            "moreInfoUrl": "",
            "developerInfo": "",
            "subCode": refusal.status * 10,
            "serviceName": "simulator",
        }
    }


def check_fields(content: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]) -> None:
    """Make sure that an object has exactly these fields, of these types.

    Raises:
        RefusalError: 400.
    """
    for name in required:
        if name not in content:
            raise RefusalError(400, f"{name} is missing")
    known = {**required, **optional}
    for name in check_types(content, known):
        raise RefusalError(400, f"{name} is unknown; known are {', '.join(known)}")


def check_types(content: Mapping[str, Any], known: Mapping[str, type]) -> tuple[str, ...]:
    """Make sure that the known fields of an object are of their types; give the names of its others.

    Raises:
        RefusalError: 400.
    """
    for name, kind in known.items():
        if name in content and not _is_a(content[name], kind):
            raise RefusalError(400, f"{name} must be {kind.__name__}")
    return tuple(name for name in content if name not in known)


def _is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a type, as JSON Schema has it: 5.0 is an integer, and no truth value is a number."""
    if isinstance(value, bool):
        return kind in (bool, object)
    if kind is int and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, (int, float) if kind is float else kind)
