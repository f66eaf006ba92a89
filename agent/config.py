"""agent.toml to a frozen `Config`: a mistake names its key and, where it can be found, its line.

Secrets are never in the file itself: keys that end in `_file` name files. A relative name is looked for among the
systemd credentials first, then beside agent.toml. An empty text or list is the default.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import tomli

from agent.config_schema import SECTIONS, TABLES, Config, PrinterConfig, UserConfig
from agent.document_reference import canonical_host
from agent.endpoints import DRIVERS_BY_SCHEME
from agent.errors import ConfigError
from agent.hardware import hardware_id
from agent.tls import lenient, show, trusting

Section = TypeVar("Section")

PRINTER_SCHEMES = tuple(DRIVERS_BY_SCHEME)
SECRET_LIMIT_BYTES = 65_536
LARGEST_PORT = 65_535
CERTIFICATE_FILES = ("ca_file", "client_cert_file", "client_key_file")
NEEDS: tuple[tuple[str, str, str | None, str], ...] = (
    ("snmp", "version", "3", "v3_user"),
    ("snmp", "v3_auth_file", None, "v3_user"),
    ("snmp", "v3_priv_file", None, "v3_auth_file"),
    ("mqtt", "password_file", None, "username"),
    ("mqtt", "ca_file", None, "tls"),
    ("mqtt", "client_cert_file", None, "tls"),
    ("mqtt", "client_key_file", None, "client_cert_file"),
    ("printos", "auth", "bearer", "token_file"),
    ("printos", "proxy_password_file", None, "proxy"),
    ("printos", "client_key_file", None, "client_cert_file"),
    ("siteflow", "key", None, "secret_file"),
    ("box", "key", None, "secret_file"),
    ("siteflow", "postback_token_file", None, "key"),
    ("beat", "key", None, "secret_file"),
    ("beat", "secret_file", None, "key"),
    ("beat", "jobs_key", None, "jobs_secret_file"),
    ("beat", "jobs_secret_file", None, "jobs_key"),
)
"""Section, key, its value (None for any) and what must be set beside it: without that the key would have no effect."""

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


def check_files(config: Config) -> None:
    """Make sure that every file the configuration names can be read, and holds what it should.

    Raises:
        ConfigError: one can't, or doesn't; the message names its key and its line.
    """
    sections = [(name, getattr(config, name)) for name in SECTIONS]
    sections += [(f"printer[{number}]", printer) for number, printer in enumerate(config.printers, 1)]
    for section, values in sections:
        for key in fields(values):
            file = getattr(values, key.name)
            problem = _file_problem(key.name, file) if key.name.endswith("_file") and file is not None else None
            if problem:
                raise _error_at(config.path, _lines_of(config.path), f"{section}.{key.name}", problem)
        if problem := _certificate_problem(values):
            raise _error_at(config.path, _lines_of(config.path), f"{section}.client_cert_file", problem)


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


def _file_problem(key: str, file: Path) -> str | None:
    """Say why a file that a key names is of no use; None where it is."""
    if not os.access(file, os.R_OK):
        return f"{file} can't be read" if file.exists() else f"{file} does not exist"
    try:
        if key == "credentials_file":
            return _certificate_problem(read_printer_credentials(file))
        if key == "ca_file":
            trusting(file, otherwise=file)
        elif key == "order_file":
            read_order_file(file)
        elif key not in CERTIFICATE_FILES:
            read_secret(file)
    except ConfigError as error:
        return str(error)
    return None


def _certificate_problem(values: Any) -> str | None:
    """Say why the certificate that a section shows can't be shown; None where it can, or where none is named."""
    certificate = getattr(values, "client_cert_file", None)
    if certificate is None:
        return None
    try:
        show(lenient(), certificate, values.client_key_file or certificate)
    except ConfigError as error:
        return str(error)
    return None


def _lines_of(path: Path | None) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path and path.is_file() else []


def _error_at(path: Path | None, lines: list[str], key: str, problem: str) -> ConfigError:
    line = _find_line(lines, key)
    return ConfigError(f"{path}{f':{line}' if line else ''}: {key}: {problem}")


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
        self._check_networks(config)
        self._check_hosts(config)
        self._check_needs(config)
        if int(config.web.listen.rpartition(":")[2] or 0) > LARGEST_PORT:
            raise self._error("web.listen", f"{config.web.listen!r}: ports end at {LARGEST_PORT}")
        self._check_hot_folders(config)
        if config.spool.max_job_bytes > config.spool.max_bytes:
            problem = f"{config.spool.max_job_bytes} is more than all jobs may take, spool.max_bytes"
            raise self._error("spool.max_job_bytes", f"{problem} = {config.spool.max_bytes}")
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

    def _check_networks(self, config: Config) -> None:
        for subnet in config.discovery.subnets:
            try:
                ipaddress.IPv4Network(subnet)
            except ValueError as error:
                raise self._error("discovery.subnets", f"{subnet!r}: {error}") from error

    def _check_hosts(self, config: Config) -> None:
        for host in config.fetch.allowed_hosts:
            try:
                canonical_host(host)
            except ValueError:
                raise self._error("fetch.allowed_hosts", f"{host!r} is neither a name nor an address") from None

    def _check_hot_folders(self, config: Config) -> None:
        """Refuse a folder in another one, or in the state folder: files would be taken twice, or ours printed."""
        taken = {_plain(config.agent.state_dir): "agent.state_dir"}
        for number, printer in enumerate(config.printers, 1):
            key = f"printer[{number}].hot_folder"
            if printer.hot_folder is None:
                continue
            folder = _plain(printer.hot_folder)
            for other, name in taken.items():
                if folder.is_relative_to(other) or other.is_relative_to(folder):
                    raise self._error(key, f"{folder} and {other} ({name}) are one, or one lies in the other")
            taken[folder] = key

    def _check_needs(self, config: Config) -> None:
        for section, key, only, needed in NEEDS:
            values = getattr(config, section)
            value = getattr(values, key)
            if value and only in (None, value) and not getattr(values, needed):
                problem = f"{value!r} needs" if only else "needs"
                raise self._error(f"{section}.{key}", f"{problem} {section}.{needed} beside it")

    def _value(self, path: str, kind: Any, key: Field[Any], value: Any) -> Any:
        problem = _password_problem(value) or _problem(kind, key.metadata, value)
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
        return _error_at(self._path, self._lines, path, problem)


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


def _password_problem(value: Any) -> str | None:
    """Say that a URI holds a password, which the error does not repeat."""
    for text in value if isinstance(value, list) else (value,):
        login = text.partition("://")[2].partition("/")[0].rpartition("@")[0] if isinstance(text, str) else ""
        if ":" in login:
            return "holds a password; secrets are read from files: name one with the _file key beside it"
    return None


def _problem(kind: Any, limits: Mapping[str, Any], value: Any) -> str | None:
    """Say what is wrong with a value; None where nothing is."""
    return _type_problem(kind, value) or _limit_problem(limits, value)


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


def _split(uri: str) -> str | None:
    """Give the scheme of a printer's URI; None where it is no such URI."""
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in PRINTER_SCHEMES and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts.scheme if usable else None


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _find_line(lines: list[str], path: str) -> int | None:
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
