"""The documents of jobs, as files: each is whole and on the disk before anyone hears of it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from agent.errors import SpoolFullError, StorageError

SUFFIX = ".doc"
UNFINISHED_SUFFIX = ".tmp"
PART_SUFFIX = ".part"
COPY_BYTES = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def name_of_incoming(seq: int) -> str:
    """Name the document of the job of this `seq`, which is fetched; while it comes, `part_of` it is there."""
    return f"incoming-{seq}{SUFFIX}"


def part_of(name: str) -> str:
    """Name what has come of a document."""
    return name + PART_SUFFIX


class Documents:
    """The files of one folder; a name is what `write` gave, or `name_of_incoming`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, *, set_aside: str | None = None) -> None:
        """Make the folder where it isn't there yet.

        Args:
            set_aside: a suffix under which the present folder is kept first, because the rows that told of its
                documents are lost.

        Raises:
            StorageError: the disk doesn't let it.
        """
        with translated():
            if set_aside is not None and self.folder.exists():
                self.folder.rename(self.folder.with_name(self.folder.name + set_aside))
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def size(self, document: bytes | Path) -> int:
        """Tell the size of a document in bytes before it is written."""
        with translated():
            return len(document) if isinstance(document, bytes) else document.stat().st_size

    def write(self, document: bytes | Path) -> tuple[str, int]:
        """Keep a document and give its name and its size in bytes; a path is copied.

        Its bytes are on the disk when this returns; its name only after `sync`, which serves many at once.

        Raises:
            SpoolFullError: the disk is full.
            StorageError: the disk refuses otherwise.
        """
        name = secrets.token_hex(12) + SUFFIX
        unfinished = self.folder / (name + UNFINISHED_SUFFIX)
        with translated():
            try:
                size = _write_durably(document, unfinished)
                unfinished.rename(self.folder / name)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise
        return name, size

    def sync(self) -> None:
        """Bring the names of all documents that were written onto the disk.

        Raises:
            StorageError: the disk refuses.
        """
        with translated():
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def finish(self, name: str) -> None:
        """Make a document of the part of it, which is whole and on the disk; its name is there only after `sync`."""
        with translated():
            self.path(part_of(name)).rename(self.path(name))

    def reopen(self, name: str) -> Path:
        """Give the path of the part of a document, also where that was made a document and no row came to tell so."""
        part = self.path(part_of(name))
        with translated():
            if not part.exists() and self.path(name).exists():
                self.path(name).rename(part)
        return part

    def part_bytes(self) -> int:
        """Add up the parts."""
        with translated():
            return sum(path.stat().st_size for path in self.folder.glob(f"*{PART_SUFFIX}"))

    def path(self, name: str) -> Path:
        """Say where a document is."""
        return self.folder / name

    def remove(self, name: str) -> None:
        """Remove a document; one that can't be removed is left for the next `sweep`."""
        with translated():
            self.path(name).unlink(missing_ok=True)

    def names(self) -> frozenset[str]:
        """Name the documents that are there."""
        with translated():
            return frozenset(path.name for path in self.folder.glob(f"*{SUFFIX}"))

    def sweep(self, wanted: frozenset[str]) -> int:
        """Remove what was never finished and every document that is not wanted; give how many files went."""
        with translated():
            unwanted = [
                path
                for path in self.folder.iterdir()
                if path.suffix in {SUFFIX, UNFINISHED_SUFFIX, PART_SUFFIX} and path.name not in wanted
            ]
            for path in unwanted:
                path.unlink(missing_ok=True)
        return len(unwanted)

    def free_bytes(self) -> int:
        """Say how much room the disk has for this process."""
        with translated():
            room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize


def _write_durably(document: bytes | Path, target: Path) -> int:
    with target.open("xb") as file:
        with BytesIO(document) if isinstance(document, bytes) else document.open("rb") as source:
            shutil.copyfileobj(source, file, COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


@contextmanager
def translated() -> Iterator[None]:
    """Tell what the disk refuses as a StorageError, or SpoolFullError."""
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL:
            raise SpoolFullError("the disk is full") from exc
        raise StorageError(f"{exc.filename}: {exc.strerror}") from exc
