"""What IPP attributes mean: to the models of the agent, and from a job. Pure and total.

RFC 8011 and PWG 5100.13 (printer-supply), 5100.1 (finishings), PAPPL's and CUPS's marker-* attributes. A part that is
malformed is None or left out, the rest is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.command_set import parse_command_set
from agent.drivers.device_id import parse_device_id, serial_number
from agent.drivers.ipp_alerts import parse_alerts
from agent.drivers.ipp_keywords import FINISHINGS, QUALITIES
from agent.drivers.ipp_supplies import parse_supplies
from agent.drivers.ipp_trays import parse_trays
from agent.drivers.ipp_values import Attribute, Attributes, Range, Tag, Value, attribute, plain_text
from agent.drivers.printer_makes import make_by_name
from agent.errors import NotFoundError, PrinterRejectedError
from agent.job import Job, JobOptions, JobReading, JobState
from agent.model import Capabilities, Identity, PrinterState, PrinterStatus, Reading

PRINTER_ATTRIBUTES = (
    "copies-supported",
    "document-format-supported",
    "finishings-supported",
    "job-priority-supported",
    "marker-colors",
    "marker-levels",
    "marker-names",
    "marker-types",
    "media-col-ready",
    "media-supported",
    "multiple-operation-time-out-action",
    "operations-supported",
    "page-ranges-supported",
    "print-color-mode-supported",
    "print-quality-supported",
    "printer-alert",
    "printer-device-id",
    "printer-dns-sd-name",
    "printer-firmware-string-version",
    "printer-impressions-completed",
    "printer-info",
    "printer-input-tray",
    "printer-is-accepting-jobs",
    "printer-location",
    "printer-make-and-model",
    "printer-media-sheets-completed",
    "printer-name",
    "printer-serial-number",
    "printer-state",
    "printer-state-message",
    "printer-state-reasons",
    "printer-supply",
    "printer-supply-description",
    "printer-uuid",
    "queued-job-count",
    "sides-supported",
)
"""What one Get-Printer-Attributes asks for."""

LONGEST_NAME = 255
ANONYMOUS = "printos-agent"

JOB_ATTRIBUTES = (
    "job-id",
    "job-name",
    "job-state",
    "job-state-reasons",
    "job-state-message",
    "job-impressions-completed",
    "time-at-processing",
)
"""What Get-Job-Attributes and Get-Jobs ask for."""

BEGAN: Mapping[int, bool] = {Tag.INTEGER: True, Tag.NO_VALUE: False}

OPTIONS = frozenset({"copies", "sides", "media", "print-color-mode", "page-ranges", "print-quality", "finishings"})

_ENUM_KEYWORDS = {
    "print-quality": {number: keyword for keyword, number in QUALITIES.items()},
    "finishings": {number: keyword for keyword, number in FINISHINGS.items()},
}
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_MOST_REASONS = 64


def parse_reading(printer: Attributes) -> Reading:
    """Give what a printer attributes group tells."""
    return Reading(parse_identity(printer), parse_status(printer), parse_capabilities(printer))


def parse_identity(printer: Attributes) -> Identity:
    """Give who the printer says it is; make, model and serial from its IEEE-1284 device id where nothing better is."""
    device_id = parse_device_id(printer.text("printer-device-id") or "")
    return Identity(
        uuid=_parse_uuid(printer.text("printer-uuid") or ""),
        serial=printer.text("printer-serial-number") or serial_number(device_id),
        make_and_model=_make_and_model(printer.text("printer-make-and-model") or device_id.get("MDL"), device_id),
        name=printer.text("printer-dns-sd-name") or printer.text("printer-info") or printer.text("printer-name"),
        location=printer.text("printer-location"),
        firmware=printer.text("printer-firmware-string-version"),
    )


def _make_and_model(model: str | None, device_id: Mapping[str, str]) -> str | None:
    """Put the maker before a model that names none, as Kyocera's; spelt as the printer does, but not at its length."""
    told = device_id.get("MFG", "")
    make = make_by_name(told)
    if make is None or model is None or make_by_name(model):
        return model
    return f"{told if told.casefold() == make.name.casefold() else make.name} {model}"


def parse_status(printer: Attributes) -> PrinterStatus:
    """Give the state of a printer."""
    accepting = printer.boolean("printer-is-accepting-jobs")
    return PrinterStatus(
        state=_printer_state(printer.integer("printer-state")),
        state_reasons=_printer_reasons(printer),
        accepting_jobs=accepting is not False,
        supplies=parse_supplies(printer),
        impressions_completed=_count(printer.integer("printer-impressions-completed")),
        media_sheets_completed=_count(printer.integer("printer-media-sheets-completed")),
        state_message=printer.text("printer-state-message"),
        trays=parse_trays(printer),
        queued_job_count=_count(printer.integer("queued-job-count")),
    )


def parse_capabilities(printer: Attributes) -> Capabilities:
    """Give what a printer says it can do; enums become their keywords."""
    supported = {
        name: tuple(dict.fromkeys(filter(None, (_option_text(name, value) for value in printer.values(source)))))
        for name in sorted(OPTIONS)
        for source in (f"{name}-supported",)
    }
    return Capabilities(
        document_formats=tuple(filter(None, printer.texts("document-format-supported"))),
        options={name: values for name, values in supported.items() if values},
        command_set=parse_command_set(printer.text("printer-device-id") or ""),
    )


