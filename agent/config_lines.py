"""Where a key stands in the text of agent.toml, for the errors that name it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from agent.errors import ConfigError


def error_at(path: Path | None, lines: Sequence[str], key: str, problem: str) -> ConfigError:
    """Give the error of a key, such as `mqtt.port`, with its line where that can be found."""
    line = _find_line(lines, key)
    return ConfigError(f"{path}{f':{line}' if line else ''}: {key}: {problem}")


def _find_line(lines: Sequence[str], path: str) -> int | None:
    """Find the line of a key path such as `mqtt.port` or `printer[2].alias`; None where it is written another way."""
    section, _, key = path.partition(".")
    name, _, number = section.partition("[")
    headers = [
        at for at, line in enumerate(lines, 1) if re.match(rf"\s*\[\[?\s*{re.escape(name)}\s*\]\]?\s*(#.*)?$", line)
    ]
    index = int(number.rstrip("]")) - 1 if number else 0
    if index >= len(headers):
        return next((at for at, line in enumerate(lines, 1) if re.match(rf"\s*{re.escape(name)}\s*=", line)), None)
    start = headers[index]
    if not key:
        return start
    for at, line in enumerate(lines[start:], start + 1):
        if re.match(r"\s*\[", line):
            break
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return at
    return start
