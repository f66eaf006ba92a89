"""The connections on which printers tell by PJL of jobs that they have wholly taken, for whoever asks; no thread waits.

A job's connection is kept until the printer has said the job's end, or as long as it can still be expected to.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.drivers.pjl_message import GOODBYE
from agent.drivers.pjl_status import Listener
from agent.errors import NotFoundError
from agent.job import JobReading, JobState

log = logging.getLogger(__name__)

Address = tuple[str, int]
"""A host and a TCP port."""

MOST_CHANNELS = 256
MOST_REMEMBERED = 4096
MOST_AT_ONCE_BYTES = 65_536
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 10))


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a printer is given.

    Attributes:
        start: from the last byte until it says that it has begun with the job; it may have others before.
        silent_start: likewise, for one that did not tell the end of the last job.
        quiet: between two words about a job that it has begun with, and until the beginning for one that told the end
            of the last job.
        silent_quiet: between two words, for one that did not.
        stopped: likewise, while its last word is that it stands still.
        longest: until it must have come to an end.
        abandoned: until a connection is closed that nobody asks about any more.
    """

    start: float = 60.0
    silent_start: float = 5.0
    quiet: float = 3600.0
    silent_quiet: float = 60.0
    stopped: float = 86_400.0
    longest: float = 604_800.0
    abandoned: float = 300.0


@dataclass(slots=True)
class _Channel:
    """One connection; moments are monotonic. `sock` is None once it is closed, what was heard stays."""

    address: Address
    sock: socket.socket | None
    listener: Listener
    taken_at: float
    changed_at: float
    asked_at: float
    error: OSError | None = None


class BackChannels:
    """All of them, by the token of the attempt; thread-safe, and nothing here waits for a printer.

    Args:
        patience: how long they are kept.
        clock: monotonic seconds.
    """

    def __init__(self, patience: Patience | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience or Patience()
        self._clock = clock
        self._lock = threading.Lock()
        self._channels: dict[str, _Channel] = {}
        self._tells_ends: dict[Address, bool] = {}

    def keep(self, address: Address, sock: socket.socket, listener: Listener) -> None:
        """Take over a connection whose job has been wholly taken; the socket must not block."""
        now = self._clock()
        with self._lock:
            self._make_room(now)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            self._channels[listener.told.token] = _Channel(address, sock, listener, now, now, now)

    def read(self, token: str) -> JobReading:
        """Say what the printer has told of a job; the state is None where it tells no more and nothing is wrong.

        Raises:
            NotFoundError: nobody can tell what became of the job.
        """
        now = self._clock()
        with self._lock:
            channel = self._channels.get(token)
            if channel is None:
                raise NotFoundError("the connection on which its printer told of it is gone")
            channel.asked_at = now
            self._drop_abandoned(now)
            self._listen(channel, now)
            return self._judge(channel, now)

    def release(self, address: Address) -> None:
        """Close the connections to an address, since many printers take one at a time and the next job is due."""
        with self._lock:
            for token in [token for token, channel in self._channels.items() if channel.address == address]:
                _close(self._channels.pop(token))

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for channel in self._channels.values():
                self._listen(channel, self._clock())
                _close(channel)
            self._channels.clear()

    def _listen(self, channel: _Channel, now: float) -> None:
        """Take in what has come; the connection is closed where no more will."""
        if channel.sock is None:
            return
        before = channel.listener.told
        try:
            is_open = _drain(channel.sock, channel.listener)
        except OSError as exc:
            is_open, channel.error = False, exc
        told = channel.listener.told
        if told != before:
            channel.changed_at = now
        if told.state is not None or not is_open:
            _close(channel)

    def _judge(self, channel: _Channel, now: float) -> JobReading:
        """Say what follows for a job; one whose printer said `stopped` or broke off is never called completed."""
        told = channel.listener.told
        if told.state is not None:
            self._remember(channel.address, tells_ends=True)
        if told.state is not None or (channel.sock is not None and now < self._due_at(channel)):
            return told.reading()
        if channel.sock is not None:
            self._remember(channel.address, tells_ends=False)
        _close(channel)
        if channel.error is not None:
            raise NotFoundError(f"the connection broke before the printer told the end ({_reason(channel.error)})")
        if told.stopped_for is not None:
            raise NotFoundError(f"its last word was that it stands still ({told.device})")
        return JobReading(state=None, impressions_completed=told.pages)

    def _due_at(self, channel: _Channel) -> float:
        """Give the moment by which the printer must have said more."""
        told, patience = channel.listener.told, self._patience
        tells_ends = self._tells_ends.get(channel.address)
        if told.stopped_for is not None:
            due_at = channel.changed_at + patience.stopped
        elif told.has_started:
            due_at = channel.changed_at + (patience.silent_quiet if tells_ends is False else patience.quiet)
        else:
            by_habit = {True: patience.quiet, False: patience.silent_start, None: patience.start}
            due_at = channel.taken_at + by_habit[tells_ends]
        return min(due_at, channel.taken_at + patience.longest)

    def _remember(self, address: Address, *, tells_ends: bool) -> None:
        if len(self._tells_ends) >= MOST_REMEMBERED:
            self._tells_ends.clear()
        if not tells_ends and self._tells_ends.get(address, True):
            log.info("%s:%d does not tell the ends of its jobs; they stay unconfirmed", *address)
        self._tells_ends[address] = tells_ends

    def _drop_abandoned(self, now: float) -> None:
        for token, channel in list(self._channels.items()):
            if now - channel.asked_at > self._patience.abandoned:
                _close(self._channels.pop(token))

    def _make_room(self, now: float) -> None:
        self._drop_abandoned(now)
        while len(self._channels) >= MOST_CHANNELS:
            token, channel = min(self._channels.items(), key=lambda item: (item[1].sock is not None, item[1].asked_at))
            if channel.sock is not None:
                log.warning(
                    "%d printers tell of jobs at once; what %s:%d tells is lost", MOST_CHANNELS, *channel.address
                )
            _close(self._channels.pop(token))


def _drain(sock: socket.socket, listener: Listener) -> bool:
    """Take in what has come, within limits; False where the printer has hung up. OSError where it has broken off."""
    left = MOST_AT_ONCE_BYTES
    while left > 0:
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return True
        listener.feed(data)
        if not data:
            return False
        left -= len(data)
    return True


def _close(channel: _Channel) -> None:
    """Hang up; a printer that has told its end is told that no more is wanted."""
    sock, channel.sock = channel.sock, None
    if sock is None:
        return
    with sock, contextlib.suppress(OSError):
        if channel.listener.told.state == JobState.COMPLETED:
            sock.send(GOODBYE)
        sock.shutdown(socket.SHUT_WR)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
