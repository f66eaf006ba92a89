"""What `doctor` tries of Print Beat: whether each of its keys is taken, and has its role."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from agent.beat_roll import ABOUT_PRESSES
from agent.cli import state
from agent.cli.finding import Finding
from agent.cloud_clients import build_print_beat, cloud_http
from agent.config_schema import Config
from agent.errors import CloudRefusedError, CloudUnreachableError, NotFoundError

FORBIDDEN = 403


def check_beat(config: Config) -> Iterator[Finding]:
    """Ask each half that there is a key for; that is all that doctor says of Print Beat where there is none."""
    with closing(cloud_http(config.printos)) as http:
        print_beat = build_print_beat(config.beat, http)
        if not (print_beat.tells_jobs or print_beat.tells_presses):
            return
        devices = press_serials(config)
        if not devices:
            yield Finding("Print Beat", "warning", "there is no press to ask about", "set beat.devices")
            return
        if print_beat.tells_presses:
            yield _tried("presses", "Print Beat data access", lambda: print_beat.presses(devices).presses)
        if print_beat.tells_jobs:
            yield _tried("jobs", "Jobs Enquiries", lambda: print_beat.newest(devices))


def press_serials(config: Config) -> tuple[str, ...]:
    """Give the presses to ask about: those of the configuration, else the approved printers; perhaps none."""
    if config.beat.devices:
        return config.beat.devices
    try:
        rows = state.read(config, "inventory")
    except NotFoundError:
        return ()
    return tuple(row["serial"] for row in rows if row["approved"] and row["serial"])


def _tried(subject: str, role: str, ask: Callable[[], Sequence[object]]) -> Finding:
    try:
        told = ask()
    except CloudRefusedError as error:
        return Finding("Print Beat", "failed", str(error), _advice(error.status, role), subject=subject)
    except CloudUnreachableError as error:
        return Finding("Print Beat", "warning", str(error), "it is tried again; see beat.base_url", subject=subject)
    return Finding("Print Beat", "ok", f"tells of {len(told)} {subject}", subject=subject)


def _advice(status: int, role: str) -> str:
    if status in ABOUT_PRESSES:
        return "see beat.devices and devices_as: one press that is unknown there has the whole list refused"
    return f"the key needs the role {role}" if status == FORBIDDEN else "see key and secret in [beat]"
