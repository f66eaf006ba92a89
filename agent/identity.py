"""Whether two identities are one printer: by UUID, else serial and make, else MAC; a contradiction is never merged."""

from __future__ import annotations

import enum
import re
import uuid
from dataclasses import replace

from agent.model import Identity, Printer, PrinterState

IDENTITY_CONFLICT = "identity-conflict"
SHORTEST_SERIAL = 6

_NO_SERIAL = re.compile(
    r"(?i)(.)\1*|[x0*#?. -]+|n/?a|nil|none|null|unknown|undefined|invalid|default|sn|s/n|to be filled.*"
    r"|serial([ _-]?(number|no\.?))?|not? ?(available|applicable|set|specified|present)"
)
_COUNTED_SERIAL = re.compile(r"(?i)0?12345678?9?0?|abcdefgh?")
"""It may be a printer's own, but proves nothing."""
_NO_UUID = re.compile(r"(.)(\1|-)*|.*-(0{12}|f{12})|00000000-0000-1000-8000-00805f9b34fb")
"""All one digit, no node, Bluetooth's base: what firmware has before anybody gave it a UUID of its own."""


@enum.unique
class Likeness(enum.Enum):
    """What comparing two identities comes to."""

    SAME = "same"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


def credible(told: Identity) -> Identity:
    """Leave out of what was told the UUID, serial or MAC that stand for none, or that whole series have in common."""
    return replace(told, uuid=_own_uuid(told.uuid), serial=_own_serial(told.serial), mac=_own_mac(told.mac))


def compare(one: Identity, other: Identity) -> Likeness:
    """Compare two identities by what both of them tell.

    A MAC that differs (a printer may have several, and cards are replaced) counts only where neither UUID nor serial
    can be compared; one that agrees while UUID or serial differs is a conflict, as is one UUID with two serials.
    """
    strong = {_agree_on_uuid(one, other), _agree_on_serial(one, other)}
    mac = _agree_on_mac(one, other)
    agreed = True in strong or mac is True
    if False in strong:
        return Likeness.CONFLICT if agreed else Likeness.DIFFERENT
    if agreed:
        return Likeness.SAME
    return Likeness.UNKNOWN if mac is None else Likeness.DIFFERENT


def contradict(one: Identity, other: Identity) -> bool:
    """Whether something speaks against the two being one printer."""
    return compare(one, other) in (Likeness.DIFFERENT, Likeness.CONFLICT)


def proves(told: Identity, known: Identity) -> bool:
    """Whether what a host told of itself proves that it is the known printer: by UUID or serial, nothing against it."""
    strong = {_agree_on_uuid(told, known), _agree_on_serial(told, known)}
    return True in strong and False not in strong


def answers_as(told: Identity, known: Identity) -> bool:
    """Whether a host that told this may still be taken for the known printer.

    Nothing may speak against it; where neither UUID, serial nor MAC can be compared, another model does.
    """
    if compare(told, known) is Likeness.UNKNOWN:
        return _may_be_one_model(told.make_and_model, known.make_and_model)
    return not contradict(told, known)


def is_surely_one(one: Identity, other: Identity) -> bool:
    """Whether it takes no more than chance to rule out that the two are two: one UUID alone may be a whole series'."""
    evidence = {_agree_on_serial(one, other), _agree(one.mac, other.mac)}
    return True in evidence and not contradict(one, other)


def is_another_model(one: Identity, other: Identity) -> bool:
    """Whether two answers of the same protocols name two models."""
    return _agree(one.make_and_model, other.make_and_model) is False


def _own_uuid(told: str | None) -> str | None:
    try:
        found = str(uuid.UUID((told or "").strip()))
    except ValueError:
        return None
    return None if _NO_UUID.fullmatch(found) else found


def _own_serial(told: str | None) -> str | None:
    found = (told or "").strip()
    return None if not found or _NO_SERIAL.fullmatch(found) else found


def _own_mac(told: str | None) -> str | None:
    """Give the address of one station: neither zero nor a group's."""
    digits = re.sub(r"[:.-]", "", (told or "").strip().lower())
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not digits.strip("0") or int(digits[1], 16) & 1:
        return None
    return ":".join(re.findall("..", digits))


def _agree_on_uuid(one: Identity, other: Identity) -> bool | None:
    return _agree(one.uuid, other.uuid)


def _agree_on_serial(one: Identity, other: Identity) -> bool | None:
    """Compare serials; some protocols append a suffix, as in `7XQ1R92-132-13`.

    None, for it tells nothing, where two makes number alike.
    """
    if not one.serial or not other.serial:
        return None
    short, long = sorted((one.serial.casefold(), other.serial.casefold()), key=len)
    if _COUNTED_SERIAL.fullmatch(short):
        return None
    rest = long.removeprefix(short) if len(short) >= SHORTEST_SERIAL else long
    alike = short == long or (rest != long and not rest[0].isalnum())
    if alike and not _may_be_one_model(one.make_and_model, other.make_and_model):
        return None
    return alike


def _agree_on_mac(one: Identity, other: Identity) -> bool | None:
    """Compare MACs; many a UUID ends in one (RFC 9562, version 1), which agrees or, of another card, tells nothing."""
    if one.mac and other.mac:
        return _agree(one.mac, other.mac)
    mac, uuid_of_other = (one.mac, other.uuid) if one.mac else (other.mac, one.uuid)
    is_its_node = mac and uuid_of_other and uuid_of_other.casefold().endswith(f"-{mac.replace(':', '').casefold()}")
    return True if is_its_node else None


def _may_be_one_model(one: str | None, other: str | None) -> bool:
    return not one or not other or bool(_words(one) & _words(other))


def _words(model: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", model.casefold().replace("hewlett-packard", "hp")))


def _agree(one: str | None, other: str | None) -> bool | None:
    return one.casefold() == other.casefold() if one and other else None


def told_anew(known: Identity, told: Identity) -> Identity:
    """Give what a printer newly tells of itself; what makes it that printer stays as it was first known.

    One that proves itself otherwise may have a new network card.
    """
    proof = {name: getattr(known, name) or getattr(told, name) for name in ("uuid", "serial", "mac")}
    if told.mac and proves(told, known):
        proof["mac"] = told.mac
    return replace(told.or_else(known), **proof)


def displaced(printer: Printer) -> Printer:
    """Give the printer as it is once another answers at its address: offline, its jobs held, its last values kept."""
    reasons = tuple(dict.fromkeys((*printer.status.state_reasons, IDENTITY_CONFLICT)))
    status = replace(printer.status, state=PrinterState.UNKNOWN, state_reasons=reasons, accepting_jobs=False)
    return replace(printer, status=status, online=False)
