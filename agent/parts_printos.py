"""The side of HP's cloud: the printers in PrintOS, Box and Site Flow as destinations of jobs, Print Beat.

Registry -> Devices, Cloud -> PrintOS    Spool -> Box, Site Flow    Print Beat -> Beat -> Outbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.activation import product_of
from agent.beat import Beat, approved_serials
from agent.box_memory import BoxMemory
from agent.cloud import Cloud
from agent.cloud_clients import build_box_target, build_print_beat, build_printos, build_siteflow_target, cloud_http
from agent.config_schema import Config
from agent.credentials import CredentialStore
from agent.destinations import CloudTarget
from agent.devices import Devices
from agent.http import HttpClient
from agent.job import CloudDestination
from agent.made_devices import MadeDevices
from agent.model import Command, utc_now
from agent.outbox import Outbox
from agent.print_times import PrintTimes
from agent.registry import Registry
from agent.seal_key import seal_keys
from agent.spool import Spool
from agent.store import Store
from agent.workload import Workload

if TYPE_CHECKING:
    from agent.printos.siteflow_target import SiteFlowTarget


class PrintosParts:
    """What speaks with HP's services; `targets` are those of them that take jobs, by the name that tickets have.

    Raises:
        ConfigError: a secret can't be read.
    """

    def __init__(self, config: Config, *, store: Store, outbox: Outbox, registry: Registry, spool: Spool) -> None:
        http = cloud_http(config.printos)
        self.targets: dict[CloudDestination, CloudTarget] = {}
        self._build_box(config, http, store)
        self._build_siteflow(config, http)
        self._build_devices(config, http, outbox=outbox, registry=registry, spool=spool)
        self.beat = Beat(
            print_beat=build_print_beat(config.beat, http),
            devices=lambda: (
                config.beat.devices or approved_serials(registry.printers(), lambda it: product_of(it, registry)[2])
            ),
            store=store,
            outbox=outbox,
            interval_seconds=config.beat.interval,
            begin=config.beat.begin,
        )

    def _build_box(self, config: Config, http: HttpClient, store: Store) -> None:
        self.box_memory = BoxMemory(store, now=utc_now)
        self.box_commands: dict[str, Command] = {}
        if config.box.key:
            target = build_box_target(config.box, http, self.box_memory)
            self.targets["box"] = target
            self.box_commands = target.commands()

    def _build_siteflow(self, config: Config, http: HttpClient) -> None:
        self.siteflow: SiteFlowTarget | None = None
        if config.siteflow.key:
            self.siteflow = build_siteflow_target(config.siteflow, http)
            self.targets["siteflow"] = self.siteflow

    def _build_devices(
        self, config: Config, http: HttpClient, *, outbox: Outbox, registry: Registry, spool: Spool
    ) -> None:
        keys = seal_keys(config.seal_key_file, apart_from=config.agent.state_dir)
        self.credentials = CredentialStore(config.credentials_folder, keys=keys)
        printos = build_printos(config.printos, http)
        self.devices = Devices(
            printos=printos,
            registry=registry,
            credentials=self.credentials,
            made=MadeDevices(config.made_devices_file),
            tell=outbox.put_event,
        )
        print_times = PrintTimes()
        spool.on_told = print_times.note
        self.cloud = Cloud(
            printos=printos,
            printers=registry.printers,
            devices=self.devices,
            workload=Workload(
                spool=spool,
                times=print_times,
                now=utc_now,
                with_latest="jobs" in config.printos.extended_information,
            ),
            status_interval_seconds=config.printos.status_interval,
        )
