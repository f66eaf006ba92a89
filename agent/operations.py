"""What a person or a command message can have the agent do; the same for MQTT and for the command line."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from agent.accounts import parse_selection
from agent.destinations import Destinations
from agent.document_format import HEAD_BYTES, tell_format
from agent.errors import ConflictError, InputError, RefusedError
from agent.hot_folder_state import hot_folder_of
from agent.job import CLOUD_DESTINATIONS, Job, Ticket
from agent.model import Command, Printer, Progress
from agent.registry import Registry
from agent.spool import Spool
from agent.ticket import digest_parts, parse_ticket_keys

log = logging.getLogger(__name__)

Changed = TypeVar("Changed", Job, Printer)


class Devices(Protocol):
    """The printers' devices in PrintOS: `agent.devices.Devices`."""

    def activate(
        self, login: str, password: str, *, printer_ids: list[str] | None, replace: bool, progress: Progress
    ) -> list[dict[str, Any]]:
        """Create the devices of approved printers and give a row a printer."""

    def note_states(self) -> None:
        """Let the registry say how each printer stands with PrintOS."""

    def forget(self, printer_id: str) -> str | None:
        """Drop a printer, its device's session and credentials; gives the device's id in PrintOS, where it stays."""


@runtime_checkable
class Identifiable(Protocol):
    """A driver whose printer can blink or beep."""

    def identify(self) -> None:
        """Have it do so; PrinterRejectedError where this one can't."""


