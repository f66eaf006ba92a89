"""agent.toml to a frozen `Config`: a mistake names its key and, where it can be found, its line.

Secrets are never in the file itself: keys that end in `_file` name files. A relative name is looked for among the
systemd credentials first, then beside agent.toml. An empty text or list is the default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import urlsplit

import tomli

from agent.config_checks import whole_problems
from agent.config_lines import error_at
from agent.config_schema import SECTIONS, TABLES, Config, PrinterConfig, UserConfig
from agent.config_values import value_problem
from agent.endpoints import DRIVERS_BY_SCHEME
from agent.errors import ConfigError
from agent.hardware import hardware_id
from agent.secret_files import read_secret

Section = TypeVar("Section")

PRINTER_SCHEMES = tuple(DRIVERS_BY_SCHEME)
BASE_URLS = {"platform": "https://printos.api.hp.com/platform", "openapi": "https://printos.api.hp.com"}
SITEFLOW_URLS = {"oneflow": "https://pro-api.oneflowcloud.com", "printos": "https://printos.api.hp.com/siteflow"}


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file can't be read, isn't TOML, or has a key that is unknown or wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except PermissionError as error:
        raise ConfigError(f"{path}: permission denied; try with sudo") from error
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; copy agent.toml.example there, or name another with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> Config:
    """Check the text of a configuration file; `path` is where it was read, for messages and relative file names.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        raw = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    return _Reader(path=path, text=text).config(raw)


@dataclass(frozen=True, slots=True)
class PrinterCredentials:
    """How to log in to a printer; what is not needed is None."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    client_cert_file: Path | None = None
    client_key_file: Path | None = None


def read_printer_credentials(path: Path) -> PrinterCredentials:
    """Read a printer's `credentials_file`.

    Raises:
        ConfigError: it can't be read, isn't TOML, or has a key that is unknown or wrong.
    """
    try:
        raw = tomli.loads(read_secret(path))
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    return _Reader(path=path, text="").section("", PrinterCredentials, raw)


class _Reader:
    """Turns parsed TOML into the schema's dataclasses, with errors that point into the text."""

    def __init__(self, *, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def config(self, raw: dict[str, Any]) -> Config:
        known = {*SECTIONS, *TABLES}
        for name, value in raw.items():
            if name not in known:
                raise self._error(name, f"unknown; the sections are {', '.join(sorted(known))}")
            if name in SECTIONS and not isinstance(value, dict):
                raise self._error(name, "must be a section")
        sections: dict[str, Any] = {
            name: self.section(name, kind, _derived(name, raw)) for name, kind in SECTIONS.items()
        }
        config = Config(
            **sections,
            printers=tuple(self._printers(raw.get("printer", []))),
            users=tuple(self._users(raw.get("user", []))),
            path=self._path,
        )
        if (problem := next(whole_problems(config), None)) is not None:
            raise self._error(*problem)
        return config

    def section(self, path: str, kind: type[Section], raw: Mapping[str, Any]) -> Section:
        keys = {key.name: key for key in fields(kind)}  # type: ignore[arg-type]  # a schema class is a dataclass
        types = get_type_hints(kind)
        for name in raw:
            if name not in keys:
                raise self._error(_join(path, name), f"unknown key; known are {', '.join(keys)}")
        values = {name: self._value(_join(path, name), types[name], keys[name], raw[name]) for name in raw}
        return kind(**{name: value for name, value in values.items() if value not in ("", ())})

    def _printers(self, raw: Any) -> Iterator[PrinterConfig]:
        aliases: set[str] = set()
        for path, item in self._tables("printer", raw):
            printer = self.section(path, PrinterConfig, item)
            self._check_printer(path, printer)
            if printer.alias in aliases:
                raise self._error(f"{path}.alias", f"{printer.alias!r} is another printer's too")
            aliases |= {printer.alias} - {""}
            yield printer

    def _users(self, raw: Any) -> Iterator[UserConfig]:
        names: set[str] = set()
        for path, item in self._tables("user", raw):
            user = self.section(path, UserConfig, item)
            if not user.name:
                raise self._error(path, "needs a name, as topics name the user")
            if user.name in names:
                raise self._error(f"{path}.name", f"{user.name!r} is there already")
            names.add(user.name)
            yield user

    def _tables(self, name: str, raw: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the tables written as `[[name]]`, each with its path for messages."""
        if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
            raise self._error(name, f"must be written as [[{name}]]")
        yield from ((f"{name}[{number}]", item) for number, item in enumerate(raw, 1))

    def _check_printer(self, path: str, printer: PrinterConfig) -> None:
        if not any((printer.uuid, printer.serial, printer.mac, printer.host, printer.uris)):
            raise self._error(path, "needs one of uuid, serial, mac, host or uris to tell which printer it is")
        for uri in printer.uris:
            if _split(uri) is None:
                raise self._error(f"{path}.uris", f"{uri!r} is none of {'://…, '.join(PRINTER_SCHEMES)}://…")

    def _value(self, path: str, kind: Any, key: Field[Any], value: Any) -> Any:
        problem = value_problem(kind, key.metadata, value)
        if problem:
            raise self._error(path, problem)
        if value == "":
            return value
        if kind is Path or Path in get_args(kind):
            return self._located(value) if key.name.endswith("_file") else self._path.parent / value
        return tuple(value) if isinstance(value, list) else value

    def _located(self, name: str) -> Path:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (Path(credentials) / name).is_file():
            return Path(credentials) / name
        return self._path.parent / name

    def _error(self, path: str, problem: str) -> ConfigError:
        return error_at(self._path, self._lines, path, problem)


def _derived(section: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of a section that hang on other keys."""
    values = dict(raw.get(section, {}))
    if section == "agent":
        _fill(values, "id", hardware_id())
    elif section == "mqtt":
        values.setdefault("port", 8883 if values.get("tls") is True else 1883)
        _fill(values, "base_topic", f"printos/{raw.get('agent', {}).get('id') or hardware_id()}")
        _fill(values, "response_topics", [f"{values['base_topic']}/reply/#"])
    elif section == "printos":
        _fill(values, "base_url", BASE_URLS["openapi" if values.get("dialect") == "openapi" else "platform"])
    elif section == "siteflow":
        _fill(values, "base_url", SITEFLOW_URLS["printos" if values.get("signing") == "printos" else "oneflow"])
        _fill(values, "orders_url", values["base_url"])
        _fill(values, "postback_id_keys", ["sourceOrderId"])
        _fill(values, "postback_status_keys", ["status"])
    return values


def _fill(values: dict[str, Any], name: str, default: Any) -> None:
    if values.get(name, "") in ("", []):
        values[name] = default


def _split(uri: str) -> str | None:
    """Give the scheme of a printer's URI; None where it is no such URI."""
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in PRINTER_SCHEMES and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts.scheme if usable else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
