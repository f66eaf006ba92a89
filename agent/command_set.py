"""The languages that a printer names in its IEEE-1284 device id; pure and total."""

from __future__ import annotations

import re

MOST_WORDS = 64
LONGEST_WORD = 40
_FIELD = re.compile(r"(?:^|;)\s*(?:CMD|COMMAND SET)\s*:([^;]*)", re.IGNORECASE)


def parse_command_set(told: str) -> tuple[str, ...]:
    """Give the words of the command set in capitals, such as `PJL`, `PCLXL`, `POSTSCRIPT`.

    `told` is a device id, `MFG:HP;CMD:PJL,PCL;MDL:…;`, or that one field alone: Bonjour's `usb_CMD` is either.
    """
    field = _FIELD.search(told)
    listed = field[1] if field else "" if ":" in told else told
    words = (" ".join(word.split()).upper()[:LONGEST_WORD] for word in listed.split(",")[:MOST_WORDS])
    return tuple(dict.fromkeys(word for word in words if word and word.isprintable()))
