"""The keys of agent.toml: what each is called, its type, its default, its range and what it is for.

The table in docs/configuration.md and the checks in `agent.config` are both made from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.config_clouds import BeatConfig, BoxConfig, PrintosConfig, SiteflowConfig
from agent.config_option import DAY, MIB, option

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
FILTER_PATTERN = r"#|(\+|[^#+/]*)(/(\+|[^#+/]*))*(/#)?"
PLACE_PATTERN = r"[^\s/]+"
HOST_PATTERN = r"[A-Za-z0-9_.:-]+"
COUNT_MAX = 1_000_000_000
AS_EVERYBODY = "that of `[limits]`"
DEFAULT_STATE_DIR = Path("/var/lib/printos-agent")


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The gateway itself."""

    id: str = option("", "name of this gateway", pattern=ID_PATTERN, default_text="board serial, else MAC")
    state_dir: Path = option(DEFAULT_STATE_DIR, "where the registry, the spool and the sealed credentials are kept")
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "how much is logged")


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """How printers are found."""

    mdns: bool = option(default=True, about="browse mDNS for printers")
    snmp: bool = option(default=True, about="sweep subnets for printers by SNMP")
    subnets: tuple[str, ...] = option(
        (), "IPv4 networks to sweep, such as 192.0.2.0/24", default_text="the attached ones, up to /22"
    )
    interval: int = option(300, "seconds between two sweeps", low=10, high=DAY)
    ignore: tuple[str, ...] = option((), "addresses, networks, uuids or serials that are never taken in")


@dataclass(frozen=True, slots=True)
class SnmpConfig:
    """How SNMP is spoken."""

    community_file: Path | None = option(
        None, "file with the communities, one a line", default_text="the community `public`"
    )
    version: Literal["auto", "1", "2c", "3"] = option("auto", "`auto` tries 2c, then 1")
    v3_user: str = option("", "user of SNMPv3")
    v3_auth_file: Path | None = option(None, "file with the SNMPv3 authentication password")
    v3_priv_file: Path | None = option(None, "file with the SNMPv3 privacy password")
    v3_auth: Literal["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"] = option(
        "SHA", "how SNMPv3 messages are authenticated"
    )
    v3_priv: Literal["DES", "AES", "AES192", "AES256"] = option("AES", "how SNMPv3 messages are encrypted")
    port: int = option(161, "UDP port of the printers", low=1, high=65_535)
    timeout: int = option(1, "seconds to wait for an answer", low=1, high=60)
    retries: int = option(1, "how often to ask again", low=0, high=10)


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker that jobs come from and state goes to."""

    host: str = option("localhost", "name or address of the broker", pattern=PLACE_PATTERN)
    port: int = option(1883, "its port", low=1, high=65_535, default_text="1883, with tls 8883")
    version: Literal["auto", "5", "3.1.1"] = option("auto", "`auto` is 5, and 3.1.1 where the broker has no 5")
    username: str = option("", "user name at the broker")
    password_file: Path | None = option(None, "file with the password")
    tls: bool = option(default=False, about="speak TLS")
    ca_file: Path | None = option(None, "certificates to trust", default_text="the system's")
    client_cert_file: Path | None = option(None, "certificate to show the broker")
    client_key_file: Path | None = option(None, "its private key")
    base_topic: str = option(
        "", "topic before all others", pattern=r"[^#+/]+(/[^#+/]+)*", default_text="printos/<agent.id>"
    )
    response_topics: tuple[str, ...] = option(
        (),
        "filters that a Response Topic must match",
        pattern=FILTER_PATTERN,
        default_text="<base_topic>/reply/#",
    )
    retain_final_jobs: bool = option(
        default=True, about="keep a job's final state retained until spool.keep has passed"
    )


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Jobs on the disk."""

    max_bytes: int = option(1024 * MIB, "bytes that all documents may take", low=MIB, high=1 << 42)
    max_job_bytes: int = option(100 * MIB, "bytes that one document may have", low=1024, high=1 << 40)
    keep: int = option(7 * DAY, "seconds that an ended job is remembered", low=60, high=366 * DAY)
    max_age: int = option(DAY, "seconds that a job may wait here or in the broker", low=60, high=366 * DAY)
    after_outage: Literal["print", "hold", "drop"] = option(
        "print", "what becomes of jobs that waited through an outage of the broker link or of the agent"
    )
    outage_seconds: int = option(3600, "seconds that such an outage lasts at least", low=60, high=366 * DAY)


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What each publisher may have in a calendar day of this box; 0 is no limit.

    A publisher is the user that a topic names; all tickets whose topic names no user are one publisher together.
    """

    jobs_per_day: int = option(0, "jobs accepted", low=0, high=COUNT_MAX)
    bytes_per_day: int = option(0, "bytes of their documents", low=0, high=1 << 50)
    pages_per_day: int = option(
        0, "impressions printed; the job with which it is reached is printed whole", low=0, high=COUNT_MAX
    )


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """The account of what each has printed, which `printos-agent jobs export` writes."""

    keep: int = option(400 * DAY, "seconds that an ended job stays in the account", low=DAY, high=3660 * DAY)
    max_jobs: int = option(100_000, "jobs in it at the most; the oldest go first", low=1000, high=10_000_000)


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """Documents that a ticket names by their URL."""

    allowed_hosts: tuple[str, ...] = option(
        (),
        "names and addresses of the hosts that documents are fetched from, on any port; each may be private, but this"
        " box and its link (loopback, link-local) only where the very address is listed",
        pattern=HOST_PATTERN,
        default_text="none: tickets with a URL are refused",
    )
    max_bytes: int = option(
        100 * MIB, "bytes that a fetched document may have; spool.max_job_bytes holds too", low=1024, high=1 << 40
    )
    ca_file: Path | None = option(None, "certificates to trust", default_text="the system's")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web listener."""

    listen: str = option(
        "", "address and port, such as 127.0.0.1:8080; empty: none", pattern=r"(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):[0-9]{1,5}"
    )


