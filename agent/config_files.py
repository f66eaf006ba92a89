"""The files that agent.toml names: whether each can be read, and holds what it should."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from agent.config import read_printer_credentials
from agent.config_lines import error_at
from agent.config_schema import SECTIONS, Config
from agent.errors import ConfigError
from agent.secret_files import read_order_file, read_secret
from agent.tls import lenient, show, trusting

CERTIFICATE_FILES = ("ca_file", "client_cert_file", "client_key_file")


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
                raise error_at(config.path, _lines_of(config.path), f"{section}.{key.name}", problem)
        if problem := _certificate_problem(values):
            raise error_at(config.path, _lines_of(config.path), f"{section}.client_cert_file", problem)


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
