"""A document on its way in: its bytes so far in a file, and their SHA-256, in little memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from agent.spool_documents import translated

READ_BYTES = 262_144


class PartFile:
    """A file that grows at its end, as a context manager; what was there when it is opened counts.

    Its methods raise SpoolFullError where the disk is full and StorageError where it refuses otherwise.

    Args:
        path: made where it isn't there yet.
        beat: called while what was there is read.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, path: Path, *, beat: Callable[[], None]) -> None:
        self.size = 0
        self._path = path
        self._beat = beat
        self._hash = hashlib.sha256()
        self._file: BinaryIO

    def __enter__(self) -> Self:
        """Open it and read what is there."""
        with translated():
            self._file = self._path.open("a+b", buffering=0)
            self._file.seek(0)
            while block := self._file.read(READ_BYTES):
                self._count(block)
                self._beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; what it has stays."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, as 64 digits in lower case."""
        return self._hash.hexdigest()

    def head(self, size: int) -> bytes:
        """Give its first bytes."""
        with translated():
            return os.pread(self._file.fileno(), size, 0)

    def append(self, block: bytes) -> None:
        """Add bytes at its end."""
        with translated():
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) :]
        self._count(block)

    def restart(self) -> None:
        """Forget what it has."""
        with translated():
            self._file.truncate(0)
        self.size = 0
        self._hash = hashlib.sha256()

    def sync(self) -> None:
        """Bring its bytes onto the disk."""
        with translated():
            os.fsync(self._file.fileno())

    def _count(self, block: bytes) -> None:
        self.size += len(block)
        self._hash.update(block)
