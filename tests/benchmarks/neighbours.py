"""Programs that run beside the agent: a broker and a print server of one's own, on free ports and in a folder."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from agent.drivers.ipp_message import encode_message, parse_message
from agent.drivers.ipp_values import Attributes, Group, GroupTag, Message, Operation, Tag, attribute

START_SECONDS = 20.0
END_SECONDS = 10.0
CALL_SECONDS = 60.0
NEEDED = {"mosquitto": "mosquitto", "cupsd": "cups", "lp": "cups-client", "lpadmin": "cups-client", "curl": "curl"}
QUEUE = "sink"
RAW_FORMAT = "application/vnd.cups-raw"

MOSQUITTO_CONF = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
"""
CUPSD_CONF = """
LogLevel warn
Listen 127.0.0.1:{port}
Browsing Off
WebInterface No
DefaultAuthType None
MaxJobs 0
<Location />
  Order allow,deny
  Allow localhost
</Location>
<Location /admin>
  Order allow,deny
  Allow localhost
</Location>
<Policy default>
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""
CUPS_FILES_CONF = """
ServerRoot {folder}/root
RequestRoot {folder}/spool
CacheDir {folder}/cache
StateDir {folder}/state
TempDir {folder}/tmp
ErrorLog {folder}/error
AccessLog {folder}/access
PageLog {folder}/page
ServerKeychain {folder}/ssl
SystemGroup root
"""


def missing_packages() -> list[str]:
    """Name the Debian packages that the benchmarks need and this box lacks."""
    return sorted({package for program, package in NEEDED.items() if not _program(program)})


class Server:
    """A program that listens on a port of 127.0.0.1."""

    def __init__(self, *command: str, port: int) -> None:
        self.port = port
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            TimeoutError: it does not.
        """
        quiet = subprocess.DEVNULL
        self._child = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._command[0]} does not answer on port {self.port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(END_SECONDS)


def mosquitto(folder: Path) -> Server:
    """Give a Mosquitto that knows nobody and keeps nothing."""
    port, config = _free_port(), folder / "mosquitto.conf"
    as_root = "user root\n" if os.geteuid() == 0 else ""
    config.write_text(as_root + MOSQUITTO_CONF.format(port=port))
    return Server(_program("mosquitto"), "-c", str(config), port=port)


def cupsd(folder: Path) -> Server:
    """Give a CUPS of its own: no queue, no history, nothing shared with the system's."""
    port = _free_port()
    for name in ("root", "spool", "cache", "state", "tmp", "ssl"):
        (folder / name).mkdir(parents=True)
    (folder / "root" / "cupsd.conf").write_text(CUPSD_CONF.format(port=port))
    (folder / "root" / "cups-files.conf").write_text(CUPS_FILES_CONF.format(folder=folder))
    options = ("-c", str(folder / "root" / "cupsd.conf"), "-s", str(folder / "root" / "cups-files.conf"))
    return Server(_program("cupsd"), "-f", *options, port=port)


class Cups:
    """A queue of a CUPS that passes what it gets to a 9100 sink."""

    def __init__(self, *, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)

    def add_queue(self, sink_port: int) -> None:
        """Make the queue."""
        self._call("lpadmin", "-p", QUEUE, "-E", "-v", f"socket://127.0.0.1:{sink_port}")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def print_by_lp(self, document: Path) -> None:
        """Submit a document as people and scripts do."""
        self._call("lp", "-d", QUEUE, "-o", "raw", str(document))

    def print_by_ipp(self, document: bytes) -> None:
        """Submit a document by one Print-Job on an open connection.

        Raises:
            ConnectionError: CUPS refused it.
        """
        headers = {"Content-Type": "application/ipp"}
        self._connection.request("POST", f"/printers/{QUEUE}", _print_job(self._host) + document, headers)
        answer = parse_message(self._connection.getresponse().read())
        if answer.code:
            raise ConnectionError(f"CUPS refused the job: status 0x{answer.code:04x}")

    def _call(self, program: str, *arguments: str) -> None:
        command = [_program(program), "-h", self._host, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=CALL_SECONDS)


def _print_job(host: str) -> bytes:
    operation = (
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.NATURAL_LANGUAGE, "en"),
        attribute("printer-uri", Tag.URI, f"ipp://{host}/printers/{QUEUE}"),
        attribute("requesting-user-name", Tag.NAME, "bench"),
        attribute("document-format", Tag.MIME_MEDIA_TYPE, RAW_FORMAT),
    )
    groups = (Group(GroupTag.OPERATION, Attributes(operation)),)
    return encode_message(Message(Operation.PRINT_JOB, groups, (2, 0), 1))


def _program(name: str) -> str:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or ""


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
