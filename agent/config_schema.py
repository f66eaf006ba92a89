"""The keys of agent.toml: what each is called, its type, its default, its range and what it is for.

The table in docs/configuration.md and the checks in `agent.config` are both made from these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
DAY = 86_400
FILTER_PATTERN = r"#|(\+|[^#+/]*)(/(\+|[^#+/]*))*(/#)?"
PLACE_PATTERN = r"[^\s/]+"
HOST_PATTERN = r"[A-Za-z0-9_.:-]+"
MIB = 1_048_576
COUNT_MAX = 1_000_000_000
AS_EVERYBODY = "that of `[limits]`"
DEFAULT_STATE_DIR = Path("/var/lib/printos-agent")


def _key(
    default: Any,
    about: str,
    *,
    low: int | None = None,
    high: int | None = None,
    pattern: str | None = None,
    default_text: str | None = None,
) -> Any:
    """Declare a key. `default_text` tells people of a default that is worked out at start."""
    limits = {"about": about, "low": low, "high": high, "pattern": pattern, "default_text": default_text}
    return field(default=default, metadata=limits)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The gateway itself."""

    id: str = _key("", "name of this gateway", pattern=ID_PATTERN, default_text="board serial, else MAC")
    state_dir: Path = _key(DEFAULT_STATE_DIR, "where the registry, the spool and the sealed credentials are kept")
    log_level: Literal["debug", "info", "warning", "error"] = _key("info", "how much is logged")


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """How printers are found."""

    mdns: bool = _key(default=True, about="browse mDNS for printers")
    snmp: bool = _key(default=True, about="sweep subnets for printers by SNMP")
    subnets: tuple[str, ...] = _key(
        (), "IPv4 networks to sweep, such as 192.0.2.0/24", default_text="the attached ones, up to /22"
    )
    interval: int = _key(300, "seconds between two sweeps", low=10, high=DAY)
    ignore: tuple[str, ...] = _key((), "addresses, networks, uuids or serials that are never taken in")


@dataclass(frozen=True, slots=True)
class SnmpConfig:
    """How SNMP is spoken."""

    community_file: Path | None = _key(
        None, "file with the communities, one a line", default_text="the community `public`"
    )
    version: Literal["auto", "1", "2c", "3"] = _key("auto", "`auto` tries 2c, then 1")
    v3_user: str = _key("", "user of SNMPv3")
    v3_auth_file: Path | None = _key(None, "file with the SNMPv3 authentication password")
    v3_priv_file: Path | None = _key(None, "file with the SNMPv3 privacy password")
    v3_auth: Literal["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"] = _key(
        "SHA", "how SNMPv3 messages are authenticated"
    )
    v3_priv: Literal["DES", "AES", "AES192", "AES256"] = _key("AES", "how SNMPv3 messages are encrypted")
    port: int = _key(161, "UDP port of the printers", low=1, high=65_535)
    timeout: int = _key(1, "seconds to wait for an answer", low=1, high=60)
    retries: int = _key(1, "how often to ask again", low=0, high=10)


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker that jobs come from and state goes to."""

    host: str = _key("localhost", "name or address of the broker", pattern=PLACE_PATTERN)
    port: int = _key(1883, "its port", low=1, high=65_535, default_text="1883, with tls 8883")
    version: Literal["auto", "5", "3.1.1"] = _key("auto", "`auto` is 5, and 3.1.1 where the broker has no 5")
    username: str = _key("", "user name at the broker")
    password_file: Path | None = _key(None, "file with the password")
    tls: bool = _key(default=False, about="speak TLS")
    ca_file: Path | None = _key(None, "certificates to trust", default_text="the system's")
    client_cert_file: Path | None = _key(None, "certificate to show the broker")
    client_key_file: Path | None = _key(None, "its private key")
    base_topic: str = _key(
        "", "topic before all others", pattern=r"[^#+/]+(/[^#+/]+)*", default_text="printos/<agent.id>"
    )
    response_topics: tuple[str, ...] = _key(
        (),
        "filters that a Response Topic must match",
        pattern=FILTER_PATTERN,
        default_text="<base_topic>/reply/#",
    )
    retain_final_jobs: bool = _key(default=True, about="keep a job's final state retained until spool.keep has passed")


@dataclass(frozen=True, slots=True)
class PrintosConfig:
    """HP PrintOS."""

    dialect: Literal["platform", "openapi"] = _key("platform", "`platform` is HP's own, `openapi` the published one")
    base_url: str = _key("", "where PrintOS is", pattern=r"https?://\S+", default_text="by dialect")
    status_interval: int = _key(120, "seconds between two statuses of an unchanged printer", low=1, high=DAY)
    proxy: str = _key("", "HTTP proxy, http://[user@]host:port", pattern=r"http://[^\s/?#]+/?")
    proxy_password_file: Path | None = _key(None, "file with the proxy's password")
    ca_file: Path | None = _key(None, "certificates to trust", default_text="the system's")
    client_cert_file: Path | None = _key(None, "certificate to show where one is asked for")
    client_key_file: Path | None = _key(
        None, "its private key, without a passphrase", default_text="in client_cert_file"
    )
    auth: Literal["session", "none", "bearer"] = _key("session", "how `openapi` is authorised")
    token_file: Path | None = _key(None, "file with the bearer token")
    device_login_path: str = _key("/devices/login", "path of the device login of `openapi`", pattern=r"/\S+")
    identity_version: str = _key("v1", "version of the identity service of `platform`", pattern=r"v\d+")
    session_seconds: int = _key(1500, "how long a session lasts where PrintOS doesn't say", low=60, high=DAY)
    expiry_keys: tuple[str, ...] = _key((), "names by which PrintOS says it, beside the likely ones")
    extended_information: tuple[Literal["supplies", "counters", "media", "jobs"], ...] = _key(
        (), "what `platform` is told in `extendedInformation`"
    )
    logins_per_minute: int = _key(120, "the most logins of all devices together", low=1, high=6000)


@dataclass(frozen=True, slots=True)
class BoxConfig:
    """PrintOS Box as a destination of jobs; off while `key` is empty. Its proxy and certificates are `[printos]`'s."""

    key: str = _key("", "key of an application connector that may create orders", pattern=r"[!-9;-~]+")
    secret_file: Path | None = _key(None, "file with its secret")
    base_url: str = _key("https://printos.api.hp.com/box", "where Box is", pattern=r"https?://\S+")
    folder: str = _key(
        "",
        "folder for jobs that name none: an id, or a name for one that the agent makes once",
        default_text="one for each job",
    )
    sender: str = _key("", "whom new folders are from, best an address that can be replied to")
    recipient: str = _key("", "whom new folders are to")
    preflight_seconds: int = _key(3600, "how long a file's preflight is followed", low=10, high=7 * DAY)
    upload_url_key: str = _key("", "name of the upload URL in Box's answer", default_text="told by its look")
    fetch_url_key: str = _key("", "name of the URL that Box fetches from there", default_text="told by its look")


