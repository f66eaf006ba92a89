"""Exchanges with those of HP's services that want every request signed with a key: Box, Site Flow, Print Beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from agent.errors import AnswerLostError, CloudRefusedError, CloudUnreachableError, ConnectFailedError
from agent.http import Answer, HttpClient
from agent.model import Clock
from agent.printos.exchange import (
    ANSWER_LIMIT_BYTES,
    OUT_OF_ORDER,
    SERVER_ERROR,
    parse_json,
    parse_problem,
    retry_after,
)
from agent.printos.signing import ApiKey, Sign
from agent.upload import Upload

SKEW_SECONDS = 60.0
TOLERABLE_SKEW_SECONDS = 300.0
"""Dates are signed: beyond this a refusal may be of the date alone. What HP tolerates is nowhere told."""
DOUBTS_THE_DATE = frozenset({400, 401, 403})
Query = Mapping[str, str | Sequence[str]]
"""Names with their values; several of one name stand there one after another."""

NO_QUERY: Query = MappingProxyType({})


class SignedExchange:
    """Sends signed requests to one service.

    Args:
        service: what people call it, such as `PrintOS Box`.
        http: the transport.
        base_url: what comes before every path, with the service's segment.
        key: signs.
        sign: how.
        now: the present; what is signed holds for some minutes only.
    """

    def __init__(self, *, service: str, http: HttpClient, base_url: str, key: ApiKey, sign: Sign, now: Clock) -> None:
        self._service = service
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._sign = sign
        self._now = now

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        body: Any = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Send one request and give its answer, whatever its status.

        Args:
            method: `GET`, `POST`, …
            path: behind the service's segment, percent-encoded; it is what is signed.
            query: goes behind it, and is not signed.
            body: what JSON can say; None for no body.
            timeout_seconds: for the answer; the transport's own unless given.

        Raises:
            CloudUnreachableError: no whole answer came; its cause tells whether anything was sent: ConnectFailedError
                or AnswerLostError.
        """
        content = None if body is None else json.dumps(body).encode()
        target = f"{path}{f'?{urlencode(query, doseq=True)}' if query else ''}"
        try:
            return self._request(method, path, target, content, timeout_seconds)
        except (ConnectFailedError, AnswerLostError) as error:
            raise CloudUnreachableError(f"{self._service} can't be reached: {error}") from error

    def commit(self, path: str, body: Any, *, committing: Callable[[], None], beat: Callable[[], None]) -> Answer:
        """POST a request that counts, over a connection of its own, and give its answer, whatever its status.

        A connection that was kept may be dead. On a new one the network has been alive just now, and has all but the
        last byte when `committing` is called; without that byte nobody has a request.

        Args:
            path: as for `send`.
            body: what JSON can say.
            committing: called just before the last byte leaves; what it raises keeps that here.
            beat: called while it goes on; likewise.

        Raises:
            CloudUnreachableError: no whole answer came; its cause is ConnectFailedError where the request surely did
                not arrive whole.
        """
        content = json.dumps(body).encode()
        upload = Upload(
            b"", BytesIO(content), len(content),
            on_start=_note_nothing, on_end=_note_nothing, on_progress=beat, on_last=committing,
        )  # fmt: skip
        try:
            return self._request("POST", path, path, upload, None)
        except (ConnectFailedError, AnswerLostError) as error:
            cause = error if upload.may_be_whole else ConnectFailedError(str(error))
            raise CloudUnreachableError(f"{self._service} can't be reached: {error}") from cause

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        body: Any = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """Send one request as `send` does and give the JSON of its success; None where that has none.

        Raises:
            CloudUnreachableError: no whole answer came; or without a cause: the service is out of order, asks for
                patience, or refuses while our clock is wrong.
            CloudRefusedError: the service refuses.
        """
        answer = self.send(method, path, query=query, body=body, timeout_seconds=timeout_seconds)
        return parse_json(self.checked(answer).body)

    def checked(self, answer: Answer) -> Answer:
        """Give back an answer of success; raises as `ask`."""
        if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of successes of RFC 9110
            return answer
        message = f"HTTP {answer.status}: {parse_problem(answer.body)}"
        if answer.status in OUT_OF_ORDER or answer.status >= SERVER_ERROR:
            raise CloudUnreachableError(
                f"{self._service} is out of order: {message}", retry_after_seconds=retry_after(answer)
            )
        skew = (clock_skew(answer, self._now()) or 0.0) if answer.status in DOUBTS_THE_DATE else 0.0
        if abs(skew) > SKEW_SECONDS:
            message += f" (this box's clock is {abs(skew):.0f} seconds {'ahead' if skew > 0 else 'behind'})"
        if abs(skew) > TOLERABLE_SKEW_SECONDS:
            raise CloudUnreachableError(f"{self._service} refuses, perhaps only while the clock is wrong: {message}")
        raise CloudRefusedError(f"{self._service} refuses: {message}", status=answer.status)

    def _request(
        self, method: str, path: str, target: str, body: bytes | Upload | None, timeout_seconds: float | None
    ) -> Answer:
        headers = {"Accept": "application/json", **self._sign(self._key, method, path, self._now())}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._http.request(
            method,
            f"{self._base_url}{target}",
            headers=headers,
            body=body,
            limit_bytes=ANSWER_LIMIT_BYTES,
            timeout_seconds=timeout_seconds,
        )


def clock_skew(answer: Answer, now: datetime) -> float | None:
    """Tell by how many seconds our clock is ahead of the server's, by its Date header; None where it has none."""
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return (now - (date if date.tzinfo else date.replace(tzinfo=UTC))).total_seconds()


def _note_nothing() -> None:
    """Stand in for a journal: but for the last byte none counts."""
