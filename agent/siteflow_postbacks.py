"""Takes the postbacks of Site Flow: a word on an order makes it be looked at now, and is believed in nothing.

Site Flow can send no more than a token that never changes, so that whoever has seen one postback can send others. All
that does is to have Site Flow asked sooner, and an event told.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence

from agent.model import Event
from agent.postback import Postback, parse_postback
from agent.refusal_log import RefusalLog
from agent.web import WebAnswer, WebRequest

PATH = "/siteflow/postback"
METHODS = ("GET", "POST", "PUT")
EVENTS_A_MINUTE = 60
MINUTE = 60.0


class Postbacks:
    """The page of postbacks; safe in several threads.

    Args:
        token: what a postback must have, in a header, in the query or in a field of its body.
        id_keys: the names of the field with an order's own id.
        status_keys: the names of the field with its status.
        hurry: has the orders of these own ids looked at, and gives the ids of those that are followed.
        wake: has the dispatcher look now.
        tell: tells an event.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        *,
        token: str,
        id_keys: Sequence[str],
        status_keys: Sequence[str],
        hurry: Callable[[Sequence[str]], Sequence[str]],
        wake: Callable[[], None],
        tell: Callable[[Event], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token.encode()
        self._id_keys = id_keys
        self._status_keys = status_keys
        self._hurry = hurry
        self._wake = wake
        self._tell = tell
        self._monotonic = monotonic
        self._refusals = RefusalLog(monotonic=monotonic)
        self._minute = 0.0
        self._told = 0

    def page(self, request: WebRequest) -> WebAnswer:
        """Take one."""
        if request.method not in METHODS:
            return WebAnswer(405, b"GET, POST and PUT\n", headers={"Allow": ", ".join(METHODS)})
        postback = parse_postback(
            request.body,
            request.headers.get("Content-Type", ""),
            list(request.query.items()),
            id_keys=self._id_keys,
            status_keys=self._status_keys,
        )
        if not self._is_authorised(request, postback):
            self._refusals.note(PATH, "token", "the token is missing or wrong")
            return WebAnswer(401, b"the token is missing or wrong\n")
        if not postback.source_order_ids:
            self._refusals.note(PATH, "content", f"it has none of the fields {', '.join(self._id_keys)}")
            return WebAnswer(400, b"it names no order\n")
        followed = self._hurry(postback.source_order_ids)
        if followed:
            self._wake()
        self._tell_of(postback, is_followed=bool(followed))
        return WebAnswer(204)

    def _is_authorised(self, request: WebRequest, postback: Postback) -> bool:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = [request.headers.get("x-postback-token", ""), bearer if scheme.lower() == "bearer" else ""]
        right = [hmac.compare_digest(token.strip().encode(), self._token) for token in (*given, *postback.tokens)]
        return any(right)

    def _tell_of(self, postback: Postback, *, is_followed: bool) -> None:
        """Tell of it, unless somebody floods us: an event is a write on the disk."""
        now = self._monotonic()
        if now - self._minute >= MINUTE:
            self._minute, self._told = now, 0
        self._told += 1
        if self._told <= EVENTS_A_MINUTE:
            facts = {"source_order_ids": list(postback.source_order_ids), "status": postback.status}
            self._tell(Event("siteflow-postback", {**facts, "followed": is_followed}))
