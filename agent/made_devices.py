"""Which devices were made from this box, where PrintOS itself lists none.

Creating such a device again would replace it, so this is remembered outside of the state folder: who loses that folder,
or deletes it, is asked before anything is replaced. Nothing of it is secret; a line may be deleted by hand.
"""

from __future__ import annotations

from pathlib import Path

from agent.durable_file import replace_durably
from agent.errors import StorageError

FILE_LIMIT_BYTES = 4_194_304
FIELDS = 3

Device = tuple[str, str, str]
"""Type, model and serial number, which are one device in PrintOS."""


class MadeDevices:
    """A text file, one line a device: type, model and serial, with tabs between them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: frozenset[Device] | None = None

    def has(self, device: Device) -> bool:
        """Whether it was made here; False too where the file can't be read, which `note` then tells."""
        return _key(device) in self._read()

    def note(self, device: Device) -> None:
        """Remember a device; it is on the disk when this returns.

        Raises:
            StorageError: it can't be written.
        """
        if not self.has(device):
            self._write(self._read() | {_key(device)})

    def drop(self, device: Device) -> None:
        """Forget a device that was not made after all.

        Raises:
            StorageError: it can't be written.
        """
        if self.has(device):
            self._write(self._read() - {_key(device)})

    def _read(self) -> frozenset[Device]:
        if self._known is None:
            self._known = _devices_in(self._path)
        return self._known

    def _write(self, devices: frozenset[Device]) -> None:
        text = "".join("\t".join(device) + "\n" for device in sorted(devices))
        try:
            replace_durably(self._path, text.encode())
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror or error}") from error
        self._known = devices


def _devices_in(path: Path) -> frozenset[Device]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split("\t") for line in file.read(FILE_LIMIT_BYTES).splitlines()]
    except OSError:
        return frozenset()
    return frozenset((row[0], row[1], row[2]) for row in rows if len(row) == FIELDS)


def _key(device: Device) -> Device:
    """Give a device as lines compare: one line, in one case."""
    kind, model, serial = (" ".join(text.split()).casefold() for text in device)
    return kind, model, serial