@dataclass(frozen=True, slots=True)
class BeatConfig:
    """HP Print Beat: the presses' print attempts and state, from HP's cloud to MQTT. Off without a key."""

    key: str = _key("", "key of the role *Print Beat data access*: how the presses are")
    secret_file: Path | None = _key(None, "file with its secret")
    jobs_key: str = _key("", "key of the role *Jobs Enquiries*: print attempts")
    jobs_secret_file: Path | None = _key(None, "file with its secret")
    base_url: str = _key("https://printos.api.hp.com/printbeat", "where Print Beat is", pattern=r"https?://\S+")
    devices: tuple[str, ...] = _key(
        (),
        "serial numbers of the presses, 100 at the most",
        pattern=r"[A-Za-z0-9._-]{1,64}",
        default_text="those of the approved printers",
    )
    devices_as: Literal["repeated", "joined"] = _key(
        "repeated", "how several presses stand in a query: `devices=A&devices=B`, or `devices=A,B`"
    )
    interval: int = _key(300, "seconds between two polls", low=60, high=DAY)
    begin: Literal["now", "beginning"] = _key(
        "now", "which attempts are told at the first start: those to come, or all"
    )
    unit_system: Literal["Metric", "Imperial"] = _key("Metric", "the units of what is told")


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Jobs on the disk."""

    max_bytes: int = _key(1024 * MIB, "bytes that all documents may take", low=MIB, high=1 << 42)
    max_job_bytes: int = _key(100 * MIB, "bytes that one document may have", low=1024, high=1 << 40)
    keep: int = _key(7 * DAY, "seconds that an ended job is remembered", low=60, high=366 * DAY)
    max_age: int = _key(DAY, "seconds that a job may wait here or in the broker", low=60, high=366 * DAY)
    after_outage: Literal["print", "hold", "drop"] = _key(
        "print", "what becomes of jobs that waited through an outage of the broker link or of the agent"
    )
    outage_seconds: int = _key(3600, "seconds that such an outage lasts at least", low=60, high=366 * DAY)


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What each publisher may have in a calendar day of this box; 0 is no limit.

    A publisher is the user that a topic names; all tickets whose topic names no user are one publisher together.
    """

    jobs_per_day: int = _key(0, "jobs accepted", low=0, high=COUNT_MAX)
    bytes_per_day: int = _key(0, "bytes of their documents", low=0, high=1 << 50)
    pages_per_day: int = _key(
        0, "impressions printed; the job with which it is reached is printed whole", low=0, high=COUNT_MAX
    )


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """The account of what each has printed, which `printos-agent jobs export` writes."""

    keep: int = _key(400 * DAY, "seconds that an ended job stays in the account", low=DAY, high=3660 * DAY)
    max_jobs: int = _key(100_000, "jobs in it at the most; the oldest go first", low=1000, high=10_000_000)


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """Documents that a ticket names by their URL."""

    allowed_hosts: tuple[str, ...] = _key(
        (),
        "names and addresses of the hosts that documents are fetched from, on any port; each may be private, but this"
        " box and its link (loopback, link-local) only where the very address is listed",
        pattern=HOST_PATTERN,
        default_text="none: tickets with a URL are refused",
    )
    max_bytes: int = _key(
        100 * MIB, "bytes that a fetched document may have; spool.max_job_bytes holds too", low=1024, high=1 << 40
    )
    ca_file: Path | None = _key(None, "certificates to trust", default_text="the system's")


