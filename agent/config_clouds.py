"""The keys of agent.toml for HP's cloud: PrintOS, Box, Print Beat, Site Flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.config_option import DAY, option


@dataclass(frozen=True, slots=True)
class PrintosConfig:
    """HP PrintOS."""

    dialect: Literal["platform", "openapi"] = option("platform", "`platform` is HP's own, `openapi` the published one")
    base_url: str = option("", "where PrintOS is", pattern=r"https?://\S+", default_text="by dialect")
    status_interval: int = option(120, "seconds between two statuses of an unchanged printer", low=1, high=DAY)
    proxy: str = option("", "HTTP proxy, http://[user@]host:port", pattern=r"http://[^\s/?#]+/?")
    proxy_password_file: Path | None = option(None, "file with the proxy's password")
    ca_file: Path | None = option(None, "certificates to trust", default_text="the system's")
    client_cert_file: Path | None = option(None, "certificate to show where one is asked for")
    client_key_file: Path | None = option(
        None, "its private key, without a passphrase", default_text="in client_cert_file"
    )
    auth: Literal["session", "none", "bearer"] = option("session", "how `openapi` is authorised")
    token_file: Path | None = option(None, "file with the bearer token")
    admin_login_path: str = option("", "path of the administrator's login", pattern=r"/\S+", default_text="by dialect")
    admin_logout_path: str = option(
        "", "path of the administrator's logout", pattern=r"/\S+", default_text="by dialect"
    )
    device_login_path: str = option("", "path of a device's login", pattern=r"/\S+", default_text="by dialect")
    identity_version: str = option("v1", "version of the identity service of `platform`", pattern=r"v\d+")
    statistics_version: str = option("v1", "version of the statistics service of `platform`", pattern=r"v\d+")
    print_time: Literal["utc", "utc-named", "local"] = option(
        "utc", "how `platform` is told a time: UTC without a zone, UTC with its `Z`, or this box's without a zone"
    )
    session_seconds: int = option(1500, "how long a session lasts where PrintOS doesn't say", low=60, high=DAY)
    expiry_keys: tuple[str, ...] = option((), "names by which PrintOS says it, beside the likely ones")
    extended_information: tuple[Literal["supplies", "counters", "media", "jobs"], ...] = option(
        (), "what `platform` is told in `extendedInformation`"
    )
    logins_per_minute: int = option(120, "the most logins of all devices together", low=1, high=6000)


@dataclass(frozen=True, slots=True)
class BoxConfig:
    """PrintOS Box as a destination of jobs; off while `key` is empty. Its proxy and certificates are `[printos]`'s."""

    key: str = option("", "key of an application connector that may create orders", pattern=r"[!-9;-~]+")
    secret_file: Path | None = option(None, "file with its secret")
    base_url: str = option("https://printos.api.hp.com/box", "where Box is", pattern=r"https?://\S+")
    folder: str = option(
        "",
        "folder for jobs that name none: an id, or a name for one that the agent makes once",
        default_text="one for each job",
    )
    sender: str = option("", "whom new folders are from, best an address that can be replied to")
    recipient: str = option("", "whom new folders are to")
    preflight_seconds: int = option(3600, "how long a file's preflight is followed", low=10, high=7 * DAY)
    upload_url_key: str = option("", "name of the upload URL in Box's answer", default_text="told by its look")
    fetch_url_key: str = option("", "name of the URL that Box fetches from there", default_text="told by its look")
    upload_hosts: tuple[str, ...] = option(
        (),
        "hosts that documents may be uploaded to though their addresses are private",
        pattern=r"[A-Za-z0-9_.:-]+",
    )


@dataclass(frozen=True, slots=True)
class BeatConfig:
    """HP Print Beat: the presses' print attempts and state, from HP's cloud to MQTT. Off without a key."""

    key: str = option("", "key of the role *Print Beat data access*: how the presses are")
    secret_file: Path | None = option(None, "file with its secret")
    jobs_key: str = option("", "key of the role *Jobs Enquiries*: print attempts")
    jobs_secret_file: Path | None = option(None, "file with its secret")
    base_url: str = option("https://printos.api.hp.com/printbeat", "where Print Beat is", pattern=r"https?://\S+")
    devices: tuple[str, ...] = option(
        (),
        "serial numbers of the presses, 100 at the most",
        pattern=r"[A-Za-z0-9._-]{1,64}",
        default_text="those of the approved printers",
    )
    devices_as: Literal["repeated", "joined"] = option(
        "repeated", "how several presses stand in a query: `devices=A&devices=B`, or `devices=A,B`"
    )
    interval: int = option(300, "seconds between two polls", low=60, high=DAY)
    begin: Literal["now", "beginning"] = option(
        "now", "which attempts are told at the first start: those to come, or all"
    )
    unit_system: Literal["Metric", "Imperial"] = option("Metric", "the units of what is told")


@dataclass(frozen=True, slots=True)
class SiteflowConfig:
    """HP Site Flow, as a destination of documents: each becomes an order."""

    key: str = option("", "token of a key that may create and query orders; empty: Site Flow is not used")
    secret_file: Path | None = option(None, "file with its secret")
    signing: Literal["oneflow", "printos"] = option(
        "oneflow", "how requests are signed: Site Flow's own way, or that of the old route through PrintOS"
    )
    base_url: str = option("", "where Site Flow is", pattern=r"https?://\S+", default_text="by signing")
    orders_url: str = option(
        "",
        "where orders are created, such as https://orders.oneflow.io, which makes them later",
        pattern=r"https?://\S+",
        default_text="base_url",
    )
    account: str = option("", "account id, for the key of a service user", pattern=r"[^\s/]+")
    destination: str = option("", "account that orders go to where the ticket names none")
    order_file: Path | None = option(None, "JSON file with what every order has unless its ticket says otherwise")
    validate: bool = option(default=True, about="have Site Flow validate each order before its document is uploaded")
    completed_at: Literal["accepted", "printready", "printed", "shipped"] = option(
        "shipped", "what Site Flow must have done with an order for its job to be completed"
    )
    errored: Literal["aborted", "stopped"] = option(
        "aborted", "state of the job of an order in error: people can mend some of those in Site Flow"
    )
    poll_interval: int = option(60, "seconds between two looks at an order, at the most", low=1, high=3600)
    upload_url_key: str = option("", "name of the upload URL's field in the answer", default_text="found by its words")
    fetch_url_key: str = option("", "name of the fetch URL's field", default_text="found by its words")
    upload_hosts: tuple[str, ...] = option(
        (),
        "hosts that documents may be uploaded to though their addresses are private",
        pattern=r"[A-Za-z0-9_.:-]+",
    )
    postback_token_file: Path | None = option(
        None, "file with the token of postbacks, which `[web]` then takes at /siteflow/postback"
    )
    postback_id_keys: tuple[str, ...] = option(
        (), "names of the field with the order's own id in postbacks", default_text="sourceOrderId"
    )
    postback_status_keys: tuple[str, ...] = option((), "names of the field with its status", default_text="status")
