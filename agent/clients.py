"""The clients of the agent, with the credentials of the configuration: HTTP to printers, SNMP, PrintOS."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.box_memory import BoxMemory
from agent.config import read_order_file, read_printer_credentials, read_secret, read_secrets
from agent.config_schema import BeatConfig, BoxConfig, PrinterConfig, PrintosConfig, SiteflowConfig, SnmpConfig
from agent.drivers.snmp import SnmpClient
from agent.drivers.snmp_v3 import SnmpV3Client
from agent.errors import ConfigError
from agent.http import HttpClient
from agent.model import utc_now
from agent.printos.box import Box
from agent.printos.box_target import BoxTarget
from agent.printos.openapi import OpenApi
from agent.printos.platform import Platform
from agent.printos.presigned import PresignedPut
from agent.printos.print_beat import PrintBeat
from agent.printos.session import SessionRules
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, sign_printos, sign_siteflow
from agent.printos.siteflow import SiteFlow, with_account
from agent.printos.siteflow_target import SiteFlowTarget

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


def build_printos(config: PrintosConfig) -> Platform | OpenApi:
    """Build the client of PrintOS in the dialect of the configuration.

    Raises:
        ConfigError: a secret can't be read.
    """
    http = printos_http(config)
    rules = SessionRules(
        lifetime_seconds=config.session_seconds,
        expiry_keys=config.expiry_keys,
        logins_per_minute=config.logins_per_minute,
    )
    if config.dialect == "platform":
        return Platform(
            http=http,
            base_url=config.base_url,
            now=utc_now,
            identity_version=config.identity_version,
            extended_information=config.extended_information,
            rules=rules,
        )
    return OpenApi(
        http=http,
        base_url=config.base_url,
        now=utc_now,
        rules=rules,
        auth=config.auth,
        bearer=read_secret(config.token_file) if config.token_file else None,
        device_login_path=config.device_login_path,
    )


def build_siteflow(config: SiteflowConfig, http: HttpClient) -> SiteFlow:
    """Build the client of Site Flow; `http` is that for everything of HP's cloud.

    Raises:
        ConfigError: the secret can't be read.
    """
    assert config.secret_file is not None  # agent.config demands it beside the key
    key = ApiKey(config.key, read_secret(config.secret_file))
    sign = sign_printos if config.signing == "printos" else with_account(sign_siteflow, config.account)
    exchange, orders = (
        SignedExchange(service="Site Flow", http=http, base_url=url, key=key, sign=sign, now=utc_now)
        for url in (config.base_url, config.orders_url)
    )
    return SiteFlow(exchange=exchange, orders=orders, upload_key=config.upload_url_key, fetch_key=config.fetch_url_key)


def build_siteflow_target(config: SiteflowConfig, http: HttpClient) -> SiteFlowTarget:
    """Build what takes the documents for Site Flow.

    Raises:
        ConfigError: the secret can't be read, or the order_file is no JSON object.
    """
    return SiteFlowTarget(
        client=build_siteflow(config, http),
        put=PresignedPut(http=http, service_url=config.base_url),
        config=config,
        template=read_order_file(config.order_file) if config.order_file else {},
    )


def build_print_beat(config: BeatConfig, http: HttpClient) -> PrintBeat:
    """Build the client of Print Beat, of those halves that there are keys for.

    Raises:
        ConfigError: a secret can't be read.
    """

    def exchange(key: str, secret_file: Path | None) -> SignedExchange | None:
        if not key or secret_file is None:
            return None
        return SignedExchange(
            service="Print Beat",
            http=http,
            base_url=config.base_url,
            key=ApiKey(key, read_secret(secret_file)),
            sign=sign_printos,
            now=utc_now,
        )

    return PrintBeat(
        data=exchange(config.key, config.secret_file),
        jobs=exchange(config.jobs_key, config.jobs_secret_file),
        devices_as=config.devices_as,
        unit_system=config.unit_system,
    )


def printos_http(config: PrintosConfig) -> HttpClient:
    """Build the HTTP client for everything of HP's cloud: with the proxy, authorities and client certificate for it.

    Raises:
        ConfigError: a secret can't be read.
    """
    certificate, key = config.client_cert_file, config.client_key_file
    proxy, proxy_login = _proxy(config)
    return HttpClient(
        verify=config.ca_file or True,
        client_certificate=(certificate, key or certificate) if certificate else None,
        proxy=proxy,
        proxy_login=proxy_login,
    )


def build_box(config: BoxConfig, http: HttpClient) -> Box:
    """Build the client of Box.

    Raises:
        ConfigError: there is no key, or its secret can't be read.
    """
    if not config.key or config.secret_file is None:
        raise ConfigError("Box is off: there is no key in [box]")
    exchange = SignedExchange(
        service="Box",
        http=http,
        base_url=config.base_url,
        key=ApiKey(config.key, read_secret(config.secret_file)),
        sign=sign_printos,
        now=utc_now,
    )
    return Box(exchange=exchange, upload_url_key=config.upload_url_key, fetch_url_key=config.fetch_url_key)


def build_box_target(config: BoxConfig, http: HttpClient, memory: BoxMemory) -> BoxTarget:
    """Build what takes jobs to Box; raises as `build_box` does."""
    put = PresignedPut(http=http, service_url=config.base_url)
    return BoxTarget(box=build_box(config, http), put=put, memory=memory, config=config)


def _proxy(config: PrintosConfig) -> tuple[str | None, tuple[str, str] | None]:
    """Give the URL of the proxy without a login, and the login."""
    if not config.proxy:
        return None, None
    parts = urlsplit(config.proxy)
    user, _, place = parts.netloc.rpartition("@")
    url = urlunsplit(parts._replace(netloc=place))
    if not user:
        return url, None
    return url, (unquote(user), read_secret(config.proxy_password_file) if config.proxy_password_file else "")


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
