"""Whether a printer can do what a job asks, and the job without what it can't; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.document_format import media_type
from agent.errors import PrinterRejectedError
from agent.job import Job, JobOptions
from agent.model import Capabilities

ANY_FORMAT = "application/octet-stream"
FIELDS = {
    "copies": "copies",
    "sides": "sides",
    "media": "media",
    "print-color-mode": "color_mode",
    "page-ranges": "page_ranges",
    "print-quality": "print_quality",
    "finishings": "finishings",
}
# printers tell these by RFC 8011's enum values
ENUMS = {
    "print-quality": {"draft": "3", "normal": "4", "high": "5"},
    "finishings": {
        "none": "3",
        "staple": "4",
        "punch": "5",
        "cover": "6",
        "bind": "7",
        "saddle-stitch": "8",
        "edge-stitch": "9",
        "fold": "10",
        "trim": "11",
    },
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A job as its printer can do it, and the IPP names of the options that it is printed without."""

    job: Job
    ignored: frozenset[str]


def fit(job: Job, *, capabilities: Capabilities, carried: frozenset[str]) -> Fitted:
    """Fit a job to its printer: `strict` is refused what can't be done, `best-effort` loses it.

    Args:
        job: the job.
        capabilities: what the printer said that it can do; what it said nothing about is taken to be possible.
        carried: the IPP names of the options that the driver can carry.

    Raises:
        PrinterRejectedError: it can't be printed as asked; the message names what is impossible.
    """
    _check_format(job.document.format, capabilities.document_formats)
    impossible = frozenset(
        name
        for name in job.options.requested()
        if name not in carried or not _supports(job.options, name, capabilities.options.get(name, ()))
    )
    if impossible and job.fidelity == "strict":
        raise PrinterRejectedError(
            f"the printer can't do {_describe(job.options, impossible)}", reason="unsupported-attributes-or-values"
        )
    default = JobOptions()
    kept = replace(job.options, **{FIELDS[name]: getattr(default, FIELDS[name]) for name in impossible})
    return Fitted(job=replace(job, options=kept), ignored=impossible)


def _check_format(document_format: str, supported: Iterable[str]) -> None:
    asked = media_type(document_format)
    known = {media_type(name) for name in supported}
    if known and asked not in known and asked != ANY_FORMAT:
        raise PrinterRejectedError(f"the printer can't print {asked}", reason="unsupported-document-format")


def _supports(options: JobOptions, name: str, supported: tuple[str, ...]) -> bool:
    if not supported:
        return True
    if name == "page-ranges":
        return supported != ("false",)
    return all(_is_among(value, ENUMS.get(name, {}).get(value), supported) for value in _values(options, name))


def _is_among(value: str, enum_value: str | None, supported: tuple[str, ...]) -> bool:
    return value in supported or enum_value in supported or any(_is_in_range(value, text) for text in supported)


def _is_in_range(value: str, text: str) -> bool:
    low, _, high = text.partition("-")
    if not (value.isdecimal() and low.isdecimal() and high.isdecimal()):
        return False
    return int(low) <= int(value) <= int(high)


def _values(options: JobOptions, name: str) -> tuple[str, ...]:
    value = getattr(options, FIELDS[name])
    return tuple(str(item) for item in value) if isinstance(value, tuple) else (str(value),)


def _describe(options: JobOptions, names: Iterable[str]) -> str:
    return ", ".join(f"{name}={' '.join(_values(options, name))}" for name in sorted(names))
