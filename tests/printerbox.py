"""A real IPP printer for tests: CUPS's ippeveprinter, in a network namespace with a D-Bus and an Avahi of its own.

with ippeveprinter(tmp_path / "spool", formats=("application/pdf",)) as printer:
    Ipp(printer.uri, http=http).read()
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PORT = 8631
READY_SECONDS = 20.0
INSIDE = "printer"
"""The namespace's end of the cable, beside `lo`."""

PROGRAMS = ("ippeveprinter", "avahi-daemon", "dbus-daemon", "ip", "unshare")

BOX = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/dbus
printf '[server]\\nallow-interfaces=%s\\nuse-ipv6=no\\n[wide-area]\\nenable-wide-area=no\\n' "$1" > /run/avahi.conf
dbus-daemon --system --fork --nopidfile
avahi-daemon --no-drop-root --no-rlimits --no-chroot -f /run/avahi.conf --daemonize
shift
exec "$@"
"""

_numbers = itertools.count()


@dataclass
class PrinterBox:
    """A printer with a power switch.

    Attributes:
        spool: where the documents are kept, named `<job id>-<job name>.<extension>`.
        log: what ippeveprinter wrote to its standard error.
    """

    spool: Path
    host: str
    namespace: str
    arguments: Sequence[str]
    log: Path
    announce_on: str
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Where it prints, the same after each start."""
        return f"ipp://{self.host}:{PORT}/ipp/print"

    @property
    def web(self) -> str:
        """Its web forms, by which supplies and media are set."""
        return f"http://{self.host}:{PORT}"

    def start(self) -> None:
        """Switch it on and wait until it takes connections."""
        box = ["ip", "netns", "exec", self.namespace, "unshare", "-mpf", "--kill-child", "--mount-proc"]
        command = [*box, "sh", "-c", BOX, "box", self.announce_on, *self.arguments]
        with self.log.open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self._processes[0].poll() is None, f"ippeveprinter ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"ippeveprinter doesn't listen: {self.log.read_text()}"

    def stop(self) -> None:
        """Pull the plug."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait(10)

    def documents(self) -> list[Path]:
        """List the documents that it has kept, in the order of their jobs; what its command printed is beside them."""
        kept = (path for path in self.spool.glob("[0-9]*-*") if path.suffix != ".prn")
        return sorted(kept, key=lambda path: int(path.name.partition("-")[0]))

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, PORT), timeout=1):
                return True
        except OSError:
            time.sleep(0.02)
            return False


@contextmanager
def ippeveprinter(
    spool: Path,
    *,
    command: str = "/bin/true",
    formats: Sequence[str] = ("application/pdf", "application/octet-stream"),
    options: Sequence[str] = (),
    name: str = "Test Printer",
    announce_on: str = "lo",
) -> Iterator[PrinterBox]:
    """Run an ippeveprinter that keeps what it is sent; the test is skipped where none can be run.

    Args:
        spool: the folder of kept documents, made if need be.
        command: run for each document; its standard error moves the printer's state (`STATE: +media-jam-error`).
        formats: the document formats that it takes.
        options: more arguments, such as `-2` for duplex.
        name: its name.
        announce_on: where Avahi announces it: `lo` keeps it to itself, `printer` is the cable to this host.
    """
    _skip_unless_possible()
    spool.mkdir(parents=True, exist_ok=True)
    number = f"{os.getpid()}-{next(_numbers)}"
    kept = ("-p", str(PORT), "-d", str(spool), "-k", "-c", command, "-f", ",".join(formats))
    box = PrinterBox(
        spool=spool,
        host=_free_network(),
        namespace=f"printer-{number}",
        arguments=("ippeveprinter", *kept, *options, name),
        log=spool.parent / f"{spool.name}.log",
        announce_on=announce_on,
    )
    try:
        _lay_cable(box, f"pb{number}")
        box.start()
        yield box
    finally:
        box.stop()
        subprocess.run(("ip", "netns", "del", box.namespace), capture_output=True, timeout=20, check=False)


def _skip_unless_possible() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"a real IPP printer needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("a real IPP printer is run in a network namespace, which needs root")


def _free_network() -> str:
    """Pick the second address of a /30 in the range for benchmarks (RFC 2544)."""
    number = secrets.randbelow(2**15)
    return f"198.{18 + number // 2**14}.{number // 64 % 256}.{number % 64 * 4 + 2}"


def _lay_cable(box: PrinterBox, outside: str) -> None:
    prefix, _, last = box.host.rpartition(".")
    inside = ("ip", "-n", box.namespace)
    _run("ip", "netns", "add", box.namespace)
    _run("ip", "link", "add", outside, "type", "veth", "peer", "name", INSIDE, "netns", box.namespace)
    _run("ip", "addr", "add", f"{prefix}.{int(last) - 1}/30", "dev", outside)
    _run("ip", "link", "set", outside, "up")
    _run(*inside, "addr", "add", f"{box.host}/30", "dev", INSIDE)
    _run(*inside, "link", "set", INSIDE, "up")
    _run(*inside, "link", "set", "lo", "up")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        pytest.skip(f"no network namespace for a real IPP printer here: {' '.join(command)}: {done.stderr.strip()}")
