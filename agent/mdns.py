"""Printers that announce themselves by DNS-SD (RFC 6763, Apple's Bonjour Printing Specification), as `Sighting`s.

`parse_service` is pure; only `Browser` opens sockets. What is announced proves nothing: discovery asks the host itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, urlsplit

import zeroconf

from agent.command_set import parse_command_set
from agent.endpoints import bracketed
from agent.model import Identity, Sighting

log = logging.getLogger(__name__)

SERVICE_TYPES = ("_ipp._tcp.local.", "_ipps._tcp.local.", "_printer._tcp.local.", "_pdl-datastream._tcp.local.")
RESOLVE_TIMEOUT_MS = 3000
UPKEEP_SECONDS = 10.0
TXT_LIMIT_BYTES = 8192
TXT_STRING_LIMIT = 255
TEXT_LIMIT = 127
PATH_LIMIT = 255
LAST_PORT = 65_535
SERVICES_LIMIT = 4096
DEFAULT_RESOURCE = "ipp/print"
HTTP_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Service:
    """One DNS-SD service as it was announced; `type` is such as `_ipp._tcp`, `txt` has its keys in lower case."""

    instance: str
    type: str
    server: str
    port: int
    addresses: tuple[str, ...]
    txt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotAPrinter:
    """A service that looks like a printer's and is not one of ours to use; `reason` is for a person."""

    instance: str
    host: str
    reason: str


def parse_txt(text: bytes) -> dict[str, str]:
    """Read the strings of a TXT record; the first of a repeated key counts, a key without `=` has an empty value."""
    values: dict[str, str] = {}
    text = text[:TXT_LIMIT_BYTES]
    while text:
        length = text[0]
        key, _, value = text[1 : 1 + length].partition(b"=")
        name = _clean(key.decode("utf-8", "replace")).lower()
        if name:
            values.setdefault(name, _clean(value.decode("utf-8", "replace"), TXT_STRING_LIMIT))
        text = text[1 + length :]
    return values


def parse_service(service: Service, *, loopback: bool) -> Sighting | NotAPrinter:
    """Tell a printer from a queue shared by a computer, a USB printer on loopback, and other things.

    Args:
        service: as announced.
        loopback: whether loopback addresses are printers to us, as in the demo; otherwise ipp-usb lives there.
    """
    host = _best_address(service.addresses, loopback=loopback)
    reason = _reason_against(service) or (None if host else _reason_without_host(service))
    if reason or host is None:
        shown = host or next(iter(service.addresses), service.server)
        return NotAPrinter(_clean(service.instance), shown, reason or "tells no address")
    return Sighting(
        source="mdns",
        host=host,
        uris=_uris(service, host),
        identity=_identity(service),
        document_formats=_document_formats(service.txt.get("pdl", "")),
        command_set=parse_command_set(service.txt.get("usb_cmd", "")),
    )


def _reason_against(service: Service) -> str | None:
    txt = service.txt
    if not 0 < service.port <= LAST_PORT:
        return "offers no port"
    if "printer-type" in txt or txt.get("rp", "").startswith(("printers/", "classes/")):
        return "a queue that a computer shares (CUPS)"
    if re.search(r":631/(printers|classes)/", txt.get("adminurl", "")):
        return "a queue that a computer shares (CUPS)"
    if service.type in ("_printer._tcp", "_pdl-datastream._tcp") and not _make_and_model(txt):
        return "does not say that it is a printer"
    return None


def _reason_without_host(service: Service) -> str:
    if any(_is_loopback(address) for address in service.addresses):
        return "on loopback only: a USB printer (ipp-usb)"
    return "tells no address"


def _best_address(addresses: tuple[str, ...], *, loopback: bool) -> str | None:
    """Choose IPv4 before IPv6, and a routable address before a link-local one; an IPv6 one needs its scope kept."""
    usable = [address for address in addresses if _is_address(address) and (loopback or not _is_loopback(address))]
    return min(usable, key=_address_rank, default=None)


