"""A job's options as PJL environment variables, and which documents may be wrapped in PJL at all. Pure.

What is SET is heeded as far as the printer can: PJL passes over a variable or value that the printer hasn't.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.document_format import media_type
from agent.drivers.pjl_message import LANGUAGES
from agent.job import JobOptions
from agent.model import Capabilities

OPTIONS = frozenset({"copies", "sides", "media", "print-color-mode", "print-quality"})
"""PJL's JOB can start and end at a page, but knows no list of ranges; its finishings are every maker's own."""

PAPERS = {
    "iso_a3_297x420mm": "A3",
    "iso_a4_210x297mm": "A4",
    "iso_a5_148x210mm": "A5",
    "iso_a6_105x148mm": "A6",
    "iso_b5_176x250mm": "B5",
    "iso_c5_162x229mm": "C5",
    "iso_dl_110x220mm": "DL",
    "jis_b4_257x364mm": "JISB4",
    "jis_b5_182x257mm": "JISB5",
    "jpn_hagaki_100x148mm": "JPOST",
    "jpn_oufuku_148x200mm": "JPOSTD",
    "na_executive_7.25x10.5in": "EXECUTIVE",
    "na_ledger_11x17in": "LEDGER",
    "na_legal_8.5x14in": "LEGAL",
    "na_letter_8.5x11in": "LETTER",
    "na_monarch_3.875x7.5in": "MONARCH",
    "na_number-10_4.125x9.5in": "COM10",
}
"""PAPER, by PWG 5101.1's names."""

Settings = Mapping[str, tuple[str, ...]]

SIDES: Settings = {
    "one-sided": ("DUPLEX=OFF",),
    "two-sided-long-edge": ("DUPLEX=ON", "BINDING=LONGEDGE"),
    "two-sided-short-edge": ("DUPLEX=ON", "BINDING=SHORTEDGE"),
}
COLOR_MODES: Settings = {
    "auto": (),
    "color": ("RENDERMODE=COLOR",),
    "monochrome": ("RENDERMODE=GRAYSCALE",),
    "process-monochrome": ("RENDERMODE=GRAYSCALE",),
}
QUALITIES: Settings = {
    "draft": ("ECONOMODE=ON",),
    "normal": ("ECONOMODE=OFF",),
    "high": ("ECONOMODE=OFF", "RESOLUTION=1200"),
}
MEDIA: Settings = {name: (f"PAPER={paper}",) for name, paper in PAPERS.items()}

PJL = "PJL"
WORDS = {
    "application/pdf": re.compile(r"PDF.*"),
    "application/postscript": re.compile(r"POSTSCRIPT.*|PS[23]?|KPDL.*|BR-?SCRIPT.*"),
    "application/vnd.hp-pcl": re.compile(r"PCL(5[CE]?)?"),
    "application/vnd.hp-pclxl": re.compile(r"PCL ?XL|PCL6"),
}
"""How printers' command sets name a language, by its media type."""


def settings(options: JobOptions) -> tuple[str, ...]:
    """Give what is SET for the options that PJL can carry, such as `COPIES=2`.

    Copies are COPIES alone: printers that know QTY too multiply the two.
    """
    found = _found(options)
    return tuple(setting for name in sorted(found) for setting in found[name] or ())


def carried(options: JobOptions) -> frozenset[str]:
    """Name the options, of those that were asked for, whose value PJL can say."""
    return frozenset(name for name, setting in _found(options).items() if setting is not None)


def wrapped_formats(mode: str, capabilities: Capabilities) -> frozenset[str]:
    """Give the media types, in lower case, that are wrapped in PJL.

    Args:
        mode: `pjl` for every language that PJL can enter, `bare` for none; `auto` for those that the printer claims,
            if it claims PJL: another one would print the wrapper.
        capabilities: what the printer says of itself.
    """
    if mode == "auto" and PJL in capabilities.command_set:
        return frozenset(name for name in LANGUAGES if _claims(capabilities, name))
    return frozenset(LANGUAGES if mode == "pjl" else ())


def _claims(capabilities: Capabilities, name: str) -> bool:
    is_word = any(WORDS[name].fullmatch(word) for word in capabilities.command_set)
    return is_word or name in map(media_type, capabilities.document_formats)


def _found(options: JobOptions) -> dict[str, tuple[str, ...] | None]:
    """Give the settings for each option that was asked for, None where PJL has none for its value."""
    candidates = {
        "copies": (f"COPIES={options.copies}",),
        "sides": SIDES.get(options.sides or ""),
        "media": MEDIA.get(options.media or ""),
        "print-color-mode": COLOR_MODES.get(options.color_mode or ""),
        "print-quality": QUALITIES.get(options.print_quality or ""),
    }
    return {name: candidates.get(name) for name in options.requested()}
