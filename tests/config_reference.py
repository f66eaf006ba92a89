"""Writes what is made from the configuration's schema: `python -m tests.config_reference` renews it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from inspect import cleandoc
from pathlib import Path
from textwrap import fill
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from agent.config_schema import SECTIONS, TABLES

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "agent.toml.example"
REFERENCE = ROOT / "docs" / "configuration.md"
ALL_SECTIONS = {**SECTIONS, **{f"[{name}]": kind for name, kind in TABLES.items()}}

WIDTH = 118

EXAMPLE_HEAD = """\
## agent.toml: what this gateway does differently from the defaults.
##
## A line with two hashes is prose. A line with one is an option at its default: take the hash away to change it.
## `printos-agent config check` tells what is wrong, `printos-agent config show` what is in force.
## Secrets are never written here: an option that ends in _file names a file, and a relative name is looked for among
## the service's systemd credentials first, then beside this file.
"""

REFERENCE_HEAD = """\
# Configuration

`/etc/printos-agent/agent.toml`; another file with `printos-agent --config FILE`. Every key has a default, so an empty
file is valid: the agent then looks for a broker on this box and for printers on the attached networks. An empty text
or list is the default. An unknown key, a wrong type or a value out of range is an error that names the key and the
line; `printos-agent config check` tells without starting anything.

Durations are seconds, sizes bytes. A key that ends in `_file` names a file, because secrets are never in agent.toml. A
relative name is looked for among the systemd credentials of the service first, then beside agent.toml.

This page is made from the schema in `agent/config_schema.py`; a test holds it there.
"""

TABLE_HEAD = """\
| key | type | default | range | what |
| --- | --- | --- | --- | --- |
"""


def example() -> str:
    """Give the text of agent.toml.example."""
    parts = [EXAMPLE_HEAD]
    for name, kind in ALL_SECTIONS.items():
        hidden = "# " if name.startswith("[") else ""
        about = _prose(" ".join(cleandoc(kind.__doc__ or "").split()))
        parts.append(f"\n{about}{hidden}[{name}]\n" + "".join(_example_lines(kind)))
    return "".join(parts)


def reference() -> str:
    """Give the text of docs/configuration.md."""
    parts = [REFERENCE_HEAD]
    for name, kind in ALL_SECTIONS.items():
        rows = "".join(_reference_rows(kind))
        about = cleandoc(kind.__doc__ or "")
        parts.append(f"\n## `[{name}]`\n\n{about}\n\n{TABLE_HEAD}{rows}")
    return "".join(parts)


def _example_lines(kind: type) -> Iterator[str]:
    types = get_type_hints(kind)
    for key in fields(kind):
        choices, note = _choices(types[key.name]), key.metadata["default_text"]
        written = "0" if key.default is None and int in get_args(types[key.name]) else _toml(key)
        about = f"{key.metadata['about']}{choices}{f' (default: {note})' if note else ''}"
        yield f"{_prose(about)}# {key.name} = {written}\n"


def _prose(text: str) -> str:
    return f"{fill(text, WIDTH, initial_indent='## ', subsequent_indent='## ', break_on_hyphens=False)}\n"


def _choices(kind: Any) -> str:
    """Name what may be chosen from, as ` [one, other]`."""
    if get_origin(kind) in (Union, UnionType, tuple):
        return _choices(get_args(kind)[0])
    return f" [{', '.join(get_args(kind))}]" if get_origin(kind) is Literal else ""


def _reference_rows(kind: type) -> Iterator[str]:
    types = get_type_hints(kind)
    for key in fields(kind):
        default = key.metadata["default_text"] or f"`{_toml(key)}`"
        yield f"| `{key.name}` | {_type(types[key.name])} | {default} | {_range(key)} | {key.metadata['about']} |\n"


def _toml(key: Field[Any]) -> str:
    value = key.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return "[]" if value == () else f'"{value or ""}"'


def _type(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _type(next(item for item in arguments if item is not NoneType))
    if origin is Literal:
        return " \\| ".join(f"`{item}`" for item in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    return {bool: "boolean", int: "integer", str: "text", Path: "path"}[kind]


def _range(key: Field[Any]) -> str:
    low, high, pattern = (key.metadata[name] for name in ("low", "high", "pattern"))
    if low is not None:
        return f"{low} to {high}"
    return f"`{pattern}`".replace("|", "\\|") if pattern else ""


if __name__ == "__main__":
    EXAMPLE.write_text(example(), encoding="utf-8")
    REFERENCE.write_text(reference(), encoding="utf-8")
    print(f"wrote {EXAMPLE.name} and {REFERENCE.relative_to(ROOT)}")
