"""A document on its way over TCP: read while it is sent, and watched until the peer's TCP has taken it.

Whoever is killed in the middle of a document must not look to the printer like one who has sent it all: many print as
much as they got. So a broken document is broken off with a reset, which the kernel sends for a killed process too
(SO_LINGER of 0 s), and its last byte is held back until the printer's TCP has all the others and that is written down.
Before that word the printer can't have the whole document, and after it it lacks one byte at most.
"""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

BLOCK_BYTES = 262_144
STALL_SECONDS = 300.0
"""How long a peer may take none of a body: a printer that is out of paper stops reading."""
SHORTEST_LOOK_SECONDS = 0.0001
LONGEST_LOOK_SECONDS = 0.02


class Upload:
    """A body of known length that is read while it is sent: `prefix`, then `size` bytes of `file`.

    Args:
        prefix: what goes before the document, such as an IPP request.
        file: the document, at the position to begin from.
        size: bytes of the document.
        on_start: called once, just before the first byte of `file` is read for sending.
        on_end: called once, when the peer's TCP has all but the last byte, which leaves when it has returned. What only
            our kernel has may still get lost with the cable or the power.
        on_progress: called every 256 KiB, and every few seconds while the peer takes nothing or has yet to answer.
        on_last: called once, just before the last byte leaves, whatever is known of the others; what it raises keeps
            that byte here.
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
        on_last: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_progress = on_progress
        self._prefix = prefix
        self._file = file
        self._length = len(prefix) + size
        self._left = size
        self._is_sent = False
        self._has_ended = False
        self._on_start: Callable[[], None] | None = on_start
        self._on_end: Callable[[], None] | None = on_end
        self._on_last: Callable[[], None] | None = on_last

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")

    @property
    def has_started(self) -> bool:
        """Whether any of the document may have left."""
        return self._on_start is None

    @property
    def may_be_whole(self) -> bool:
        """Whether the last byte may have left."""
        return self._on_last is None

    @property
    def has_ended(self) -> bool:
        """Whether the peer's TCP surely has all of the document."""
        return self._has_ended

    def read(self, amount: int = BLOCK_BYTES) -> bytes:
        """Give the next bytes, at most `amount` of the document with the prefix before the first; empty at the end.

        The last byte comes alone. The one who asks again after it has sent it.
        """
        head, self._prefix = self._prefix, b""
        if not self._left:
            self._is_sent = not head
            return head
        if self._on_start is not None:
            start, self._on_start = self._on_start, None
            start()
        part = self._file.read(min(amount, max(self._left - 1, 1)))
        if not part:
            raise OSError(errno.EIO, "the document is shorter than it was")
        self._left -= len(part)
        self.on_progress()
        return head + part if head else part

    def before_sending(self, sock: socket.socket) -> None:
        """Be told of the socket before each part of the request leaves on it.

        Raises:
            TimeoutError: the peer takes no more.
        """
        if not self.has_started:
            _close_by_reset(sock, is_wanted=True)
        elif not self._left:
            self._wait_for_the_others(sock)
            self._tell_last()

    def watch(self, sock: socket.socket) -> None:
        """Look how much of it the peer has, while its answer is waited for."""
        self.on_progress()
        if self._is_sent and not self._has_ended and not untaken_bytes(sock):
            self._has_ended = True
            _close_by_reset(sock, is_wanted=False)
            self._tell_end()

    def _wait_for_the_others(self, sock: socket.socket) -> None:
        """Wait until the peer's TCP has all but the last byte, or until it answers or hangs up before that."""
        poll, pause_seconds = select.poll(), SHORTEST_LOOK_SECONDS
        # what a TLS peer sends may be a session ticket as well as an answer
        poll.register(sock, 0 if isinstance(sock, ssl.SSLSocket) else select.POLLIN)
        left, stalled_at = untaken_bytes(sock), time.monotonic() + STALL_SECONDS
        while left and not poll.poll(0):
            time.sleep(pause_seconds)
            self.on_progress()
            pause_seconds = min(2 * pause_seconds, LONGEST_LOOK_SECONDS)
            before, left = left, untaken_bytes(sock)
            if left < before:
                stalled_at = time.monotonic() + STALL_SECONDS
            elif time.monotonic() > stalled_at:
                raise TimeoutError("the peer takes no more")
        if _has_hung_up(sock, poll):
            raise ConnectionResetError(errno.ECONNRESET, "the peer hung up")
        if not left:
            self._tell_end()

    def _tell_last(self) -> None:
        if self._on_last is not None:
            self._on_last()
            self._on_last = None

    def _tell_end(self) -> None:
        if self._on_end is not None:
            end, self._on_end = self._on_end, None
            end()


def untaken_bytes(sock: socket.socket) -> int:
    """Count the bytes that the peer's TCP has not acknowledged (SIOCOUTQ, tcp(7)), also once it has reset.

    Our own goodbye counts as one.
    """
    queued: int = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    return queued


def _has_hung_up(sock: socket.socket, poll: select.poll) -> bool:
    """Whether the peer has ended the connection without a word; what TLS has to say of that is not looked at."""
    events = next((events for _, events in poll.poll(0)), 0)
    if isinstance(sock, ssl.SSLSocket) or not events & select.POLLIN:
        return bool(events)
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


def _close_by_reset(sock: socket.socket, *, is_wanted: bool) -> None:
    """Choose how the kernel closes a socket, also for a process that is killed: by a reset, or in good order."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_wanted, 0))