def _address_rank(address: str) -> tuple[bool, bool]:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_link_local, parsed.version == 6  # noqa: PLR2004 - IPv6


def _is_address(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_unspecified
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _identity(service: Service) -> Identity:
    txt = service.txt
    return Identity(
        uuid=_uuid(txt.get("uuid", "")),
        serial=_clean(txt.get("usb_ser", "")) or None,
        mac=_mac(txt.get("mac", "")),
        make_and_model=_make_and_model(txt),
        name=_clean(service.instance) or None,
        location=_clean(txt.get("note", "")) or None,
    )


def _make_and_model(txt: Mapping[str, str]) -> str | None:
    """Take `ty`, else the `product` without its brackets, else what the USB keys say."""
    usb = f"{txt.get('usb_mfg') or txt.get('usb_mfc', '')} {txt.get('usb_mdl', '')}"
    candidates = (txt.get("ty", ""), txt.get("product", "").strip("()"), usb)
    return next(filter(None, map(_clean, candidates)), None)


def _uris(service: Service, host: str) -> tuple[str, ...]:
    """Name the endpoints: the announced one, then the root of its web server; LPD is no endpoint of ours."""
    place = f"{bracketed(host)}:{service.port}"
    resource = re.sub(r"[^\x21-\x7e]|[?#]", "", service.txt.get("rp", ""))[:PATH_LIMIT].lstrip("/") or DEFAULT_RESOURCE
    announced = {
        "_ipp._tcp": f"ipp://{place}/{resource}",
        "_ipps._tcp": f"ipps://{place}/{resource}",
        "_pdl-datastream._tcp": f"socket://{place}",
    }.get(service.type)
    return tuple(filter(None, (announced, _web_root(service, host))))


def _web_root(service: Service, host: str) -> str | None:
    """Give the root of the server that `adminurl` names, as long as that is the printer itself."""
    url = _split(service.txt.get("adminurl", ""))
    own_names = {service.server.rstrip(".").casefold(), *service.addresses}
    if url is None or (url.hostname or "").rstrip(".") not in own_names or url.scheme not in HTTP_PORTS:
        return None
    return f"{url.scheme}://{bracketed(host)}:{url.port or HTTP_PORTS[url.scheme]}/"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _document_formats(pdl: str) -> tuple[str, ...]:
    """Read the list of formats; the last of one that was cut at the longest TXT string may be half a word."""
    formats = [name.strip().lower() for name in pdl.split(",")]
    if len(pdl.encode()) >= TXT_STRING_LIMIT - len("pdl="):
        formats.pop()
    return tuple(dict.fromkeys(name for name in formats if re.fullmatch(r"[\w.+-]+/[\w.+-]+", name)))


def _uuid(text: str) -> str | None:
    text = text.strip().lower().removeprefix("urn:uuid:")
    return text if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) and text.strip("0-") else None


def _mac(text: str) -> str | None:
    digits = re.sub(r"[:.-]", "", text.strip().lower())
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not digits.strip("0"):
        return None
    return ":".join(re.findall("..", digits))


def _clean(text: str, limit: int = TEXT_LIMIT) -> str:
    return "".join(character for character in text if character.isprintable())[:limit].strip()


