"""Input trays from IPP: printer-input-tray (PWG 5100.13), else media-col-ready (PWG 5100.3). Pure and total.

media-col-ready knows what lies in a tray, but neither its level nor its name on the panel, and the two lists can't be
joined: they call one tray `Cassette 1` and `tray-1`.
"""

from __future__ import annotations

from agent.drivers.ipp_values import Attributes, parse_fields, parse_quantity
from agent.model import Tray

MOST_TRAYS = 32
AUTO = "other"
"""The type of what stands for whichever tray fits."""


def parse_trays(printer: Attributes) -> tuple[Tray, ...]:
    """Give the trays that are real and have a name."""
    return (_listed(printer) or _ready(printer))[:MOST_TRAYS]


def _listed(printer: Attributes) -> tuple[Tray, ...]:
    listed = (parse_fields(text) for text in printer.texts("printer-input-tray"))
    return tuple(
        Tray(
            name=fields["name"],
            level=parse_quantity(fields.get("level")),
            max_capacity=parse_quantity(fields.get("maxcapacity")) or None,
        )
        for fields in listed
        if fields.get("name") and fields.get("type") != AUTO
    )


def _ready(printer: Attributes) -> tuple[Tray, ...]:
    """Give the sources of media-col-ready; of one that is told for several sizes or margins the first counts."""
    trays: dict[str, Tray] = {}
    for media in printer.values("media-col-ready"):
        if isinstance(media, Attributes) and (source := media.text("media-source")) and source != "auto":
            trays.setdefault(source, Tray(name=source, media=_media(media)))
    return tuple(trays.values())


def _media(media: Attributes) -> str | None:
    """Name what is ready: by its key, else by its type and its size, which comes in hundredths of millimetres."""
    size = next((value for value in media.values("media-size") if isinstance(value, Attributes)), Attributes())
    width, length = size.integer("x-dimension"), size.integer("y-dimension")
    measure = f"{width / 100:g}x{length / 100:g}mm" if width and length else None
    return media.text("media-key") or " ".join(filter(None, (media.text("media-type"), measure))) or None
