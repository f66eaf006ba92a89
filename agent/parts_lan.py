"""The side of the printers: how they are found, told apart, asked how they are, and by what they are driven.

mDNS -> Browser, SNMP -> sweep -> Sightings -> Discovery -> Registry <- StatusPoller <- drivers
"""

from __future__ import annotations

from ipaddress import IPv4Network

from agent.config_schema import Config
from agent.discovery import Discovery
from agent.drivers.choose import Drivers
from agent.drivers.embedded_web import Gaps
from agent.drivers.identity_check import IdentityCheck
from agent.drivers.probe import Prober
from agent.mdns import Browser
from agent.model import Identity, Printer, utc_now
from agent.networks import attached_subnets, covers_loopback, mdns_interfaces
from agent.printer_clients import PrinterClients, snmp_client
from agent.registry import Registry
from agent.sightings import Sightings
from agent.status import StatusPoller


class LanParts:
    """What speaks with printers, and fills the registry.

    Raises:
        ConfigError: a secret can't be read.
    """

    def __init__(self, config: Config, *, registry: Registry) -> None:
        self._registry = registry
        subnets = tuple(IPv4Network(subnet) for subnet in config.discovery.subnets)
        self.sightings = Sightings()
        self.clients = PrinterClients()
        self.snmp = snmp_client(config.snmp)
        gaps = Gaps()
        self.drivers = Drivers(
            snmp=self.snmp,
            http_for=lambda printer: self.clients.client_for(registry.config_for(printer)),
            config_for=registry.config_for,
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
        self.status = StatusPoller(registry=registry, source_for=self.drivers.status_source, now=utc_now)
        self.discovery = Discovery(
            registry=registry,
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
        self.status.on_stranger = self._displace
        self.identity_check.on_stranger = self._displace

    def _displace(self, printer: Printer, told: Identity) -> None:
        """Hold the jobs of a printer at whose address another answers, and find out who is where."""
        self._registry.displace(printer)
        self.sightings.put_stranger(printer, told)
        self.discovery.hurry()