@dataclass(frozen=True, slots=True)
class SiteflowConfig:
    """HP Site Flow, as a destination of documents: each becomes an order."""

    key: str = _key("", "token of a key that may create and query orders; empty: Site Flow is not used")
    secret_file: Path | None = _key(None, "file with its secret")
    signing: Literal["oneflow", "printos"] = _key(
        "oneflow", "how requests are signed: Site Flow's own way, or that of the old route through PrintOS"
    )
    base_url: str = _key("", "where Site Flow is", pattern=r"https?://\S+", default_text="by signing")
    orders_url: str = _key(
        "",
        "where orders are created, such as https://orders.oneflow.io, which makes them later",
        pattern=r"https?://\S+",
        default_text="base_url",
    )
    account: str = _key("", "account id, for the key of a service user", pattern=r"[^\s/]+")
    destination: str = _key("", "account that orders go to where the ticket names none")
    order_file: Path | None = _key(None, "JSON file with what every order has unless its ticket says otherwise")
    validate: bool = _key(default=True, about="have Site Flow validate each order before its document is uploaded")
    completed_at: Literal["accepted", "printready", "printed", "shipped"] = _key(
        "shipped", "what Site Flow must have done with an order for its job to be completed"
    )
    errored: Literal["aborted", "stopped"] = _key(
        "aborted", "state of the job of an order in error: people can mend some of those in Site Flow"
    )
    poll_interval: int = _key(60, "seconds between two looks at an order, at the most", low=1, high=3600)
    upload_url_key: str = _key("", "name of the upload URL's field in the answer", default_text="found by its words")
    fetch_url_key: str = _key("", "name of the fetch URL's field", default_text="found by its words")
    postback_token_file: Path | None = _key(
        None, "file with the token of postbacks, which `[web]` then takes at /siteflow/postback"
    )
    postback_id_keys: tuple[str, ...] = _key(
        (), "names of the field with the order's own id in postbacks", default_text="sourceOrderId"
    )
    postback_status_keys: tuple[str, ...] = _key((), "names of the field with its status", default_text="status")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web listener."""

    listen: str = _key(
        "", "address and port, such as 127.0.0.1:8080; empty: none", pattern=r"(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):[0-9]{1,5}"
    )


@dataclass(frozen=True, slots=True)
class HotFolderConfig:
    """The hot folders: files that are dropped in the `hot_folder` of a `[[printer]]` are printed on it."""

    settle_seconds: int = _key(5, "seconds that a file must not have changed before it is taken", low=1, high=3600)
    wait_seconds: int = _key(
        3600,
        "seconds that a document which is not whole waits for the rest, and a JDF for its document",
        low=10,
        high=7 * DAY,
    )
    jdf_wait_seconds: int = _key(0, "seconds that a document waits for a JDF which may still come", low=0, high=3600)
    fidelity: Literal["strict", "best-effort"] = _key(
        "strict", "what becomes of a JDF that asks for what the printer can't do: refused, or printed without that"
    )
    keep: int = _key(7 * DAY, "seconds that a printed file stays in `done`; 0 for not at all", low=0, high=366 * DAY)
    keep_bytes: int = _key(
        1024 * MIB, "bytes that `done` and `failed` of one folder may take; the oldest go first", low=0, high=1 << 42
    )


@dataclass(frozen=True, slots=True)
class PrinterConfig:
    """One `[[printer]]`: which printer it is, and what to do differently for it."""

    uuid: str = _key("", "match by uuid", pattern=r"(urn:uuid:)?[0-9A-Fa-f-]{8,64}")
    serial: str = _key("", "match by serial number")
    mac: str = _key("", "match by MAC address", pattern=r"[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}")
    host: str = _key("", "match by address", pattern=PLACE_PATTERN)
    uris: tuple[str, ...] = _key((), "where it is, such as ipp://192.0.2.7:631/ipp/print; needs no discovery")
    alias: str = _key("", "name that is valid wherever an id is", pattern=ID_PATTERN)
    name: str = _key("", "what people call it")
    location: str = _key("", "where it stands")
    drivers: tuple[Literal["ipp", "hp-rest", "ledm", "cdm", "snmp", "raw"], ...] = _key(
        (), "the drivers that may be used, best first", default_text="chosen by what answers"
    )
    raw: Literal["auto", "pjl", "bare"] = _key(
        "auto",
        "documents to port 9100: in PJL, bare, or `auto`: in PJL where the printer says elsewhere that it speaks it",
    )
    credentials_file: Path | None = _key(
        None, "TOML file with username and password, or token, or client_cert_file and client_key_file"
    )
    hot_folder: Path | None = _key(
        None, "folder whose files are printed here; an absolute path, of this printer alone", pattern=r"/.+"
    )
    printos_type: str = _key("", "PrintOS device type, such as IndigoPress; `printos-agent types` lists them")
    printos_model: str = _key("", "PrintOS model", default_text="the printer's make and model")


@dataclass(frozen=True, slots=True)
class UserConfig:
    """One `[[user]]`: a publisher whose limits differ from those of everybody, `[limits]`."""

    name: str = _key("", "the user as topics name it", pattern=r"[^/+#]{1,255}")
    jobs_per_day: int | None = _key(None, "jobs accepted", low=0, high=COUNT_MAX, default_text=AS_EVERYBODY)
    bytes_per_day: int | None = _key(None, "bytes of their documents", low=0, high=1 << 50, default_text=AS_EVERYBODY)
    pages_per_day: int | None = _key(None, "impressions printed", low=0, high=COUNT_MAX, default_text=AS_EVERYBODY)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of agent.toml, with every default filled in."""

    agent: AgentConfig = AgentConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    snmp: SnmpConfig = SnmpConfig()
    mqtt: MqttConfig = MqttConfig()
    printos: PrintosConfig = PrintosConfig()
    box: BoxConfig = BoxConfig()
    beat: BeatConfig = BeatConfig()
    spool: SpoolConfig = SpoolConfig()
    fetch: FetchConfig = FetchConfig()
    limits: LimitsConfig = LimitsConfig()
    account: AccountConfig = AccountConfig()
    siteflow: SiteflowConfig = SiteflowConfig()
    web: WebConfig = WebConfig()
    hot_folder: HotFolderConfig = HotFolderConfig()
    printers: tuple[PrinterConfig, ...] = ()
    users: tuple[UserConfig, ...] = ()
    path: Path | None = None

    @property
    def socket_path(self) -> Path:
        """Where the running agent listens for the command line: in /run for the service, else in its state folder."""
        if self.agent.state_dir == DEFAULT_STATE_DIR:
            return Path("/run/printos-agent/agent.sock")
        return self.agent.state_dir / "agent.sock"

    @property
    def store_file(self) -> Path:
        """The SQLite file with the registry, the jobs and the outbox."""
        return self.agent.state_dir / "agent.db"

    @property
    def documents_folder(self) -> Path:
        """Where the documents of jobs are."""
        return self.agent.state_dir / "documents"

    @property
    def uploads_folder(self) -> Path:
        """Where documents from the command line are until they are jobs."""
        return self.agent.state_dir / "uploads"

    @property
    def credentials_folder(self) -> Path:
        """Where the sealed logins of PrintOS devices are."""
        return self.agent.state_dir / "credentials"

    @property
    def made_devices_file(self) -> Path:
        """What remembers, outside of the state folder, which PrintOS devices were made from this box."""
        if self.agent.state_dir == DEFAULT_STATE_DIR:
            return Path("/var/lib/printos-agent-devices/made-devices")
        return self.seal_key_file.with_name("made-devices")

    @property
    def seal_key_file(self) -> Path:
        """The key that seals them where systemd passes none: beside agent.toml, not beside what it seals."""
        return (self.path or self.agent.state_dir).parent / "seal-key"


SECTIONS: dict[str, type] = {
    "agent": AgentConfig,
    "discovery": DiscoveryConfig,
    "snmp": SnmpConfig,
    "mqtt": MqttConfig,
    "printos": PrintosConfig,
    "box": BoxConfig,
    "beat": BeatConfig,
    "spool": SpoolConfig,
    "fetch": FetchConfig,
    "limits": LimitsConfig,
    "account": AccountConfig,
    "siteflow": SiteflowConfig,
    "web": WebConfig,
    "hot_folder": HotFolderConfig,
}
TABLES: dict[str, type] = {"printer": PrinterConfig, "user": UserConfig}
"""What may stand there any number of times, as `[[printer]]`."""
