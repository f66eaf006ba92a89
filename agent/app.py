"""The life of the process on one screen: open and start the parts in order, wait, stop them the other way round.

What the parts are and how they are joined is in `agent.parts`, and in a file for each side of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from agent.config_schema import Config
from agent.config_warnings import config_warnings
from agent.errors import ConflictError, StorageError
from agent.loop import Loop, wake_one
from agent.parts import Parts
from agent.private_memory import keep_memory_private
from agent.systemd import notifier

log = logging.getLogger(__name__)

DISPATCHERS = POLLERS = 16
FETCHERS = WEB_ANSWERERS = 4
DISCOVERERS = CONTROLLERS = 2
RELAY_GATHER_SECONDS = 0.01
TICK_SECONDS = 1.0
FINISH_SECONDS = 15.0
JOIN_SECONDS = 3.0
HURRY_EXIT_CODE = 1
TAKERS = ("intake", "commands", "control", "web", "hot-folders", "mdns", "discovery", "status", "inventory", "beat")
"""The loops by which something comes in, or is looked for; they end first."""


def run(config: Config) -> int:
    """Be the agent until SIGTERM or SIGINT; a second signal exits at once.

    Raises:
        ConflictError: another agent runs with this state folder.
        StorageError: the state folder can't be used.
        ConfigError: a secret can't be read.
    """
    keep_memory_private()
    _log_to_standard_error(config.agent.log_level)
    for warning in config_warnings(config):
        log.warning("%s: %s", config.path, warning)
    with _only_agent(config):
        parts = Parts(config)
        stopping = _stop_on_signal()
        loops = _start(parts)
        log.info("printos-agent %s is ready", config.agent.id)
        _wait(parts, loops, stopping)
        _stop(parts, loops)
    log.info("printos-agent %s has stopped", config.agent.id)
    return 0


def _start(parts: Parts) -> dict[str, Loop]:
    """Open what is on the disk, then start everything; nothing here waits for a network."""
    parts.store.open()
    parts.outbox.open()
    parts.registry.open()
    parts.incoming.hot_folders.open()
    parts.spool.open()
    parts.printos.box_memory.open()
    parts.counters.open()
    parts.printos.beat.open()
    parts.dispatcher.open()
    parts.printos.credentials.open()
    parts.printos.devices.open()
    parts.control.open()
    if parts.web is not None:
        parts.web.open()
    parts.lan.snmp.start()
    loops = {loop.name: loop for loop in _loops(parts)}
    _let_wake(parts, loops)
    for loop in loops.values():
        loop.start()
    parts.mqtt.control_session.start()
    parts.mqtt.tickets.start()
    notifier().ready()
    return loops


def _let_wake(parts: Parts, loops: dict[str, Loop]) -> None:
    """Have whatever makes work for a loop wake it."""
    parts.outbox.on_put = loops["relay"].wake
    parts.mqtt.relay.on_connected = loops["relay"].wake
    parts.mqtt.ticket_inbox.on_arrival = loops["intake"].wake
    parts.mqtt.command_inbox.on_arrival = loops["commands"].wake
    discoverers = [loop for name, loop in loops.items() if name.startswith("discovery")]
    parts.lan.sightings.on_arrival = lambda: wake_one(discoverers)
    dispatchers = [loop for name, loop in loops.items() if name.startswith("dispatcher")]
    fetchers = [loop for name, loop in loops.items() if name.startswith("fetch")]
    parts.spool.on_work = parts.dispatcher.on_work = parts.incoming.fetcher.on_arrival = lambda: wake_one(dispatchers)
    parts.spool.incoming.on_work = lambda: wake_one(fetchers)


def _loops(parts: Parts) -> Iterator[Loop]:
    """Give every background activity with its thread; there are no others but those of libraries."""
    yield Loop("mdns", parts.lan.browser.step)
    yield from (Loop(f"discovery-{number}", parts.lan.discovery.step) for number in range(DISCOVERERS))
    yield from (Loop(f"status-{number}", parts.lan.status.step) for number in range(POLLERS))
    yield Loop("intake", parts.mqtt.intake.step)
    yield Loop("commands", parts.mqtt.commands.step)
    # A share of the network that hangs hangs this loop alone.
    yield Loop("hot-folders", parts.incoming.hot_folders.step, silence_seconds=math.inf)
    yield from (Loop(f"fetch-{number}", parts.incoming.fetcher.step) for number in range(FETCHERS))
    yield from (Loop(f"dispatcher-{number}", parts.dispatcher.step) for number in range(DISPATCHERS))
    yield Loop("spool", parts.spool.step)
    yield Loop("inventory", parts.inventory.step)
    yield Loop("beat", parts.printos.beat.step)
    yield Loop("relay", parts.mqtt.relay.step, gather_seconds=RELAY_GATHER_SECONDS)
    yield Loop("cloud", parts.printos.cloud.step)
    yield from (Loop(f"control-{number}", parts.control.step) for number in range(CONTROLLERS))
    if parts.web is not None:
        yield from (Loop(f"web-{number}", parts.web.step) for number in range(WEB_ANSWERERS))


def _wait(parts: Parts, loops: dict[str, Loop], stopping: threading.Event) -> None:
    """Feed the watchdog while every loop does its work."""
    systemd = notifier()
    sessions = {"tickets": parts.mqtt.tickets, "control session": parts.mqtt.control_session}
    told: list[str] = []
    while not stopping.wait(TICK_SECONDS):
        silent = [name for name, loop in loops.items() if not loop.is_alive()]
        silent += [name for name, session in sessions.items() if not session.is_alive()]
        if not silent:
            systemd.watchdog()
        elif silent != told:
            log.error("not alive: %s; the watchdog is not fed", ", ".join(silent))
        told = silent


def _stop(parts: Parts, loops: dict[str, Loop]) -> None:
    """Take nothing in any more, let what is being sent finish, tell the outside, and close."""
    endings: tuple[Callable[[], object], ...] = (
        notifier().stopping,
        parts.mqtt.tickets.stop,
        parts.control.close,
        *([parts.web.close] if parts.web is not None else []),
        parts.incoming.fetcher.close,
        lambda: _end(loops, *TAKERS),
        lambda: _end(loops, "dispatcher", "fetch", "spool", seconds=FINISH_SECONDS),
        lambda: _end(loops, "cloud"),
        parts.printos.cloud.close,
        lambda: _end(loops, "relay"),
        parts.mqtt.relay.close,
        parts.mqtt.control_session.stop,
        parts.lan.browser.stop,
        parts.lan.snmp.stop,
        parts.lan.drivers.close,
        parts.lan.clients.close,
        parts.store.close,
    )
    for end in endings:
        try:
            end()
        except Exception:
            log.exception("a part did not stop cleanly; the others go on")


def _end(loops: dict[str, Loop], *names: str, seconds: float = JOIN_SECONDS) -> None:
    """End the loops whose names begin so; one that does not end in time is left to the end of the process."""
    ending = [loop for name, loop in loops.items() if name.startswith(names)]
    for loop in ending:
        loop.stop()
    deadline = time.monotonic() + seconds
    for loop in ending:
        if not loop.join(max(0.0, deadline - time.monotonic())):
            log.warning("%s did not end in time", loop.name)


def _stop_on_signal() -> threading.Event:
    stopping = threading.Event()

    def take(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(HURRY_EXIT_CODE)
        log.info("%s: stopping", signal.Signals(number).name)
        stopping.set()

    signal.signal(signal.SIGTERM, take)
    signal.signal(signal.SIGINT, take)
    return stopping


@contextlib.contextmanager
def _only_agent(config: Config) -> Iterator[None]:
    """Hold the lock of the state folder; uploads that an agent before us left are dropped."""
    folder = config.agent.state_dir
    os.umask(0o077)  # nobody else reads a job, whatever the mode of a folder that was there before
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise StorageError(f"agent.state_dir: {folder}: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"another agent runs with the state folder {folder}") from error
        shutil.rmtree(config.uploads_folder, ignore_errors=True)
        config.uploads_folder.mkdir(mode=0o700)
        yield


def _log_to_standard_error(level: str) -> None:
    """Log one line an event; the service manager adds the time, a terminal gets it from us."""
    prefix = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(level=level.upper(), format=f"{prefix}%(levelname)s %(message)s", force=True)
    logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it tells of lost networks in tracebacks
