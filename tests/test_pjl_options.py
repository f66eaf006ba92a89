"""Options in PJL's words, and which documents PJL goes around."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.command_set import parse_command_set
from agent.drivers.pjl_options import OPTIONS, carried, settings, wrapped_formats
from agent.job import JobOptions
from agent.model import Capabilities

ALL = JobOptions(
    copies=3,
    sides="two-sided-short-edge",
    media="iso_a4_210x297mm",
    color_mode="monochrome",
    print_quality="draft",
    page_ranges=((1, 2),),
    finishings=("staple",),
)
PDF, POSTSCRIPT, PCL, PCLXL = (
    "application/pdf",
    "application/postscript",
    "application/vnd.hp-pcl",
    "application/vnd.hp-pclxl",
)


def test_every_option_that_pjl_has_is_said_in_its_words() -> None:
    """Page ranges and finishings have none, and are not carried."""
    assert settings(ALL) == (
        "COPIES=3",
        "PAPER=A4",
        "RENDERMODE=GRAYSCALE",
        "ECONOMODE=ON",
        "DUPLEX=ON",
        "BINDING=SHORTEDGE",
    )
    assert carried(ALL) == OPTIONS


@pytest.mark.parametrize(
    "options",
    [
        JobOptions(media="custom_max_1000x1000mm"),
        JobOptions(media='iso_a4_210x297mm"\r\n@PJL DEFAULT PASSWORD=1'),
        JobOptions(color_mode="highlight"),
        JobOptions(sides="tumble"),
        JobOptions(print_quality="best"),
    ],
)
def test_a_value_that_pjl_has_no_word_for_is_not_carried(options: JobOptions) -> None:
    """Only words of the tables ever reach a line."""
    assert (settings(options), carried(options)) == ((), frozenset())


def test_what_was_not_asked_for_is_left_to_the_printer() -> None:
    """No setting at all."""
    assert settings(JobOptions()) == ()
    assert carried(JobOptions(color_mode="auto")) == {"print-color-mode"}


@pytest.mark.parametrize(
    ("command_set", "formats", "wrapped"),
    [
        (("PJL", "PML", "PCLXL", "URP", "PCL", "PDF", "POSTSCRIPT"), (), {PDF, POSTSCRIPT, PCL, PCLXL}),
        (("PCLXL", "POSTSCRIPT EMULATION", "PCL5E", "PJL"), (), {POSTSCRIPT, PCL, PCLXL}),
        (("PJL", "PML", "URP"), (), set()),
        (("PJL", "URF"), ("application/PDF;v=1",), {PDF}),
        (("PCL", "PDF"), (PDF,), set()),
        (("ESCPL2", "BDC"), (), set()),
        ((), (PDF,), set()),
    ],
)
def test_by_itself_pjl_goes_only_to_printers_that_claim_it_and_the_language(
    command_set: tuple[str, ...], formats: tuple[str, ...], wrapped: set[str]
) -> None:
    """Any other printer would print the wrapper as text."""
    capabilities = Capabilities(document_formats=formats, command_set=command_set)
    assert wrapped_formats("auto", capabilities) == wrapped
    assert wrapped_formats("pjl", capabilities) == {PDF, POSTSCRIPT, PCL, PCLXL}
    assert wrapped_formats("bare", capabilities) == set()


def test_recorded_printers_tell_their_languages(recordings: Path) -> None:
    """As they stand in the device ids that their SNMP agents gave."""
    told = {
        name: next(
            parse_command_set(line.partition("|4|")[2])
            for line in (recordings / "snmp" / name).read_text(encoding="latin-1").splitlines()
            if "CMD:" in line
        )
        for name in ("jetdirect.snmprec", "jetdirect_m130nw.snmprec", "full_kyocera_p2040dw.snmprec")
    }
    wrapped = {name: wrapped_formats("auto", Capabilities(command_set=words)) for name, words in told.items()}
    assert wrapped == {
        "jetdirect.snmprec": {PDF, POSTSCRIPT, PCL, PCLXL},
        "jetdirect_m130nw.snmprec": set(),
        "full_kyocera_p2040dw.snmprec": {POSTSCRIPT, PCL, PCLXL},
    }
