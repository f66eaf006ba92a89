"""The two ways in which HP's services want a request signed. Pure.

Box, Print Beat and the old Site Flow take `x-hp-hmac-*` headers, today's Site Flow takes `x-oneflow-*`. What is signed
differs by one space, and by what counts as the path. Neither signs the query or the body: those are for TLS to guard.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

ALGORITHM = "SHA256"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that somebody made in PrintOS for one role, with its secret."""

    key: str
    secret: str = field(repr=False)


Sign = Callable[[ApiKey, str, str, datetime], Mapping[str, str]]
"""Gives the headers of a request: its key, method, path (after the service's base, without a query) and moment."""


def sign_printos(key: ApiKey, method: str, path: str, moment: datetime) -> Mapping[str, str]:
    """Sign as Box and Print Beat want it: `METHOD path` and the timestamp right behind it.

    `path` begins behind the service's segment: `/api/partner/folder`, not `/box/api/…`.
    """
    date = _timestamp(moment)
    return {
        "x-hp-hmac-authentication": f"{key.key}:{_digest(key, f'{method} {path}{date}')}",
        "x-hp-hmac-date": date,
        "x-hp-hmac-algorithm": ALGORITHM,
    }


def sign_siteflow(key: ApiKey, method: str, path: str, moment: datetime) -> Mapping[str, str]:
    """Sign as Site Flow wants it: `METHOD path timestamp`, the path whole and decoded, with its `/api`."""
    date = _timestamp(moment)
    return {
        "x-oneflow-authorization": f"{key.key}:{_digest(key, f'{method} {unquote(path)} {date}')}",
        "x-oneflow-date": date,
        "x-oneflow-algorithm": ALGORITHM,
    }


def _digest(key: ApiKey, text: str) -> str:
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _timestamp(moment: datetime) -> str:
    """Write a moment in UTC, in milliseconds, as HP documents it: `2024-05-06T07:08:09.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
