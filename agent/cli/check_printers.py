"""What `doctor` looks at of the printers and their jobs: each printer is asked who it is, as before a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.cli import client
from agent.cli.finding import Finding, Printers, Result
from agent.cli.output import age
from agent.config_schema import Config, PrinterConfig
from agent.errors import AgentError
from agent.identity import IDENTITY_CONFLICT

OUTCOME_UNKNOWN = "agent-outcome-unknown"


def check_printers(config: Config, printers: Printers) -> Iterator[Finding]:
    """Have the running agent ask every printer who it is, and tell how it is read and printed on."""
    for printer in printers:
        yield _finding(config, printer)
    for number, entry in enumerate(config.printers, 1):
        if not any(_is_of(entry, printer) for printer in printers):
            name = entry.alias or entry.name or f"[[printer]] {number}"
            yield Finding("printer", "warning", "configured, and never met", _search(entry), subject=name)
    if not printers and not config.printers:
        yield Finding("printers", "warning", "none has been found yet", "printos-agent discover, or probe HOST")


def _finding(config: Config, printer: Mapping[str, Any]) -> Finding:
    name = printer["alias"] or printer["id"]
    result: Result = "ok"
    message = advice = ""
    if IDENTITY_CONFLICT in printer["state_reasons"]:
        result, message = "failed", f"another printer answers at {printer['host']}"
        advice = "its jobs are held until it is found; see docs/drivers.md, which printer is which"
    elif not printer["online"]:
        result, message = "warning", f"{printer['host']} doesn't answer, last seen {age(printer['last_seen'])}"
        advice = f"switch it on; printos-agent probe {printer['host']} tells what answers there"
    elif printer["print_driver"] is None:
        result, message = "warning", "nothing at it takes a document"
        advice = "give its [[printer]] uris with ipp:// or socket://"
    elif problem := _problem(config, printer):
        result, message, advice = "failed", problem, f"printos-agent probe {printer['host']}"
    elif not printer["accepting_jobs"]:
        result, message = "warning", "takes no jobs"
        advice = f"see its panel, or, where people paused it: printos-agent printers resume {name}"
    elif printer["state"] == "stopped":
        reasons = ", ".join(printer["state_reasons"]) or "no reason told"
        result, message, advice = "warning", f"has stopped ({reasons})", "see its panel"
    else:
        drivers = f"status by {printer['status_driver'] or 'none'}, prints by {printer['print_driver']}"
        message = f"{printer['state']} at {printer['host']}, {drivers}"
    return Finding("printer", result, message, advice, subject=name)


def _problem(config: Config, printer: Mapping[str, Any]) -> str:
    try:
        client.ask(config, "printers.check", {"id": printer["id"]})
    except AgentError as error:
        return str(error)
    return ""


def _is_of(entry: PrinterConfig, printer: Mapping[str, Any]) -> bool:
    """Whether a `[[printer]]` is that of a printer; what the agent found by it has its alias, or what it matches by."""
    if entry.alias:
        return bool(entry.alias == printer["alias"])
    at = f"//{printer['host']}"
    return (
        entry.host == printer["host"]
        or any(at in uri for uri in entry.uris)
        or bool(entry.serial and entry.serial.casefold() == str(printer["serial"]).casefold())
        or bool(entry.uuid and entry.uuid.removeprefix("urn:uuid:").casefold() == printer["uuid"])
        or bool(entry.mac and _digits(entry.mac) == _digits(printer["mac"] or ""))
    )


def _digits(mac: str) -> str:
    return mac.replace(":", "").replace("-", "").casefold()


def _search(entry: PrinterConfig) -> str:
    if entry.uris:
        return "restart the agent, which reads the configuration when it starts"
    return (
        f"printos-agent probe {entry.host}" if entry.host else "switch it on; printos-agent discover shows what is seen"
    )


def check_jobs(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Name the jobs whose outcome only a person can tell."""
    doubtful = [job for job in jobs if OUTCOME_UNKNOWN in job["state_reasons"]]
    for printer, count in Counter(job["printer"] for job in doubtful).items():
        first = next(job["id"] for job in doubtful if job["printer"] == printer)
        advice = f"is it on paper? printos-agent jobs confirm {first}, else jobs reprint {first}"
        yield Finding("jobs", "warning", f"{count} of unknown outcome at {printer}, such as {first}", advice)
    if not doubtful:
        yield Finding("jobs", "ok", "none of unknown outcome")
