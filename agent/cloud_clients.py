"""The clients of HP's cloud, with the keys of the configuration: PrintOS, Box, Site Flow, Print Beat.

One HTTP client, `cloud_http`, is for all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.config_clouds import BeatConfig, BoxConfig, PrintosConfig, SiteflowConfig
from agent.errors import ConfigError
from agent.http import HttpClient
from agent.model import utc_now
from agent.printos.openapi import OpenApi
from agent.printos.platform import Platform
from agent.printos.print_beat import PrintBeat
from agent.printos.session import SessionRules
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, Sign, sign_printos, sign_siteflow
from agent.secret_files import read_order_file, read_secret

if TYPE_CHECKING:  # Box and Site Flow are loaded for who has a key: on a small box each costs memory and time to start
    from agent.box_memory import BoxMemory
    from agent.printos.box import Box
    from agent.printos.box_target import BoxTarget
    from agent.printos.siteflow import SiteFlow
    from agent.printos.siteflow_target import SiteFlowTarget


def cloud_http(config: PrintosConfig) -> HttpClient:
    """Build the HTTP client of HP's cloud, with the proxy, authorities and client certificate for it.

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


def build_printos(config: PrintosConfig, http: HttpClient) -> Platform | OpenApi:
    """Build the client of PrintOS in the dialect of the configuration.

    Raises:
        ConfigError: a secret can't be read.
    """
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
            statistics_version=config.statistics_version,
            administrator_login_path=config.admin_login_path,
            administrator_logout_path=config.admin_logout_path,
            device_login_path=config.device_login_path,
            print_time=config.print_time,
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
        administrator_login_path=config.admin_login_path,
        administrator_logout_path=config.admin_logout_path,
        device_login_path=config.device_login_path,
    )


def build_box(config: BoxConfig, http: HttpClient) -> Box:
    """Build the client of Box.

    Raises:
        ConfigError: there is no key, or its secret can't be read.
    """
    from agent.printos.box import Box  # noqa: PLC0415 - only for who has a key

    if not config.key:
        raise ConfigError("Box is off: there is no key in [box]")
    exchange = _signed("Box", http, config.base_url, config.key, config.secret_file)
    return Box(exchange=exchange, upload_url_key=config.upload_url_key, fetch_url_key=config.fetch_url_key)


def build_box_target(config: BoxConfig, http: HttpClient, memory: BoxMemory) -> BoxTarget:
    """Build what takes jobs to Box; raises as `build_box` does."""
    from agent.printos.box_target import BoxTarget  # noqa: PLC0415 - only for who has a key
    from agent.printos.presigned import PresignedPut  # noqa: PLC0415 - only for who has a key

    put = PresignedPut(http=http, service_url=config.base_url, hosts=config.upload_hosts)
    return BoxTarget(box=build_box(config, http), put=put, memory=memory, config=config)


def build_siteflow(config: SiteflowConfig, http: HttpClient) -> SiteFlow:
    """Build the client of Site Flow.

    Raises:
        ConfigError: the secret can't be read.
    """
    from agent.printos.siteflow import SiteFlow, with_account  # noqa: PLC0415 - only for who has a key

    sign = sign_printos if config.signing == "printos" else with_account(sign_siteflow, config.account)
    exchange, orders = (
        _signed("Site Flow", http, url, config.key, config.secret_file, sign=sign)
        for url in (config.base_url, config.orders_url)
    )
    return SiteFlow(exchange=exchange, orders=orders, upload_key=config.upload_url_key, fetch_key=config.fetch_url_key)


def build_siteflow_target(config: SiteflowConfig, http: HttpClient) -> SiteFlowTarget:
    """Build what takes the documents for Site Flow.

    Raises:
        ConfigError: the secret can't be read, or the order_file is no JSON object.
    """
    from agent.printos.presigned import PresignedPut  # noqa: PLC0415 - only for who has a key
    from agent.printos.siteflow_target import SiteFlowTarget  # noqa: PLC0415 - only for who has a key

    return SiteFlowTarget(
        client=build_siteflow(config, http),
        put=PresignedPut(http=http, service_url=config.base_url, hosts=config.upload_hosts),
        config=config,
        template=read_order_file(config.order_file) if config.order_file else {},
    )


def build_print_beat(config: BeatConfig, http: HttpClient) -> PrintBeat:
    """Build the client of Print Beat, of those halves that there are keys for.

    Raises:
        ConfigError: a secret can't be read.
    """

    def exchange(key: str, secret_file: Path | None) -> SignedExchange | None:
        return _signed("Print Beat", http, config.base_url, key, secret_file) if key else None

    return PrintBeat(
        data=exchange(config.key, config.secret_file),
        jobs=exchange(config.jobs_key, config.jobs_secret_file),
        devices_as=config.devices_as,
        unit_system=config.unit_system,
    )


def _signed(
    service: str, http: HttpClient, base_url: str, key: str, secret_file: Path | None, *, sign: Sign = sign_printos
) -> SignedExchange:
    """Build the exchange of a service whose requests a key of the configuration signs."""
    assert secret_file is not None  # agent.config_checks demands it beside the key
    return SignedExchange(
        service=service,
        http=http,
        base_url=base_url,
        key=ApiKey(key, read_secret(secret_file)),
        sign=sign,
        now=utc_now,
    )


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
