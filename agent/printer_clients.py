"""The clients for printers on the LAN, with the credentials of the configuration: HTTP and SNMP."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from agent.config import read_printer_credentials
from agent.config_schema import PrinterConfig, SnmpConfig
from agent.drivers.snmp import SnmpClient
from agent.drivers.snmp_v3 import SnmpV3Client
from agent.http import HttpClient
from agent.secret_files import read_secret, read_secrets

PRINTER_CONNECT_SECONDS = 3.0
PRINTER_READ_SECONDS = 30.0
PROBE_READ_SECONDS = 3.0


class PrinterClients:
    """Clients for printers on the LAN.

    Printers sign their own certificates, so that none is checked; who is asked to log in to one is told so in the
    documentation.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = HttpClient(
            connect_timeout_seconds=PRINTER_CONNECT_SECONDS, read_timeout_seconds=PRINTER_READ_SECONDS, verify=False
        )
        self._probing = HttpClient(
            connect_timeout_seconds=PRINTER_CONNECT_SECONDS, read_timeout_seconds=PROBE_READ_SECONDS, verify=False
        )
        self._with_login: dict[Path, tuple[int, HttpClient]] = {}

    def probing(self) -> HttpClient:
        """Give the impatient client that asks strangers."""
        return self._probing

    def client_for(self, printer: PrinterConfig | None) -> HttpClient:
        """Give the client of a printer, with the credentials of its configuration as they are in their file now.

        Raises:
            ConfigError: its credentials_file is wrong.
        """
        if printer is None or printer.credentials_file is None:
            return self._open
        file = printer.credentials_file
        with self._lock:
            written_at = file.stat().st_mtime_ns if file.exists() else 0
            since, client = self._with_login.get(file, (None, None))
            if client is None or since != written_at:
                client = _client_with_login(file)
                self._with_login[file] = (written_at, client)
            return client

    def close(self) -> None:
        """Close all connections."""
        for client in (self._open, self._probing, *(client for _, client in self._with_login.values())):
            client.close()


def _client_with_login(credentials_file: Path) -> HttpClient:
    credentials = read_printer_credentials(credentials_file)
    certificate, key = credentials.client_cert_file, credentials.client_key_file
    return HttpClient(
        connect_timeout_seconds=PRINTER_CONNECT_SECONDS,
        read_timeout_seconds=PRINTER_READ_SECONDS,
        verify=False,
        basic=(credentials.username, credentials.password or "") if credentials.username else None,
        bearer=credentials.token,
        client_certificate=(certificate, key or certificate) if certificate else None,
    )


def snmp_client(config: SnmpConfig, *, communities: Sequence[str] = ()) -> SnmpClient | SnmpV3Client:
    """Build the client that all SNMP goes through; communities given by a person mean v1 and v2c.

    Raises:
        ConfigError: a secret can't be read.
    """
    if config.version == "3" and not communities:
        return SnmpV3Client(
            user=config.v3_user,
            auth_key=read_secret(config.v3_auth_file) if config.v3_auth_file else None,
            priv_key=read_secret(config.v3_priv_file) if config.v3_priv_file else None,
            auth_protocol=config.v3_auth,
            priv_protocol=config.v3_priv,
            port=config.port,
            timeout_seconds=config.timeout,
            retries=config.retries,
        )
    return SnmpClient(
        communities=communities or (read_secrets(config.community_file) if config.community_file else ("public",)),
        version="auto" if config.version == "3" else config.version,
        port=config.port,
        timeout_seconds=config.timeout,
        retries=config.retries,
    )
