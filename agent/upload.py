"""A document on its way over TCP: read while it is sent, and watched until the peer's TCP has taken it."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from typing import BinaryIO

BLOCK_BYTES = 262_144


class Upload:
    """A body of known length that is read while it is sent: `prefix`, then `size` bytes of `file`.

    Args:
        prefix: what goes before the document, such as an IPP request.
        file: the document, at the position to begin from.
        size: bytes of the document.
        on_start: called once, just before the first byte of `file` is read for sending.
        on_end: called once, when the peer's TCP has the last byte. What only our kernel has may still get lost with
            the cable or the power, and a printer may print as much as it got.
        on_progress: called every 256 KiB, and every few seconds while the peer takes nothing or has yet to answer.
    """

    def __init__(
        self,
        prefix: bytes,
        file: BinaryIO,
        size: int,
        *,
        on_start: Callable[[], None],
        on_end: Callable[[], None],
        on_progress: Callable[[], None],
    ) -> None:
        self.on_progress = on_progress
        self._prefix = prefix
        self._file = file
        self._length = len(prefix) + size
        self._left = size
        self._is_sent = False
        self._on_start: Callable[[], None] | None = on_start
        self._on_end: Callable[[], None] | None = on_end

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")

    @property
    def has_started(self) -> bool:
        """Whether any of the document may have left."""
        return self._on_start is None

    @property
    def has_ended(self) -> bool:
        """Whether the peer's TCP surely has all of the document."""
        return self._on_end is None

    def read(self, amount: int = BLOCK_BYTES) -> bytes:
        """Give the next bytes, at most `amount` of the document with the prefix before the first; empty at the end.

        The one who asks again after the last bytes has sent those.
        """
        head, self._prefix = self._prefix, b""
        if not self._left:
            self._is_sent = not head
            return head
        if self._on_start is not None:
            start, self._on_start = self._on_start, None
            start()
        part = self._file.read(min(amount, self._left))
        if not part:
            raise OSError(errno.EIO, "the document is shorter than it was")
        self._left -= len(part)
        self.on_progress()
        return head + part if head else part

    def watch(self, sock: socket.socket) -> None:
        """Look how much of it the peer has, while its answer is waited for."""
        self.on_progress()
        if self._is_sent and self._on_end is not None and not untaken_bytes(sock):
            end, self._on_end = self._on_end, None
            end()


def untaken_bytes(sock: socket.socket) -> int:
    """Count the bytes that the peer's TCP has not acknowledged (SIOCOUTQ, tcp(7)), also once it has reset.

    Our own goodbye counts as one.
    """
    queued: int = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    return queued
