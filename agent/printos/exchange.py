"""One exchange with PrintOS: a request, its answer, and what a refusal says.

A flow is a generator that yields requests and is sent their answers, so that a dance of several steps is written
without any I/O; `Exchange` performs it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

from agent.errors import (
    AnswerLostError,
    CloudRefusedError,
    CloudUnreachableError,
    ConnectFailedError,
    SessionExpiredError,
)
from agent.http import Answer, HttpClient

TOKEN_NAME = "Indigo-SmS-Auth-Token"  # noqa: S105 - the name of the header and cookie, not a token
ANSWER_LIMIT_BYTES = 4_194_304
NODE_LIMIT = 10_000
MESSAGE_LIMIT = 300
MARKUP_LIMIT_BYTES = 65_536
MOST_TOLD = 2
TOLD_BY_MARKUP = re.compile(r"<(?:title|Code|Message)>([^<]*)", re.IGNORECASE)
LONGEST_RETRY_AFTER_SECONDS = 3600.0
SECRET_FIELDS = ("password", "securityPassword")
FIRST_ERROR = 400
UNAUTHORIZED = 401
OUT_OF_ORDER = frozenset({408, 425, 429})
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of PrintOS: `path` follows the base URL, `token` is the session's."""

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


Flow = Generator[Request, Answer, Answer]
"""Yields requests, is sent their answers, and returns the last."""


class Exchange:
    """Sends requests to one PrintOS.

    Args:
        http: the transport.
        base_url: what comes before every path.
        bearer: a token that goes with every request.
    """

    def __init__(self, *, http: HttpClient, base_url: str, bearer: str | None = None) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._bearer = bearer

    def send(self, request: Request, *, timeout_seconds: float | None = None) -> Answer:
        """Send one request and give its answer, whatever its status.

        Raises:
            CloudUnreachableError: no whole answer came; its cause tells whether anything was sent.
        """
        headers = {"Accept": "application/json"}
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer}"
        if request.token is not None:  # two ways are documented, and sending both does no harm
            headers |= {TOKEN_NAME: request.token, "Cookie": f"{TOKEN_NAME}={request.token}"}
        body = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(request.body).encode()
        try:
            answer = self._http.request(
                request.method,
                self._base_url + request.path,
                headers=headers,
                body=body,
                limit_bytes=ANSWER_LIMIT_BYTES,
                timeout_seconds=timeout_seconds,
            )
        except (ConnectFailedError, AnswerLostError) as error:
            raise CloudUnreachableError(f"PrintOS can't be reached: {error}") from error
        return _discreet(answer, (self._bearer, request.token, *_secrets(request)))

    def run(self, flow: Flow, *, timeout_seconds: float | None = None) -> Answer:
        """Perform a flow and give what it returns; `timeout_seconds` holds for each of its requests.

        Raises:
            CloudError: whatever the flow raises, and CloudUnreachableError.
        """
        try:
            request = next(flow)
            while True:
                try:
                    answer = self.send(request, timeout_seconds=timeout_seconds)
                except CloudUnreachableError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(answer)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # what a Flow returns is an Answer
        finally:
            flow.close()


def checked(answer: Answer) -> Answer:
    """Give back an answer of success.

    Raises:
        SessionExpiredError: 401.
        CloudUnreachableError: PrintOS is out of order or asks for patience.
        CloudRefusedError: anything else.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of successes of RFC 9110
        return answer
    message = f"HTTP {answer.status}: {parse_problem(answer.body)}"
    if answer.status == UNAUTHORIZED:
        raise SessionExpiredError(message)
    if answer.status in OUT_OF_ORDER or answer.status >= SERVER_ERROR:
        raise CloudUnreachableError(f"PrintOS is out of order: {message}", retry_after_seconds=retry_after(answer))
    raise CloudRefusedError(f"PrintOS refuses: {message}", status=answer.status)


def parse_json(body: bytes) -> Any:
    """Give the JSON of a body; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def parse_problem(body: bytes) -> str:
    """Say in one line what an error answer says: its `smsError`, wherever that is, else its text in words."""
    error = find_node(parse_json(body), "smsError")
    if not isinstance(error, dict):
        return in_words(body) or "no reason given"
    message = printable(str(error.get("message") or error.get("developerInfo") or "no reason given"))
    code = error.get("subCode")
    return message if code in (None, "") else f"{message} (subCode {printable(str(code))})"


def in_words(body: bytes) -> str:
    """Say in one line what a page or an XML error says, or a plain text; empty where that is nothing.

    Of markup only the title, or the code and the message: S3 repeats what was signed behind them.
    """
    text = body[:MARKUP_LIMIT_BYTES].decode(errors="replace")
    if not text.lstrip("\ufeff \r\n\t").startswith("<"):
        return printable(text)
    return ": ".join(filter(None, (printable(unescape(found)) for found in TOLD_BY_MARKUP.findall(text)[:MOST_TOLD])))


def find_node(content: Any, name: str) -> Any:
    """Find the value of a key at any depth, the shallowest first; None where there is none."""
    return next((value for key, value in nodes(content) if key == name), None)


def nodes(content: Any) -> Iterator[tuple[str, Any]]:
    """Give all keys with their values, breadth first; of a monstrous answer only the beginning."""
    waiting = deque([content])
    for _ in range(NODE_LIMIT):
        if not waiting:
            return
        node = waiting.popleft()
        if isinstance(node, dict):
            yield from node.items()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def printable(text: str) -> str:
    """Make foreign text fit for a log line: one line, no control characters, not too long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * MESSAGE_LIMIT])
    return " ".join(plain.split())[:MESSAGE_LIMIT]


def _secrets(request: Request) -> Iterator[str]:
    body = request.body or {}
    return (body[name] for name in SECRET_FIELDS if name in body)


def _discreet(answer: Answer, secrets: Iterable[str | None]) -> Answer:
    """Take out of a refusal what it repeats of our secrets: people and logs are told what it says."""
    if answer.status < FIRST_ERROR:
        return answer
    body = answer.body
    for secret in filter(None, secrets):
        for form in _forms(secret):
            body = body.replace(form.encode(errors="replace"), b"***")
    return replace(answer, body=body)


def _forms(text: str) -> list[str]:
    """Give a text as it is, as JSON writes it, and as JSON writes that; the longest first."""
    forms = {text}
    for _ in range(2):
        forms |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)}
    return sorted(forms, key=len, reverse=True)


def retry_after(answer: Answer) -> float | None:
    """Give the pause that was asked for: in seconds, or until a date, which is compared with the server's own."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) <= 9:  # noqa: PLR2004 - longer is no pause anyone means
        return min(float(value), LONGEST_RETRY_AFTER_SECONDS)
    until, present = http_date(value), http_date(answer.headers.get("Date", ""))
    if until is None or present is None:
        return None
    return min(max(0.0, (until - present).total_seconds()), LONGEST_RETRY_AFTER_SECONDS)


def http_date(text: str) -> datetime | None:
    """Read a date of a header; None where it is none."""
    try:
        return aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def aware(moment: datetime) -> datetime:
    """Take a moment that names no zone for UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
