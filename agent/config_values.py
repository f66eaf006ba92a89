"""What is wrong with the value of one key, by its type and its limits in the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def _password_problem(value: Any) -> str | None:
    """Say that a URI holds a password, which the error does not repeat."""
    for text in value if isinstance(value, list) else (value,):
        login = text.partition("://")[2].partition("/")[0].rpartition("@")[0] if isinstance(text, str) else ""
        if ":" in login:
            return "holds a password; secrets are read from files: name one with the _file key beside it"
    return None


def value_problem(kind: Any, limits: Mapping[str, Any], value: Any) -> str | None:
    """Say what is wrong with a value; None where nothing is."""
    return _password_problem(value) or _type_problem(kind, value) or _limit_problem(limits, value)


def _type_problem(kind: Any, value: Any) -> str | None:  # noqa: PLR0911 - one return a type reads best
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _type_problem(next(item for item in arguments if item is not NoneType), value)
    if origin is Literal:
        return None if value in arguments else f"must be one of {', '.join(map(str, arguments))}, not {value!r}"
    if origin is tuple:
        if not isinstance(value, list):
            return "must be a list"
        return next(filter(None, (_type_problem(arguments[0], item) for item in value)), None)
    if kind is bool:
        return None if isinstance(value, bool) else "must be true or false"
    if kind is int:
        return None if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"
    if not isinstance(value, str):
        return "must be text"
    return None if value.isprintable() else "has a control character in it"


def _limit_problem(limits: Mapping[str, Any], value: Any) -> str | None:
    low, high, pattern = limits.get("low"), limits.get("high"), limits.get("pattern")
    if low is not None and not low <= value <= high:
        return f"must be {low} to {high}, not {value}"
    for text in value if isinstance(value, list) else [value]:
        if pattern and text and not re.fullmatch(pattern, text):
            return f"{text!r} does not have the form {pattern}"
    return None
