"""What is wrong with agent.toml as a whole, where each key by itself is right."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

from agent.config_schema import Config
from agent.document_reference import canonical_host

LARGEST_PORT = 65_535
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


def whole_problems(config: Config) -> Iterator[tuple[str, str]]:
    """Give each key that doesn't go with the others, or with the world, and what is wrong with it."""
    yield from _network_problems(config)
    yield from _host_problems(config)
    yield from _need_problems(config)
    if int(config.web.listen.rpartition(":")[2] or 0) > LARGEST_PORT:
        yield "web.listen", f"{config.web.listen!r}: ports end at {LARGEST_PORT}"
    yield from _hot_folder_problems(config)
    if config.spool.max_job_bytes > config.spool.max_bytes:
        problem = f"{config.spool.max_job_bytes} is more than all jobs may take, spool.max_bytes"
        yield "spool.max_job_bytes", f"{problem} = {config.spool.max_bytes}"


def _network_problems(config: Config) -> Iterator[tuple[str, str]]:
    for subnet in config.discovery.subnets:
        try:
            ipaddress.IPv4Network(subnet)
        except ValueError as error:
            yield "discovery.subnets", f"{subnet!r}: {error}"


def _host_problems(config: Config) -> Iterator[tuple[str, str]]:
    for host in config.fetch.allowed_hosts:
        try:
            canonical_host(host)
        except ValueError:
            yield "fetch.allowed_hosts", f"{host!r} is neither a name nor an address"


def _hot_folder_problems(config: Config) -> Iterator[tuple[str, str]]:
    """Tell of a folder in another one, or in the state folder: files would be taken twice, or ours printed."""
    taken = {_plain(config.agent.state_dir): "agent.state_dir"}
    for number, printer in enumerate(config.printers, 1):
        key = f"printer[{number}].hot_folder"
        if printer.hot_folder is None:
            continue
        folder = _plain(printer.hot_folder)
        for other, name in taken.items():
            if folder.is_relative_to(other) or other.is_relative_to(folder):
                yield key, f"{folder} and {other} ({name}) are one, or one lies in the other"
        taken[folder] = key


def _need_problems(config: Config) -> Iterator[tuple[str, str]]:
    for section, key, only, needed in NEEDS:
        values = getattr(config, section)
        value = getattr(values, key)
        if value and only in (None, value) and not getattr(values, needed):
            problem = f"{value!r} needs" if only else "needs"
            yield f"{section}.{key}", f"{problem} {section}.{needed} beside it"


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
