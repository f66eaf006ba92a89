"""Whether two identities are one printer: by UUID, else serial and make, else MAC; a contradiction is never merged."""

from __future__ import annotations

import enum
import re
from dataclasses import replace

from agent.model import Identity, Printer, PrinterState

IDENTITY_CONFLICT = "identity-conflict"
SHORTEST_SERIAL = 6


@enum.unique
class Likeness(enum.Enum):
    """What comparing two identities comes to."""

    SAME = "same"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


def compare(one: Identity, other: Identity) -> Likeness:
    """Compare two identities by what both of them tell.

    A MAC that differs (a printer may have several, and cards are replaced) counts only where neither UUID nor serial
    can be compared; one that agrees while UUID or serial differs is a conflict, as is one UUID with two serials.
    """
    strong = {_agree_on_uuid(one, other), _agree_on_serial(one, other)}
    mac = _agree(one.mac, other.mac)
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


def _agree_on_uuid(one: Identity, other: Identity) -> bool | None:
    return _agree(one.uuid, other.uuid)


def _agree_on_serial(one: Identity, other: Identity) -> bool | None:
    """Compare serials; some protocols append a suffix, and two makes may number alike (then None: it tells nothing)."""
    if not one.serial or not other.serial:
        return None
    short, long = sorted((one.serial.casefold(), other.serial.casefold()), key=len)
    alike = short == long or (len(short) >= SHORTEST_SERIAL and long.startswith(short))
    if alike and not _may_be_one_model(one.make_and_model, other.make_and_model):
        return None
    return alike


def _may_be_one_model(one: str | None, other: str | None) -> bool:
    return not one or not other or bool(_words(one) & _words(other))


def _words(model: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", model.casefold().replace("hewlett-packard", "hp")))


def _agree(one: str | None, other: str | None) -> bool | None:
    return one.casefold() == other.casefold() if one and other else None


def told_anew(known: Identity, told: Identity) -> Identity:
    """Give what a printer newly tells of itself; what makes it that printer stays as it was first known."""
    proof = {name: getattr(known, name) or getattr(told, name) for name in ("uuid", "serial", "mac")}
    return replace(told.or_else(known), **proof)


def displaced(printer: Printer) -> Printer:
    """Give the printer as it is once another answers at its address: offline, its jobs held, its last values kept."""
    reasons = tuple(dict.fromkeys((*printer.status.state_reasons, IDENTITY_CONFLICT)))
    status = replace(printer.status, state=PrinterState.UNKNOWN, state_reasons=reasons, accepting_jobs=False)
    return replace(printer, status=status, online=False)