@dataclass(frozen=True, slots=True)
class HotFolderConfig:
    """The hot folders: files that are dropped in the `hot_folder` of a `[[printer]]` are printed on it."""

    settle_seconds: int = option(5, "seconds that a file must not have changed before it is taken", low=1, high=3600)
    wait_seconds: int = option(
        3600,
        "seconds that a document which is not whole waits for the rest, and a JDF for its document",
        low=10,
        high=7 * DAY,
    )
    jdf_wait_seconds: int = option(0, "seconds that a document waits for a JDF which may still come", low=0, high=3600)
    fidelity: Literal["strict", "best-effort"] = option(
        "strict", "what becomes of a JDF that asks for what the printer can't do: refused, or printed without that"
    )
    keep: int = option(7 * DAY, "seconds that a printed file stays in `done`; 0 for not at all", low=0, high=366 * DAY)
    keep_bytes: int = option(
        1024 * MIB, "bytes that `done` and `failed` of one folder may take; the oldest go first", low=0, high=1 << 42
    )


@dataclass(frozen=True, slots=True)
class PrinterConfig:
    """One `[[printer]]`: which printer it is, and what to do differently for it."""

    uuid: str = option("", "match by uuid", pattern=r"(urn:uuid:)?[0-9A-Fa-f-]{8,64}")
    serial: str = option("", "match by serial number")
    mac: str = option("", "match by MAC address", pattern=r"[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}")
    host: str = option("", "match by address", pattern=PLACE_PATTERN)
    uris: tuple[str, ...] = option((), "where it is, such as ipp://192.0.2.7:631/ipp/print; needs no discovery")
    alias: str = option("", "name that is valid wherever an id is", pattern=ID_PATTERN)
    name: str = option("", "what people call it")
    location: str = option("", "where it stands")
    drivers: tuple[Literal["ipp", "hp-rest", "ledm", "cdm", "snmp", "raw"], ...] = option(
        (), "the drivers that may be used, best first", default_text="chosen by what answers"
    )
    raw: Literal["auto", "pjl", "bare"] = option(
        "auto",
        "documents to port 9100: in PJL, bare, or `auto`: in PJL where the printer says elsewhere that it speaks it",
    )
    credentials_file: Path | None = option(
        None, "TOML file with username and password, or token, or client_cert_file and client_key_file"
    )
    hot_folder: Path | None = option(
        None, "folder whose files are printed here; an absolute path, of this printer alone", pattern=r"/.+"
    )
    printos_type: str = option("", "PrintOS device type, such as IndigoPress; `printos-agent types` lists them")
    printos_model: str = option("", "PrintOS model", default_text="the printer's make and model")
    printos_serial: str = option(
        "",
        "serial number of its PrintOS device",
        pattern=r"[A-Za-z0-9-]{1,64}",
        default_text="the one that the printer tells",
    )


@dataclass(frozen=True, slots=True)
class UserConfig:
    """One `[[user]]`: a publisher whose limits differ from those of everybody, `[limits]`."""

    name: str = option("", "the user as topics name it", pattern=r"[^/+#]{1,255}")
    jobs_per_day: int | None = option(None, "jobs accepted", low=0, high=COUNT_MAX, default_text=AS_EVERYBODY)
    bytes_per_day: int | None = option(None, "bytes of their documents", low=0, high=1 << 50, default_text=AS_EVERYBODY)
    pages_per_day: int | None = option(None, "impressions printed", low=0, high=COUNT_MAX, default_text=AS_EVERYBODY)


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
