"""A broker for the demo: Mosquitto where it is installed, else amqtt (MQTT 3.1.1 only); a child process on loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agent.errors import AgentError

HOST = "127.0.0.1"
MOSQUITTO = "mosquitto"
READY_SECONDS = 15.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.02
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"

AMQTT = """\
import asyncio, signal, sys
from amqtt.broker import Broker

async def main():
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": sys.argv[1]}}, "plugins": plugins})
    await broker.start()
    await stopping.wait()
    await broker.shutdown()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker; `version` is what its clients set as `mqtt.version`: amqtt leaves MQTT 5 without an answer."""

    host: str
    port: int
    name: str
    version: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it; one that does not end in time is killed."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)


def start_broker(folder: Path) -> Broker:
    """Start a broker that keeps its configuration and log in `folder`.

    Raises:
        AgentError: neither broker is installed, or it did not start.
    """
    mosquitto = shutil.which(MOSQUITTO, path=SYSTEM_PATH)
    return _start_mosquitto(mosquitto, folder) if mosquitto else start_amqtt(folder)


def start_amqtt(folder: Path) -> Broker:
    """Start the broker from the library; raises as `start_broker`."""
    if importlib.util.find_spec("amqtt") is None:
        raise AgentError("no MQTT broker: install mosquitto, or printos-agent with the extra `demo`")
    port = _free_port()
    return _started(folder, "amqtt", port, [sys.executable, "-c", AMQTT, f"{HOST}:{port}"])


def _start_mosquitto(mosquitto: str, folder: Path) -> Broker:
    port = _free_port()
    config = folder / "mosquitto.conf"
    lines = [f"listener {port} {HOST}", "allow_anonymous true"]
    if os.geteuid() == 0:
        lines.insert(0, "user root")
    config.write_text("\n".join(lines) + "\n")
    return _started(folder, MOSQUITTO, port, [mosquitto, "-c", str(config)])


def _started(folder: Path, name: str, port: int, command: list[str]) -> Broker:
    log = folder / "broker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603 - ours
    broker = Broker(HOST, port, name, "auto" if name == MOSQUITTO else "3.1.1", process)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port):
            return broker
        time.sleep(POLL_SECONDS)
    broker.stop()
    raise AgentError(f"{name} did not start: {log.read_text(errors='replace').strip()[-500:] or 'it said nothing'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
