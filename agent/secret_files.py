"""Secrets, and what else people write into files that agent.toml only names: read again whenever they are needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

SECRET_LIMIT_BYTES = 65_536


def read_secret(path: Path) -> str:
    """Read a secret from its file, without the line end.

    Raises:
        ConfigError: it can't be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            secret = file.read(SECRET_LIMIT_BYTES).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: {reason}") from error
    if not secret:
        raise ConfigError(f"{path}: is empty")
    return secret


def read_secrets(path: Path) -> tuple[str, ...]:
    """Read a file of secrets, one a line; empty lines don't count.

    Raises:
        ConfigError: it can't be read, or has none.
    """
    secrets = tuple(dict.fromkeys(filter(None, map(str.strip, read_secret(path).splitlines()))))
    if not secrets:
        raise ConfigError(f"{path}: is empty")
    return secrets


def read_order_file(path: Path) -> dict[str, Any]:
    """Read an order of Site Flow, or a part of one, from a file of JSON.

    Raises:
        ConfigError: it can't be read, or is no JSON object.
    """
    try:
        order = json.loads(read_secret(path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    if not isinstance(order, dict):
        raise ConfigError(f"{path}: is no JSON object")
    return order
