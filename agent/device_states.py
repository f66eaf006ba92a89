"""How a printer can stand with PrintOS: each word of `printos`, what it means, and what a person does about it. Pure.

This table is the only one: activation, the retained topics, `printers`, `doctor` and docs/printos.md tell from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class DeviceState:
    """One word of `printos`.

    Attributes:
        meaning: completes a sentence that begins with the printer's name.
        advice: what to do; `{printer}` stands for its alias or id. Empty where nothing is to be done.
        result: how bad it is, in the words of `doctor`.
    """

    meaning: str
    advice: str
    result: Literal["ok", "warning", "failed"]


AGAIN = "printos-agent activate --printer {printer}"
ANEW = f"{AGAIN} --replace"

STATES: Mapping[str, DeviceState] = MappingProxyType(
    {
        "none": DeviceState("is not approved for PrintOS, nor configured for it", "", "ok"),
        "pending": DeviceState(
            "has no device yet; a person approves it (printers approve), then activates it",
            AGAIN,
            "warning",
        ),
        "activating": DeviceState("is having its device made", "", "ok"),
        "active": DeviceState("has a device, and PrintOS is told its status", "", "ok"),
        "unreachable": DeviceState(
            "has a device, and PrintOS has not been reached with it yet",
            "nothing: it is tried again; the line PrintOS of printos-agent doctor tells what is in the way",
            "warning",
        ),
        "unfinished": DeviceState(
            "may have a device, for the answer with its credentials was lost",
            f"{AGAIN}, which makes that device anew",
            "warning",
        ),
        "type-missing": DeviceState(
            "is approved, and PrintOS needs a type and a model, which are not configured",
            "set printos_type and printos_model in its [[printer]] (printos-agent types lists them), restart the agent",
            "warning",
        ),
        "serial-unusable": DeviceState(
            "is approved, and tells no serial number that PrintOS takes (letters, digits and -)",
            "set printos_serial in its [[printer]], restart the agent",
            "warning",
        ),
        "not-provisionable": DeviceState(
            "is of a type and model that PrintOS gives no credentials, so that its status can't be told",
            f"jobs print all the same; else set another printos_type and printos_model (printos-agent types): {AGAIN}",
            "warning",
        ),
        "other-organisation": DeviceState(
            "has a type, model and serial number that another organisation holds in PrintOS",
            f"have that organisation delete the device, or ask HP; then {AGAIN}",
            "failed",
        ),
        "refused": DeviceState(
            "is refused by PrintOS; printos_message tells what it said",
            f"see to that; a status is tried again by itself; where it has no device yet: {AGAIN}",
            "failed",
        ),
        "credentials-refused": DeviceState(
            "has credentials that PrintOS no longer takes (revoked, or its device was replaced or deleted there)",
            f"look for the device in PrintOS; {ANEW} makes it anew",
            "failed",
        ),
        "revoked": DeviceState(
            "has a device in PrintOS, which no longer takes the credentials of it",
            f"ask who revoked them; {ANEW} makes the device anew",
            "failed",
        ),
        "replaced": DeviceState(
            "had its device made anew from elsewhere, which ended the credentials here",
            f"let one box alone have it; if this one, {ANEW}",
            "failed",
        ),
        "deleted": DeviceState(
            "had a device that somebody deleted in PrintOS",
            f"{AGAIN} makes another; where it was meant, printos-agent printers forget {{printer}}",
            "failed",
        ),
        "credentials-lost": DeviceState(
            "has a device in PrintOS whose credentials are not here",
            f"{ANEW} makes the device anew; what people changed of it in PrintOS is lost",
            "failed",
        ),
        "credentials-unreadable": DeviceState(
            "has sealed credentials that can't be read",
            "see the log; put that right, then restart the agent",
            "failed",
        ),
        "wrong-seal-key": DeviceState(
            "has credentials that the present seal key does not open",
            f"bring the right key back and restart the agent; {ANEW} makes the device anew",
            "failed",
        ),
    }
)

UNSETTLED = frozenset({"none", "pending", "type-missing", "serial-unusable"})
"""What follows from the printer and the configuration alone, and so is judged again whenever these change."""

HERE = frozenset({"activating", "unfinished", "credentials-lost", "credentials-unreadable", "wrong-seal-key"})
"""What is over as soon as the credentials are here."""

OWNED = frozenset(
    {
        "active",
        "unreachable",
        "credentials-refused",
        "revoked",
        "replaced",
        "credentials-lost",
        "credentials-unreadable",
        "wrong-seal-key",
    }
)
"""What says that PrintOS has a device, so that making one would replace it."""

Trace = Literal["there", "replaced", "gone", "unknown"]
"""What PrintOS's list tells of a device: under its id, only its model and serial under another, neither, or no list."""

UNAUTHORIZED = 401
CONFLICT = 409
NOT_FOUND = frozenset({404, 410})
OTHERS = ("another org", "other org", "different org", "another tenant", "another account")


def advice(state: str, printer: str) -> str:
    """Say what to do about a state, of a printer with this id or alias; of a word from elsewhere nothing is known."""
    known = STATES.get(state)
    return known.advice.format(printer=printer) if known else ""


def state_after_refusal(status: int, trace: Trace, *, has_login: bool) -> str:
    """Give the state of a device whose status or login PrintOS refused with this HTTP status.

    Args:
        status: 401 is the login's refusal: a session's is not told as one.
        trace: what is known of the device besides.
        has_login: whether devices have credentials at all.
    """
    if status in NOT_FOUND and trace == "unknown":
        return "refused"
    if status not in NOT_FOUND and not (status == UNAUTHORIZED and has_login):
        return "refused"
    told: Mapping[Trace, str] = {"replaced": "replaced", "gone": "deleted", "unknown": "credentials-refused"}
    return told.get(trace, "revoked" if status == UNAUTHORIZED else "refused")


def state_after_creation(status: int, message: str) -> str:
    """Give the state of a printer whose device PrintOS refused to make.

    HP's documents say that a serial number of another organisation is refused, and not how: a 409, or such words.
    """
    is_others = status == CONFLICT or any(words in message.casefold() for words in OTHERS)
    return "other-organisation" if is_others else "refused"