class Browser:
    """Listens for printing services on every interface, also those that come later.

    `interfaces` gives the addresses to listen on. `on_sighting` is called by a thread of zeroconf with every new or
    changed printer and with every goodbye: it must hand over and return. `on_other` hears of what is not a
    printer, and why.
    """

    def __init__(
        self,
        *,
        interfaces: Callable[[], tuple[str, ...]],
        loopback: bool,
        on_sighting: Callable[[Sighting], None],
        on_other: Callable[[NotAPrinter], None] = lambda _other: None,
    ) -> None:
        self._interfaces = interfaces
        self._loopback = loopback
        self._on_sighting = on_sighting
        self._on_other = on_other
        self._present: tuple[str, ...] = ()
        self._refused: tuple[str, ...] = ()
        self._zeroconf: zeroconf.Zeroconf | None = None
        self._browser: zeroconf.ServiceBrowser | None = None
        self._resolving: set[Future[bool]] = set()
        self._told: dict[str, Sighting | NotAPrinter] = {}

    def start(self) -> None:
        """Listen on the interfaces that there are; where there are none yet, `step` keeps trying."""
        self.step()

    def step(self) -> float:
        """Follow the interfaces as they come and go; gives the seconds until the next look."""
        present = self._interfaces()
        if present != self._present:
            self.stop()
            self._listen(present)
        return UPKEEP_SECONDS

    def stop(self) -> None:
        """Stop listening."""
        if self._browser is not None:
            self._browser.cancel()
        for future in tuple(self._resolving):
            future.cancel()
        if self._zeroconf is not None:
            self._zeroconf.close()
        self._browser = self._zeroconf = None
        self._present = ()

    def _listen(self, present: tuple[str, ...]) -> None:
        if not present:
            return
        try:
            self._zeroconf = zeroconf.Zeroconf(interfaces=list(present), ip_version=zeroconf.IPVersion.V4Only)
        except OSError as error:
            if present != self._refused:
                log.warning("mDNS can't listen on %s yet: %s", ", ".join(present), error)
            self._refused = present
            return
        self._present = present
        self._browser = zeroconf.ServiceBrowser(self._zeroconf, list(SERVICE_TYPES), handlers=[self._note_change])
        log.info("listening for printers by mDNS on %s", ", ".join(present))

    def _note_change(
        self,
        zeroconf: zeroconf.Zeroconf,  # the library calls it by these names
        service_type: str,
        name: str,
        state_change: zeroconf.ServiceStateChange,
    ) -> None:
        if state_change.name == "Removed":
            self._say_goodbye(name)
            return
        self._resolve(zeroconf, service_type, name)

    def _resolve(self, listening: zeroconf.Zeroconf, service_type: str, name: str) -> None:
        """Ask for what is not known yet of a service, without holding up the others."""
        loop = listening.loop
        if loop is None or len(self._told) + len(self._resolving) >= SERVICES_LIMIT:
            return
        info = zeroconf.ServiceInfo(service_type, name)
        future = asyncio.run_coroutine_threadsafe(info.async_request(listening, RESOLVE_TIMEOUT_MS), loop)
        self._resolving.add(future)
        future.add_done_callback(lambda done: self._take_resolved(done, info))

    def _take_resolved(self, future: Future[bool], info: zeroconf.ServiceInfo) -> None:
        self._resolving.discard(future)
        try:
            resolved = future.result()
        except (CancelledError, zeroconf.Error) as error:
            log.debug("mDNS: %s was not resolved: %r", info.name, error)
            return
        if resolved:
            self._tell(info.name, parse_service(_service(info), loopback=self._loopback))

    def _tell(self, name: str, found: Sighting | NotAPrinter) -> None:
        if self._told.get(name) == found:
            return
        self._told[name] = found
        if isinstance(found, Sighting):
            self._on_sighting(found)
        else:
            self._on_other(found)

    def _say_goodbye(self, name: str) -> None:
        found = self._told.pop(name, None)
        if isinstance(found, Sighting):
            self._on_sighting(replace(found, gone=True))


def _service(info: zeroconf.ServiceInfo) -> Service:
    """Take what zeroconf resolved over into a value of ours."""
    return Service(
        instance=info.name.removesuffix(f".{info.type}"),
        type=info.type.removesuffix(".local."),
        server=info.server or "",
        port=info.port or 0,
        addresses=tuple(info.parsed_scoped_addresses()),
        txt=parse_txt(info.text or b""),
    )