class Operations:
    """The changes that can be asked for; each is on the disk when it returns."""

    def __init__(
        self,
        *,
        spool: Spool,
        registry: Registry,
        destinations: Destinations,
        devices: Devices,
        target_for: Callable[[Printer], object],
        printer_is_back: Callable[[str], None],
        status: Callable[[], dict[str, Any]],
        hot_folders: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self._spool = spool
        self._registry = registry
        self._destinations = destinations
        self._devices = devices
        self._target_for = target_for
        self._printer_is_back = printer_is_back
        self._status = status
        self._hot_folders = hot_folders

    def cancel(self, job_id: str, *, user: str | None = None) -> Job:
        """End a job, also while it prints."""
        return _noted("cancelled", self._spool.cancel(job_id, user=user))

    def release(self, job_id: str, *, pin: str | None = None, user: str | None = None) -> Job:
        """Let a held job print; raises RefusedError for a wrong PIN."""
        return _noted("released", self._spool.release(job_id, pin=pin, user=user))

    def confirm(self, job_id: str, *, attempts: int | None = None) -> Job:
        """Settle an unknown outcome: a person has it in hand. `attempts` are those the person saw, None for any."""
        return _noted("confirmed", self._spool.confirm(job_id, attempts=self._seen(job_id, attempts)))

    def reprint(self, job_id: str, *, attempts: int | None = None) -> Job:
        """Settle an unknown outcome: a person wants it sent again; `attempts` as in `confirm`."""
        return _noted("to be reprinted", self._spool.reprint(job_id, attempts=self._seen(job_id, attempts)))

    def pause(self, printer: str) -> Printer:
        """Send a printer no more jobs."""
        return _noted("paused", self._registry.pause(self._registry.find(printer).id))

    def resume(self, printer: str) -> Printer:
        """Send a printer jobs again."""
        resumed = _noted("resumed", self._registry.resume(self._registry.find(printer).id))
        self._printer_is_back(resumed.id)
        return resumed

    def identify(self, printer: str) -> Printer:
        """Have a printer show where it stands.

        Raises:
            RefusedError: it has no way to.
            PrinterUnreachableError: it doesn't answer.
        """
        found = self._registry.find(printer)
        target = self._target_for(found)
        if not isinstance(target, Identifiable):
            raise RefusedError(f"{found.label} has no way to show where it stands")
        target.identify()
        return found

    def check(self, printer: str) -> Printer:
        """Ask a printer who it is, as is done before a job is sent to it.

        Raises:
            NotFoundError: there is no such printer, or none of its endpoints takes a document.
            PrinterUnreachableError: it doesn't answer, or another one does.
        """
        found = self._registry.find(printer)
        self._target_for(found)
        return found

    def approve(self, printer: str) -> Printer:
        """Let `activate` create the printer's PrintOS device; what speaks against that is told at once."""
        approved = _noted("approved for PrintOS", self._registry.approve(self._registry.find(printer).id))
        self._devices.note_states()
        return self._registry.find(approved.id)

    def forget(self, printer: str) -> dict[str, Any]:
        """Drop a printer, its retained topics and its PrintOS credentials.

        Gives it as JSON shows it, with `printos_device`, the id of the device that stays in PrintOS.

        Raises:
            ConflictError: jobs wait for it.
        """
        found = self._registry.find(printer)
        if waiting := self._spool.waiting(found.id):
            raise ConflictError(f"jobs still wait for {found.label} ({waiting}); cancel them first")
        device_id = self._devices.forget(found.id)
        return {**_noted("forgotten", found).to_json(), "printos_device": device_id}

    def commands(self) -> dict[str, Command]:
        """Give everything that the command line can ask, by name."""
        return {
            "status": lambda _arguments, _document, _progress: self._status(),
            "printers": lambda _arguments, _document, _progress: [it.to_json() for it in self._registry.printers()],
            "printers.show": self._show_printer,
            **{
                f"printers.{change.__name__}": _on_printer(change)
                for change in (self.approve, self.check, self.pause, self.resume, self.identify)
            },
            "printers.forget": lambda arguments, _document, _progress: self.forget(_text(arguments, "id")),
            "jobs": self._list_jobs,
            "jobs.show": self._show_job,
            "account": self._read_account,
            **{
                f"jobs.{change.__name__}": _on_job(change)
                for change in (self.cancel, self.release, self.confirm, self.reprint)
            },
            "print": self._print,
            "activate": self._activate,
        }

    def _seen(self, job_id: str, attempts: int | None) -> int:
        return self._spool.get(job_id).attempts if attempts is None else attempts

    def _show_printer(self, arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        printer = self._registry.find(_text(arguments, "id"))
        return {**printer.to_json(), "hot_folder": hot_folder_of(printer.id, self._hot_folders())}

    def _list_jobs(self, arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        jobs = self._spool.jobs(printer_id=self._printer_id(arguments), user=_user(arguments))
        return [job.to_json() for job in jobs]

    def _show_job(self, arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        return self._spool.get(_text(arguments, "id"), user=_user(arguments)).to_json()

    def _read_account(self, arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        return self._spool.accounts.read(parse_selection(arguments, printer_id=self._printer_id(arguments)))

    def _printer_id(self, arguments: Mapping[str, Any]) -> str | None:
        printer = arguments.get("printer")
        return self._registry.find(printer).id if printer and printer not in CLOUD_DESTINATIONS else printer

    def _print(self, arguments: Mapping[str, Any], document: Path | None, _progress: Progress) -> Any:
        ticket = arguments.get("ticket")
        if document is None or not isinstance(ticket, dict):
            raise InputError("nothing to print")
        return self._accept(parse_ticket_keys(ticket), document).to_json()

    def _activate(self, arguments: Mapping[str, Any], _document: Path | None, progress: Progress) -> Any:
        printer = arguments.get("printer")
        return self._devices.activate(
            _optional_text(arguments, "login"),
            _optional_text(arguments, "password"),
            printer_ids=[self._registry.find(printer).id] if printer else None,
            replace=bool(arguments.get("replace")),
            progress=progress,
        )

    def _accept(self, ticket: Ticket, document: Path) -> Job:
        place = self._destinations.place_of(ticket)
        with document.open("rb") as file:
            document_format = ticket.document_format or tell_format(file.read(HEAD_BYTES))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").digest()
        accepted = self._spool.accept(
            ticket,
            document,
            printer_id=place.id,
            document_format=document_format,
            digest_parts=digest_parts(ticket, sha256),
        )
        if accepted.is_new:
            log.info("job %s: accepted for %s (%s)", accepted.job.id, place.id, place.label)
        return accepted.job


def _noted(what: str, changed: Changed) -> Changed:
    """Log, in one line, what a person had done to a job or a printer."""
    name = f"job {changed.id}" if isinstance(changed, Job) else f"{changed.id} ({changed.label})"
    log.info("%s: %s by a person", name, what)
    return changed


def _on_printer(change: Callable[[str], Printer]) -> Command:
    return lambda arguments, _document, _progress: change(_text(arguments, "id")).to_json()


def _on_job(change: Callable[..., Job]) -> Command:
    def run(arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        details = {name: value for name, value in arguments.items() if name in ("pin", "attempts")}
        if _user(arguments) is not None:
            details["user"] = _user(arguments)
        return change(_text(arguments, "id"), **details).to_json()

    return run


def _user(arguments: Mapping[str, Any]) -> str | None:
    """Give the user for whom something is asked, None for whoever runs the site."""
    return None if arguments.get("user") is None else _text(arguments, "user")


def _optional_text(arguments: Mapping[str, Any], name: str) -> str:
    return _text(arguments, name) if arguments.get(name) else ""


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is missing")
    return value
