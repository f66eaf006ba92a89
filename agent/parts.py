"""What the agent is made of: every part is built here, and joined to the parts that it needs.

LAN  -> Browser, sweep -> Discovery -> Registry <- StatusPoller
MQTT -> Intake -> Spool -> Dispatcher -> drivers -> printer
web -> Fetcher -> Spool              hot folders -> HotFolders -> Spool
Spool, Registry -> Outbox -> Relay -> MQTT          Registry -> Devices, Cloud -> PrintOS
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from functools import cache, partial
from ipaddress import IPv4Network
from typing import Any

from agent.accounts import Accounts
from agent.answers import Answers
from agent.beat import Beat, approved_serials
from agent.box_memory import BoxMemory, read_files, read_folders
from agent.clock_watch import ClockWatch
from agent.cloud import Cloud
from agent.cloud_clients import build_box_target, build_print_beat, build_printos, build_siteflow_target, cloud_http
from agent.commands import Commands, command_topics
from agent.config import read_secret
from agent.config_schema import Config, PrinterConfig
from agent.control import ControlServer
from agent.counters import Counters
from agent.credential_commands import CredentialCommands
from agent.credentials import CredentialStore
from agent.destinations import CloudTarget, Destinations
from agent.devices import Devices
from agent.discovery import Discovery
from agent.dispatcher import Dispatcher
from agent.download import resolve, trusted
from agent.drivers.choose import Drivers
from agent.drivers.embedded_web import Gaps
from agent.drivers.identity_check import IdentityCheck
from agent.drivers.probe import Prober
from agent.fetch import Fetcher
from agent.fetch_policy import FetchPolicy
from agent.fetch_transfer import Transfer
from agent.health import Health
from agent.hot_folder import HotFolder
from agent.hot_folder_jobs import HotFolderJobs
from agent.hot_folder_journal import HotFolderJournal
from agent.hot_folder_state import configured_folders
from agent.hot_folders import HotFolders
from agent.identity import IDENTITY_CONFLICT
from agent.inbox import Inbox
from agent.intake import Intake, print_topics
from agent.inventory import Inventory
from agent.loop import beat
from agent.made_devices import MadeDevices
from agent.mdns import Browser
from agent.model import CloudDestination, Command, Identity, Printer, PrinterState, utc_now
from agent.mqtt import BrokerSession
from agent.networks import attached_subnets, covers_loopback, mdns_interfaces
from agent.operations import Operations
from agent.outbox import Note, Outbox
from agent.print_times import PrintTimes
from agent.printer_clients import PrinterClients, snmp_client
from agent.printos.siteflow_target import SiteFlowTarget
from agent.registry import Registry
from agent.relay import Relay, offline_will
from agent.seal_key import seal_keys
from agent.sightings import Sightings
from agent.siteflow_postbacks import PATH as POSTBACK_PATH
from agent.siteflow_postbacks import Postbacks
from agent.spool import Spool
from agent.status import StatusPoller
from agent.store import Store
from agent.web import Page, WebServer
from agent.workload import Workload

TICKETS_IN_MEMORY_BYTES = 32 << 20
COMMANDS_IN_MEMORY_BYTES = 1 << 20
MQTT_LARGEST_PACKET_BYTES = 268_435_455


class Parts:
    """Every part of the agent, built and joined together; nothing is opened and nothing runs yet."""

    def __init__(self, config: Config) -> None:
        self.boot_id = secrets.token_hex(8)
        self._retain_final_jobs = config.mqtt.retain_final_jobs
        self.store = Store(config.store_file)
        self.outbox = Outbox(self.store, now=utc_now)
        self.registry = Registry(store=self.store, outbox=self.outbox, now=utc_now, printers=config.printers)
        accounts = Accounts(
            store=self.store, now=utc_now, limits=config.limits, users=config.users, account=config.account
        )
        self.spool = Spool(
            store=self.store,
            outbox=self.outbox,
            folder=config.documents_folder,
            limits=config.spool,
            retain_final_jobs=config.mqtt.retain_final_jobs,
            now=utc_now,
            accounts=accounts,
        )
        self._cloud_http = cloud_http(config.printos)
        self.clouds: dict[CloudDestination, CloudTarget] = {}
        self._build_box(config)
        self._build_siteflow(config)
        self.print_times = PrintTimes()
        self.spool.on_told = self.print_times.note
        self._build_lan(config)
        self._build_fetch(config)
        self._build_hot_folders(config)
        self._build_cloud(config)
        self._build_inventory()
        self._build_beat(config)
        self._build_mqtt(config)
        self._build_control(config)
        self._build_web(config)

    def _build_siteflow(self, config: Config) -> None:
        self.siteflow: SiteFlowTarget | None = None
        if config.siteflow.key:
            self.siteflow = build_siteflow_target(config.siteflow, self._cloud_http)
            self.clouds["siteflow"] = self.siteflow

    def _build_box(self, config: Config) -> None:
        self.box_memory = BoxMemory(self.store, now=utc_now)
        self.box_commands: dict[str, Command] = {}
        if config.box.key:
            target = build_box_target(config.box, self._cloud_http, self.box_memory)
            self.clouds["box"] = target
            self.box_commands = target.commands()

    def _build_lan(self, config: Config) -> None:
        subnets = tuple(IPv4Network(subnet) for subnet in config.discovery.subnets)
        self.sightings = Sightings()
        self.clients = PrinterClients()
        self.snmp = snmp_client(config.snmp)
        gaps = Gaps()
        self.drivers = Drivers(
            snmp=self.snmp,
            http_for=lambda printer: self.clients.client_for(self.registry.config_for(printer)),
            config_for=self.registry.config_for,
            gaps=gaps,
        )
        prober = Prober(snmp=self.snmp, http_for=lambda _uri: self.clients.probing(), now=utc_now, gaps=gaps)
        self.browser = Browser(
            interfaces=lambda: mdns_interfaces(subnets) if config.discovery.mdns else (),
            loopback=covers_loopback(subnets),
            on_sighting=self.sightings.put,
            attached=attached_subnets,
        )
        self.identity_check = IdentityCheck(
            print_target=self.drivers.print_target, identity_source=self.drivers.identity_source
        )
        self.status = StatusPoller(registry=self.registry, source_for=self.drivers.status_source, now=utc_now)
        self.discovery = Discovery(
            registry=self.registry,
            sightings=self.sightings,
            sweep=self.snmp.sweep if config.discovery.snmp else None,
            examine=prober.examine,
            subnets=config.discovery.subnets,
            attached_subnets=attached_subnets,
            interval_seconds=config.discovery.interval,
            ignore=config.discovery.ignore,
            printers=config.printers,
            poll_soon=self.status.poll_soon,
            now=utc_now,
        )
        self.dispatcher = Dispatcher(
            attempts=self.spool.attempts,
            find_printer=self.registry.find,
            target_for=self.identity_check.target_for,
            paused=self._left_alone,
            beat=beat,
            clouds=self.clouds,
            online=lambda: [printer.id for printer in self.registry.printers() if printer.online],
            stopped=lambda: [
                printer.id for printer in self.registry.printers() if printer.status.state is PrinterState.STOPPED
            ],
        )
        self.destinations = Destinations(find_printer=self.discovery.find, clouds=self.clouds)
        self.registry.on_online = self.dispatcher.printer_is_back
        self.status.on_stranger = self._displace
        self.identity_check.on_stranger = self._displace

    def _build_fetch(self, config: Config) -> None:
        limit_bytes = min(config.fetch.max_bytes, config.spool.max_job_bytes)
        self.fetch_policy = FetchPolicy(config.fetch.allowed_hosts, limit_bytes=limit_bytes)
        transfer = Transfer(
            policy=self.fetch_policy,
            resolve=resolve,
            trust=cache(partial(trusted, config.fetch.ca_file)),
            documents=self.spool.incoming,
        )
        self.fetcher = Fetcher(documents=self.spool.incoming, transfer=transfer, beat=beat)

    def _build_hot_folders(self, config: Config) -> None:
        journal = HotFolderJournal(self.store, now=utc_now)
        watch = ClockWatch(now=utc_now, monotonic=time.monotonic)
        folders = [
            HotFolder(
                path=folder,
                name=name,
                settings=config.hot_folder,
                find_printer=partial(self._printer_of, printer),
                jobs=HotFolderJobs(
                    path=folder,
                    settings=config.hot_folder,
                    spool=self.spool,
                    journal=journal,
                    tell=self.outbox.put_event,
                    may_judge_age=watch.is_settled,
                ),
                store=self.store,
                journal=journal,
                tell=self.outbox.put_event,
            )
            for printer, folder, name in configured_folders(config.printers)
        ]
        self.hot_folders = HotFolders(folders, journal=journal)
        self.spool.on_end = journal.note_end

    def _build_cloud(self, config: Config) -> None:
        keys = seal_keys(config.seal_key_file, apart_from=config.agent.state_dir)
        self.credentials = CredentialStore(config.credentials_folder, keys=keys)
        printos = build_printos(config.printos, self._cloud_http)
        self.devices = Devices(
            printos=printos,
            registry=self.registry,
            credentials=self.credentials,
            made=MadeDevices(config.made_devices_file),
            tell=self.outbox.put_event,
        )
        self.cloud = Cloud(
            printos=printos,
            printers=self.registry.printers,
            devices=self.devices,
            workload=Workload(
                spool=self.spool,
                times=self.print_times,
                now=utc_now,
                with_latest="jobs" in config.printos.extended_information,
            ),
            status_interval_seconds=config.printos.status_interval,
        )

    def _build_inventory(self) -> None:
        self.counters = Counters(store=self.store, now=utc_now)
        self.inventory = Inventory(
            store=self.store,
            outbox=self.outbox,
            counters=self.counters,
            printers=self.registry.printers,
            device_ids=lambda: {printer_id: login.device_id for printer_id, login in self.devices.logins().items()},
            now=utc_now,
        )
        self.registry.on_forget = self.inventory.forget

    def _build_beat(self, config: Config) -> None:
        self.beat = Beat(
            print_beat=build_print_beat(config.beat, self._cloud_http),
            devices=lambda: config.beat.devices or approved_serials(self.registry.printers()),
            store=self.store,
            outbox=self.outbox,
            interval_seconds=config.beat.interval,
            begin=config.beat.begin,
        )

    def _build_mqtt(self, config: Config) -> None:
        base = config.mqtt.base_topic
        answers = Answers(outbox=self.outbox, response_topics=config.mqtt.response_topics)
        self.ticket_inbox = Inbox(limit_bytes=TICKETS_IN_MEMORY_BYTES)
        self.command_inbox = Inbox(limit_bytes=COMMANDS_IN_MEMORY_BYTES)
        self.tickets = BrokerSession(
            client_id=f"printos-agent-{config.agent.id}",
            settings=config.mqtt,
            session_expiry_seconds=config.spool.max_age,
            maximum_packet_bytes=min(MQTT_LARGEST_PACKET_BYTES, config.spool.max_job_bytes * 4 // 3 + 65_536),
            subscriptions=print_topics(base),
            on_message=lambda message: self.intake.receive(message),
            on_connect=lambda info: self.intake.connected(info),
            on_disconnect=lambda: self.intake.disconnected(),
        )
        self.control_session = BrokerSession(
            client_id=f"printos-agent-{config.agent.id}-ctl",
            settings=config.mqtt,
            session_expiry_seconds=config.spool.max_age,
            maximum_packet_bytes=COMMANDS_IN_MEMORY_BYTES,
            subscriptions=command_topics(base),
            on_message=lambda message: self.commands.receive(message),
            on_connect=lambda info: self.relay.connected(info),
            on_disconnect=lambda: self.relay.disconnected(),
            will=offline_will(base, self.boot_id),
        )
        self.health = Health(
            config=config,
            boot_id=self.boot_id,
            spool=self.spool,
            outbox=self.outbox,
            registry=self.registry,
            tickets=self.tickets,
            commands=self.control_session,
            printos=lambda: {**self.cloud.health(), "beat": self.beat.health()},
            destinations=self.destinations.names(),
            hot_folders=self.hot_folders.status,
        )
        self.operations = Operations(
            spool=self.spool,
            registry=self.registry,
            destinations=self.destinations,
            devices=self.devices,
            target_for=self.identity_check.target_for,
            printer_is_back=self.dispatcher.printer_is_back,
            status=self.health.status,
            hot_folders=self.hot_folders.status,
        )
        self.intake = Intake(
            spool=self.spool,
            answers=answers,
            fetch_policy=self.fetch_policy,
            destinations=self.destinations,
            base_topic=base,
            inbox=self.ticket_inbox,
            ack=self.tickets.ack,
            leave=self.tickets.leave,
            rejoin=self.tickets.rejoin,
            now=utc_now,
        )
        self.commands = Commands(
            operations=self.operations,
            answers=answers,
            base_topic=base,
            inbox=self.command_inbox,
            ack=self.control_session.ack,
        )
        self.relay = Relay(
            outbox=self.outbox,
            publish=self.control_session.publish,
            base_topic=base,
            boot_id=self.boot_id,
            info=self.health.info,
            health=self.health.health,
            restate=self._restate,
        )

    def _build_control(self, config: Config) -> None:
        self.control = ControlServer(
            path=config.socket_path,
            commands={
                **self.operations.commands(),
                **CredentialCommands(self.credentials).commands(),
                "box.folders": lambda _arguments, _document, _progress: read_folders(self.store),
                "box.files": lambda _arguments, _document, _progress: read_files(self.store),
                **self.box_commands,
                **self.inventory.commands(),
            },
            folder=config.uploads_folder,
            limit_bytes=config.spool.max_job_bytes,
        )

    def _build_web(self, config: Config) -> None:
        pages: dict[str, Page] = {}
        if self.siteflow is not None and config.siteflow.postback_token_file is not None:
            pages[POSTBACK_PATH] = Postbacks(
                token=read_secret(config.siteflow.postback_token_file),
                id_keys=config.siteflow.postback_id_keys,
                status_keys=config.siteflow.postback_status_keys,
                hurry=self.siteflow.hurry,
                wake=lambda: self.dispatcher.printer_is_back("siteflow"),
                tell=self.outbox.put_event,
            ).page
        self.web = WebServer(listen=config.web.listen, pages=pages) if config.web.listen else None

    def _displace(self, printer: Printer, told: Identity) -> None:
        """Hold the jobs of a printer at whose address another answers, and find out who is where."""
        self.registry.displace(printer)
        self.sightings.put_stranger(printer, told)
        self.discovery.hurry()

    def _printer_of(self, config: PrinterConfig) -> Printer | None:
        """Find the printer of a `[[printer]]`; of two, the one that another has not taken the place of."""
        found = [printer for printer in self.registry.printers() if self.registry.config_for(printer) is config]
        return min(found, key=lambda it: IDENTITY_CONFLICT in it.status.state_reasons, default=None)

    def _left_alone(self) -> set[str]:
        """Name the printers that get no jobs: people paused them, or another one answers at their address."""
        return {
            printer.id
            for printer in self.registry.printers()
            if printer.paused or IDENTITY_CONFLICT in printer.status.state_reasons
        }

    def _restate(self, has_forgotten: bool) -> None:
        """Put retained topics into the outbox again, those of ended jobs only for a broker that has forgotten them."""
        with self.store.transaction():
            for printer in self.registry.printers():
                state = b"online" if printer.online else b"offline"
                self.outbox.put(Note(f"printers/{printer.id}", _payload(printer.to_json()), retain=True))
                self.outbox.put(Note(f"printers/{printer.id}/availability", state, retain=True))
            for job in self.spool.jobs(live=not (has_forgotten and self._retain_final_jobs)):
                self.outbox.put(Note(f"jobs/{job.id}", _payload(job.to_json()), retain=True))
        if has_forgotten:
            self.inventory.restate()
            self.beat.restate()


def _payload(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
