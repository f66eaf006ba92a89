"""What the agent is made of: the middle is built here, and each side of it in a file of its own.

    agent.parts_lan        printers are found, told apart and asked how they are -> Registry
    agent.parts_mqtt       tickets come in -> Spool; commands -> Operations; Outbox -> what is told
    agent.parts_incoming   documents from the web and from hot folders -> Spool
    agent.parts_printos    the printers in PrintOS; Box and Site Flow take jobs; Print Beat tells of presses

In the middle jobs go from the Spool through the Dispatcher to a printer or a cloud, and all that is to be told waits in
the Outbox. The command line comes in by the ControlServer.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from agent.accounts import Accounts
from agent.box_memory import read_files, read_folders
from agent.config_schema import Config
from agent.control import ControlServer
from agent.counters import Counters
from agent.credential_commands import CredentialCommands
from agent.destinations import Destinations
from agent.dispatcher import Dispatcher
from agent.health import Health
from agent.identity import IDENTITY_CONFLICT
from agent.inventory import Inventory
from agent.loop import beat
from agent.model import PrinterState, utc_now
from agent.operations import Operations
from agent.outbox import Outbox
from agent.parts_incoming import IncomingParts
from agent.parts_lan import LanParts
from agent.parts_mqtt import MqttParts
from agent.parts_printos import PrintosParts
from agent.registry import Registry
from agent.restatement import Restatement
from agent.secret_files import read_secret
from agent.spool import Spool
from agent.store import Store

if TYPE_CHECKING:
    from agent.web import WebServer


class Parts:
    """Every part of the agent, built and joined together; nothing is opened and nothing runs yet.

    Raises:
        ConfigError: a secret can't be read.
    """

    def __init__(self, config: Config) -> None:
        self._build_memory(config)
        self.lan = LanParts(config, registry=self.registry)
        self.printos = PrintosParts(
            config, store=self.store, outbox=self.outbox, registry=self.registry, spool=self.spool
        )
        self.incoming = IncomingParts(
            config, store=self.store, outbox=self.outbox, registry=self.registry, spool=self.spool
        )
        self._build_dispatcher()
        self._build_inventory()
        self._build_mqtt(config)
        self._build_control(config)
        self._build_web(config)

    def _build_memory(self, config: Config) -> None:
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

    def _build_dispatcher(self) -> None:
        self.destinations = Destinations(find_printer=self.lan.discovery.find, clouds=self.printos.targets)
        self.dispatcher = Dispatcher(
            attempts=self.spool.attempts,
            find_printer=self.registry.find,
            target_for=self.lan.identity_check.target_for,
            paused=self._left_alone,
            beat=beat,
            clouds=self.printos.targets,
            online=lambda: [printer.id for printer in self.registry.printers() if printer.online],
            stopped=lambda: [
                printer.id for printer in self.registry.printers() if printer.status.state is PrinterState.STOPPED
            ],
        )
        self.registry.on_online = self.dispatcher.printer_is_back

    def _build_inventory(self) -> None:
        self.counters = Counters(store=self.store, now=utc_now)
        logins = self.printos.devices.logins
        self.inventory = Inventory(
            store=self.store,
            outbox=self.outbox,
            counters=self.counters,
            printers=self.registry.printers,
            device_ids=lambda: {printer_id: login.device_id for printer_id, login in logins().items()},
            now=utc_now,
        )
        self.registry.on_forget = self.inventory.forget

    def _build_mqtt(self, config: Config) -> None:
        boot_id = secrets.token_hex(8)
        self.operations = Operations(
            spool=self.spool,
            registry=self.registry,
            destinations=self.destinations,
            devices=self.printos.devices,
            target_for=self.lan.identity_check.target_for,
            printer_is_back=self.dispatcher.printer_is_back,
            status=lambda: self.health.status(),
            hot_folders=self.incoming.hot_folders.status,
        )
        restatement = Restatement(
            store=self.store,
            outbox=self.outbox,
            registry=self.registry,
            spool=self.spool,
            retain_final_jobs=config.mqtt.retain_final_jobs,
            others=(self.inventory.restate, self.printos.beat.restate),
        )
        self.mqtt = MqttParts(
            config,
            boot_id=boot_id,
            spool=self.spool,
            outbox=self.outbox,
            operations=self.operations,
            destinations=self.destinations,
            fetch_policy=self.incoming.fetch_policy,
            info=lambda: self.health.info(),
            health=lambda: self.health.health(),
            restate=restatement.restate,
        )
        self.health = Health(
            config=config,
            boot_id=boot_id,
            spool=self.spool,
            outbox=self.outbox,
            registry=self.registry,
            tickets=self.mqtt.tickets,
            commands=self.mqtt.control_session,
            printos=lambda: {**self.printos.cloud.health(), "beat": self.printos.beat.health()},
            destinations=self.destinations.names(),
            hot_folders=self.incoming.hot_folders.status,
        )

    def _build_control(self, config: Config) -> None:
        self.control = ControlServer(
            path=config.socket_path,
            commands={
                **self.operations.commands(),
                **CredentialCommands(self.printos.credentials).commands(),
                "box.folders": lambda _arguments, _document, _progress: read_folders(self.store),
                "box.files": lambda _arguments, _document, _progress: read_files(self.store),
                **self.printos.box_commands,
                **self.inventory.commands(),
            },
            folder=config.uploads_folder,
            limit_bytes=config.spool.max_job_bytes,
        )

    def _build_web(self, config: Config) -> None:
        self.web: WebServer | None = None
        if not config.web.listen:
            return
        from agent.siteflow_postbacks import PATH, Postbacks  # noqa: PLC0415 - only for who listens
        from agent.web import Page, WebServer  # noqa: PLC0415 - the same

        pages: dict[str, Page] = {}
        siteflow = self.printos.siteflow
        if siteflow is not None and config.siteflow.postback_token_file is not None:
            pages[PATH] = Postbacks(
                token=read_secret(config.siteflow.postback_token_file),
                id_keys=config.siteflow.postback_id_keys,
                status_keys=config.siteflow.postback_status_keys,
                hurry=siteflow.hurry,
                wake=lambda: self.dispatcher.printer_is_back("siteflow"),
                tell=self.outbox.put_event,
            ).page
        self.web = WebServer(listen=config.web.listen, pages=pages)

    def _left_alone(self) -> set[str]:
        """Name the printers that get no jobs: people paused them, or another one answers at their address."""
        return {
            printer.id
            for printer in self.registry.printers()
            if printer.paused or IDENTITY_CONFLICT in printer.status.state_reasons
        }
