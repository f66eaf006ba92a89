"""What a DNS-SD record of a printer says (RFC 6763, Apple's Bonjour Printing Specification), as a `Sighting`. Pure.

What is announced proves nothing: discovery asks the host itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from urllib.parse import SplitResult, urlsplit

from agent.command_set import parse_command_set
from agent.endpoints import bracketed
from agent.identity import credible
from agent.model import Identity, Sighting

TXT_LIMIT_BYTES = 8192
TXT_STRING_LIMIT = 255
TEXT_LIMIT = 127
PATH_LIMIT = 255
LAST_PORT = 65_535
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


def parse_service(service: Service, *, loopback: bool, attached: Iterable[IPv4Network] = ()) -> Sighting | NotAPrinter:
    """Tell a printer from a queue shared by a computer, a USB printer on loopback, and other things.

    Args:
        service: as announced.
        loopback: whether loopback addresses are printers to us, as in the demo; otherwise ipp-usb lives there.
        attached: the networks that we are attached to; of several addresses one in these is taken.
    """
    hosts = _usable_hosts(service.addresses, loopback=loopback, attached=tuple(attached))
    reason = _reason_against(service) or (None if hosts else _reason_without_host(service))
    if reason:
        shown = next(iter((*hosts, *service.addresses)), service.server)
        return NotAPrinter(_clean(service.instance), _clean(shown), reason)
    return Sighting(
        source="mdns",
        host=hosts[0],
        uris=_uris(service, hosts[0]),
        identity=_identity(service),
        document_formats=_document_formats(service.txt.get("pdl", "")),
        command_set=parse_command_set(service.txt.get("usb_cmd", "")),
        other_hosts=hosts[1:],
    )


def _reason_against(service: Service) -> str | None:
    txt = service.txt
    resource = txt.get("rp", "").lstrip("/").lower()
    is_cups = (
        "printer-type" in txt
        or resource.startswith(("printers/", "classes/"))
        or re.search(r":631/(printers|classes)/", txt.get("adminurl", ""))
    )
    is_silent = service.type in ("_printer._tcp", "_pdl-datastream._tcp") and not _make_and_model(txt)
    reasons = (
        (not 0 < service.port <= LAST_PORT, "offers no port"),
        (is_cups, "a queue that a computer shares (CUPS)"),
        ("usb_hwid" in txt, "a USB printer that a computer shares (ipp-usb)"),
        (resource.endswith("faxout"), "a fax"),
        (is_silent, "does not say that it is a printer"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _reason_without_host(service: Service) -> str:
    if any(_is_loopback(address) for address in service.addresses):
        return "on loopback only: a USB printer (ipp-usb)"
    return "tells no address"


def _usable_hosts(addresses: tuple[str, ...], *, loopback: bool, attached: tuple[IPv4Network, ...]) -> tuple[str, ...]:
    """Rank the addresses, the same way each time: IPv4 before IPv6, near before far, link-local ones last."""

    def rank(address: str) -> tuple[bool, bool, bool, int]:
        parsed = ipaddress.ip_address(address)
        is_far = not any(parsed in network for network in attached)
        return parsed.is_link_local, parsed.version == 6, is_far, int(parsed)  # noqa: PLR2004 - IPv6

    usable = (it for it in addresses if _is_reachable(it) and (loopback or not _is_loopback(it)))
    return tuple(sorted(dict.fromkeys(usable), key=rank))


def _is_address(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


def _is_reachable(address: str) -> bool:
    """Whether it says where to connect to: a link-local IPv6 address does so only with its scope."""
    if not _is_address(address):
        return False
    parsed = ipaddress.ip_address(address)
    return not (parsed.version == 6 and parsed.is_link_local and "%" not in address)  # noqa: PLR2004 - IPv6


def _is_loopback(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def _identity(service: Service) -> Identity:
    txt = service.txt
    told = Identity(
        uuid=txt.get("uuid"),
        serial=_clean(txt.get("usb_ser", "")),
        mac=txt.get("mac"),
        make_and_model=_make_and_model(txt),
        name=_clean(service.instance) or None,
        location=_clean(txt.get("note", "")) or None,
    )
    return credible(told)


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


def _clean(text: str, limit: int = TEXT_LIMIT) -> str:
    return "".join(character for character in text if character.isprintable())[:limit].strip()
