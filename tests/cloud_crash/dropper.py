"""Somebody who drops files in hot folders: renamed into place, or written there piece by piece, some with a JDF."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.crash.documents import make_document
from tests.crash.verdict import Printer

PIECES = 4
JDF_SHARE = 0.3
RENAMED_SHARE = 0.5


class Dropper:
    """Drops documents that jobs are made of.

    Args:
        folders: the hot folder of each printer.
        expect: gives the number of a document for a printer, of so many bytes.
        seed: of all that is random.
    """

    def __init__(self, folders: Mapping[Printer, Path], *, expect: Callable[[Printer, int], int], seed: int) -> None:
        self._folders = folders
        self._expect = expect
        self._random = random.Random(seed)
        self._unfinished: dict[Path, list[bytes]] = {}

    def drop(self, printer: Printer, size: int) -> None:
        """Drop a file, or begin to."""
        number = self._expect(printer, size)
        document, path = make_document(number, size), self._folders[printer] / f"crash-{number}.pdf"
        if self._random.random() < JDF_SHARE:
            path.with_suffix(".jdf").write_text(f'<JDF Version="1.3" DescriptiveName="crash-{number}"/>')
        if self._random.random() < RENAMED_SHARE:
            part = path.with_suffix(".part")
            part.write_bytes(document)
            part.rename(path)
        else:
            length = size // PIECES + 1
            self._unfinished[path] = [document[at : at + length] for at in range(0, size, length)]

    def step(self) -> None:
        """Write the next piece of a file."""
        if self._unfinished:
            path, pieces = self._random.choice(list(self._unfinished.items()))
            with path.open("ab") as file:
                file.write(pieces.pop(0))
            if not pieces:
                del self._unfinished[path]

    def finish(self) -> None:
        """Write all that is left."""
        while self._unfinished:
            self.step()

    def left(self) -> list[Path]:
        """Name what is not put away: it lies there, or is being printed."""
        found = [
            path for folder in self._folders.values() for path in (*folder.iterdir(), *folder.glob("processing/*"))
        ]
        return [path for path in found if path.is_file() or path.parent.name == "processing"]
