"""What a pretended printer says of itself by mDNS, in the words of the Bonjour Printing Specification."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from zeroconf import ServiceInfo, Zeroconf

from agent.simulator.engine import PrinterEngine

LOOPBACK = ("127.0.0.1",)
IPP = "_ipp._tcp.local."
RAW = "_pdl-datastream._tcp.local."


class MdnsFront:
    """Announces services of one printer.

    Args:
        engine: the printer.
        host: the IPv4 address that the services are on.
        ports: the TCP port by service type, such as `_ipp._tcp.local.`.
        interfaces: the addresses of the interfaces to announce on.
    """

    def __init__(
        self,
        engine: PrinterEngine,
        *,
        host: str,
        ports: Mapping[str, int],
        interfaces: Sequence[str] = LOOPBACK,
    ) -> None:
        self._engine = engine
        self._host = host
        self._ports = ports
        self._interfaces = interfaces
        self._zeroconf: Zeroconf | None = None

    def start(self) -> None:
        """Announce, once it is sure that the names are free."""
        self._zeroconf = Zeroconf(interfaces=list(self._interfaces))
        for service_type, port in self._ports.items():
            self._zeroconf.register_service(self._service(service_type, port), allow_name_change=True)

    def withdraw(self) -> None:
        """Say goodbye, as a printer does that is switched off by its button."""
        if self._zeroconf is not None:
            self._zeroconf.unregister_all_services()

    def stop(self) -> None:
        """Say goodbye and fall silent."""
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None

    def _service(self, service_type: str, port: int) -> ServiceInfo:
        identity = self._engine.identity
        mark = (identity.serial or "0")[-6:]
        return ServiceInfo(
            service_type,
            f"{identity.name or identity.make_and_model} [{mark}].{service_type}",
            parsed_addresses=[self._host],
            port=port,
            server=f"SIM{mark}-{ipaddress.ip_address(self._host).packed.hex()}.local.",
            properties=self._txt(service_type),
        )

    def _txt(self, service_type: str) -> dict[str, str]:
        identity, capabilities = self._engine.identity, self._engine.capabilities()
        model = identity.make_and_model or "Printer"
        maker, _, name = model.partition(" ")
        is_ipp = service_type == IPP
        return {
            "txtvers": "1",
            "qtotal": "1",
            **({"rp": "ipp/print"} if is_ipp else {}),
            "ty": model,
            "product": f"({model})",
            "pdl": ",".join(capabilities.document_formats),
            "UUID": identity.uuid or "",
            "usb_MFG": maker,
            "usb_MDL": name,
            **({"usb_CMD": ",".join(capabilities.command_set)} if capabilities.command_set else {}),
            "note": identity.location or "",
            "priority": "20" if is_ipp else "40",
            "adminurl": f"http://{self._host}/",
            "Color": _flag("color" in capabilities.options.get("print-color-mode", ())),
            "Duplex": _flag(len(capabilities.options.get("sides", ())) > 1),
            **({"mac": identity.mac} if identity.mac else {}),
        }


def _flag(value: bool) -> str:
    return "T" if value else "F"