def parse_job(job: Attributes) -> JobReading:
    """Give what a printer says of a job; its `state` is None where that is no job-state.

    time-at-processing has no value until the printer begins to process the job (RFC 8011 section 5.3.14.2).
    """
    number = job.integer("job-id")
    began_at = next((item.values[0] for item in job.items if item.name == "time-at-processing" and item.values), None)
    return JobReading(
        state=_job_state(job.integer("job-state")),
        device_job_id=None if number is None else str(number),
        state_reasons=_reasons(job.texts("job-state-reasons")),
        impressions_completed=_count(job.integer("job-impressions-completed")),
        message=job.text("job-state-message") or "",
        name=job.text("job-name"),
        has_begun=BEGAN.get(began_at.tag) if began_at else None,
    )


def job_attributes(options: JobOptions) -> tuple[Attribute, ...]:
    """Write the options that were asked for as job template attributes.

    Raises:
        PrinterRejectedError: an option has no IPP form.
    """
    ranges = (Range(lower, upper) for lower, upper in options.page_ranges)
    candidates = (
        attribute("copies", Tag.INTEGER, options.copies),
        _keyword("sides", options.sides),
        _keyword("media", options.media),
        _keyword("print-color-mode", options.color_mode),
        attribute("page-ranges", Tag.RANGE_OF_INTEGER, *ranges),
        attribute("print-quality", Tag.ENUM, _enum("print-quality", options.print_quality, QUALITIES)),
        attribute("finishings", Tag.ENUM, *(_enum("finishings", word, FINISHINGS) for word in options.finishings)),
    )
    return tuple(candidate for candidate in candidates if candidate.name in options.requested())


def job_name(job: Job) -> Attribute:
    """Write the name a printer shows, cut to fit, and the token of this attempt as its last word."""
    name = _cut(job.shown_name, LONGEST_NAME - len(job.attempt_token) - 1).strip()
    return attribute("job-name", Tag.NAME, f"{name} {job.attempt_token}")


def requesting_user(user: str | None) -> Attribute:
    """Write whose job it is: many queues let nobody else cancel it, or read its name."""
    return attribute("requesting-user-name", Tag.NAME, _cut(user or "", LONGEST_NAME) or ANONYMOUS)


def document_format(job: Job) -> Attribute:
    """Write what kind of document it is."""
    return attribute("document-format", Tag.MIME_MEDIA_TYPE, job.document.format)


def job_id(device_job_id: str) -> Attribute:
    """Write which of the printer's jobs is meant.

    Raises:
        NotFoundError: it can't be an IPP job id.
    """
    if not is_job_id(device_job_id):
        raise NotFoundError(f"{device_job_id} is no IPP job id")
    return attribute("job-id", Tag.INTEGER, int(device_job_id))


def is_job_id(text: str) -> bool:
    """Whether this can be a job-id: an integer of 31 bits."""
    return re.fullmatch(r"[0-9]{1,10}", text) is not None and int(text) < 2**31


def _cut(text: str, limit_bytes: int) -> str:
    return plain_text(text).encode(errors="replace")[:limit_bytes].decode(errors="ignore")


def _keyword(name: str, word: str | None) -> Attribute:
    if word is not None and len(word.encode(errors="replace")) > LONGEST_NAME:
        raise _unwritable(name, word)
    return attribute(name, Tag.KEYWORD, word)


def _enum(name: str, word: str | None, numbers: Mapping[str, int]) -> int | None:
    if word is not None and word not in numbers:
        raise _unwritable(name, word)
    return None if word is None else numbers[word]


def _unwritable(name: str, word: str) -> PrinterRejectedError:
    message = f"IPP has no {name} {plain_text(word)[:60]}"
    return PrinterRejectedError(message, reason="unsupported-attributes-or-values")


def _option_text(name: str, value: Value) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case int() if name == "copies":
            return f"1-{value}"
        case int():
            return _ENUM_KEYWORDS.get(name, {}).get(value, str(value))
        case Range():
            return f"{value.lower}-{value.upper}"
    return plain_text(value) or None


def _parse_uuid(text: str) -> str | None:
    found = _UUID.fullmatch(text.lower())
    return found[1] if found and found[1] != _NO_UUID else None


def _printer_reasons(printer: Attributes) -> tuple[str, ...]:
    """Give printer-state-reasons, and what only the alerts tell."""
    reasons = _reasons(printer.texts("printer-state-reasons"))
    known = {re.sub("-(report|warning|error)$", "", reason) for reason in reasons}
    told = (alert for alert in parse_alerts(printer) if alert.rpartition("-")[0] not in known)
    return tuple(dict.fromkeys((*reasons, *told)))[:_MOST_REASONS]


def _reasons(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text not in ("", "none")))[:_MOST_REASONS]


def _count(number: int | None) -> int | None:
    return None if number is None or number < 0 else number


def _printer_state(number: int | None) -> PrinterState:
    return next((state for state in PrinterState if state == number), PrinterState.UNKNOWN)


def _job_state(number: int | None) -> JobState | None:
    return next((state for state in JobState if state == number), None)
