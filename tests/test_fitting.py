from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import PrinterRejectedError
from agent.fitting import fit
from agent.job import Document, Fidelity, Job, JobOptions, JobState
from agent.model import Capabilities
from tests.spool_parts import TIME_ZERO

ALL = frozenset({"copies", "sides", "media", "print-color-mode", "page-ranges", "print-quality", "finishings"})


def a_job(options: JobOptions, *, fidelity: Fidelity = "strict", document_format: str = "application/pdf") -> Job:
    """Make a job that asks for something."""
    return Job(
        id="job",
        printer_id="p",
        state=JobState.PENDING,
        document=Document(Path("document"), 1, document_format),
        received_at=TIME_ZERO,
        updated_at=TIME_ZERO,
        options=options,
        fidelity=fidelity,
    )


@pytest.mark.parametrize(
    ("options", "supported"),
    [
        (JobOptions(copies=3), {"copies": ("1-999",)}),
        (JobOptions(sides="two-sided-long-edge"), {"sides": ("one-sided", "two-sided-long-edge")}),
        (JobOptions(print_quality="normal"), {"print-quality": ("3", "4")}),
        (JobOptions(finishings=("staple", "punch")), {"finishings": ("3", "4", "punch")}),
        (JobOptions(page_ranges=((1, 3),)), {"page-ranges": ("true",)}),
        (JobOptions(media="anything"), {}),
    ],
)
def test_what_the_printer_supports_passes_as_it_is(options: JobOptions, supported: dict[str, tuple[str, ...]]) -> None:
    """Keywords, RFC 8011's enum values, ranges, and whatever the printer said nothing about."""
    fitted = fit(a_job(options), capabilities=Capabilities(options=supported), carried=ALL)
    assert (fitted.job.options, fitted.ignored) == (options, frozenset())


@pytest.mark.parametrize(
    ("options", "supported", "named"),
    [
        (JobOptions(copies=3), {"copies": ("1-2",)}, "copies=3"),
        (JobOptions(print_quality="high"), {"print-quality": ("3", "4")}, "print-quality=high"),
        (JobOptions(finishings=("staple", "punch")), {"finishings": ("4",)}, "finishings=staple punch"),
        (JobOptions(page_ranges=((1, 3),)), {"page-ranges": ("false",)}, "page-ranges"),
    ],
)
def test_strict_is_refused_what_is_not_supported(
    options: JobOptions, supported: dict[str, tuple[str, ...]], named: str
) -> None:
    """The refusal names the option and its value."""
    with pytest.raises(PrinterRejectedError, match=named) as refusal:
        fit(a_job(options), capabilities=Capabilities(options=supported), carried=ALL)
    assert refusal.value.reason == "unsupported-attributes-or-values"


def test_best_effort_loses_only_what_is_impossible() -> None:
    """The rest of what was asked for stays."""
    options = JobOptions(copies=2, sides="two-sided-long-edge", color_mode="color")
    fitted = fit(a_job(options, fidelity="best-effort"), capabilities=Capabilities(), carried=ALL - {"sides"})
    assert (fitted.job.options, fitted.ignored) == (JobOptions(copies=2, color_mode="color"), frozenset({"sides"}))


@pytest.mark.parametrize("document_format", ["Application/PDF; version=1.7", "application/octet-stream"])
def test_a_format_is_compared_by_its_media_type(document_format: str) -> None:
    """Parameters and case don't matter, and a document of no known format is the printer's to tell."""
    job = a_job(JobOptions(), document_format=document_format)
    assert fit(job, capabilities=Capabilities(document_formats=("application/pdf",)), carried=ALL).job == job
