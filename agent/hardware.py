"""What names this gateway box: its board's serial number, else a network card's MAC address."""

from __future__ import annotations

import re
from pathlib import Path

BOARD_SERIALS = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
NO_SERIAL = re.compile(r"^(0*|none|default.*|to be filled.*|.*not specified.*)$", re.IGNORECASE)


def hardware_id(root: Path = Path("/")) -> str:
    """Give a short name that a copied SD card doesn't carry to another box.

    Args:
        root: where /proc and /sys are, for tests.

    Returns:
        The board's serial or a MAC address without colons, in lower case; `gateway` where the box has neither.
    """
    return _board_serial(root) or _mac(root) or "gateway"


def _board_serial(root: Path) -> str | None:
    for name in BOARD_SERIALS:
        serial = re.sub(r"[^A-Za-z0-9]", "", _text(root / name)).lower()
        if not NO_SERIAL.match(serial):
            return serial[:64]
    return None


def _mac(root: Path) -> str | None:
    cards = sorted((root / "sys/class/net").glob("*/address"), key=lambda path: (not _is_physical(path.parent), path))
    for card in cards:
        mac = _text(card).strip().replace(":", "").lower()
        if re.fullmatch(r"[0-9a-f]{12}", mac) and int(mac, 16):
            return mac
    return None


def _is_physical(card: Path) -> bool:
    return (card / "device").exists()


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:256].decode("ascii", "replace").strip("\0\n ")
    except OSError:
        return ""
