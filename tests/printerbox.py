"""A real IPP printer for tests: CUPS's ippeveprinter, in a network namespace with a D-Bus and an Avahi of its own.

with ippeveprinter(tmp_path / "spool", formats=("application/pdf",)) as printer:
    Ipp(printer.uri, http=http).read()
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import signal
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
        host: its address.
        gateway: this host's address at the other end of the cable.
    """

    spool: Path
    host: str
    gateway: str
    namespace: str
    arguments: Sequence[str]
    log: Path
    announce_on: str
    outside: str
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

    def say_goodbye(self) -> None:
        """Have its Avahi withdraw it, as a printer does that is switched off by its button."""
        inside = Path(f"/proc/{_child_of(self._processes[0].pid)}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_avahi = (process / "comm").read_text() == "avahi-daemon\n"
                if is_avahi and (process / "ns" / "pid").readlink() == inside:
                    os.kill(int(process.name), signal.SIGTERM)

    def cut_cable(self) -> None:
        """Draw the cable, as the power cut of a whole floor does."""
        _run("ip", "link", "del", self.outside)

    def lay_cable(self) -> None:
        """Lay the cable to this host."""
        inside = ("ip", "-n", self.namespace)
        _run("ip", "link", "add", self.outside, "type", "veth", "peer", "name", INSIDE, "netns", self.namespace)
        _run("ip", "addr", "add", f"{self.gateway}/28", "dev", self.outside)
        _run("ip", "link", "set", self.outside, "up")
        _run(*inside, "addr", "add", f"{self.host}/28", "dev", INSIDE)
        _run(*inside, "link", "set", INSIDE, "up")

    def readdress(self) -> None:
        """Give it the next address of its network, as DHCP may."""
        prefix, _, last = self.host.rpartition(".")
        moved = f"{prefix}.{int(last) + 1}"
        inside = ("ip", "-n", self.namespace, "addr")
        _run(*inside, "del", f"{self.host}/28", "dev", INSIDE)
        _run(*inside, "add", f"{moved}/28", "dev", INSIDE)
        self.host = moved

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
    prefix, first = _free_network()
    box = PrinterBox(
        spool=spool,
        host=f"{prefix}.{first + 1}",
        gateway=f"{prefix}.{first}",
        outside=f"pb{number}",
        namespace=f"printer-{number}",
        arguments=("ippeveprinter", *kept, *options, name),
        log=spool.parent / f"{spool.name}.log",
        announce_on=announce_on,
    )
    try:
        _run("ip", "netns", "add", box.namespace)
        _run("ip", "-n", box.namespace, "link", "set", "lo", "up")
        box.lay_cable()
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


def _free_network() -> tuple[str, int]:
    """Pick a /28 in the range for benchmarks (RFC 2544): its first three octets, and the last of its first address."""
    number = secrets.randbelow(2**13)
    return f"198.{18 + number // 2**12}.{number // 16 % 256}", number % 16 * 16 + 1


def _child_of(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        pytest.skip(f"no network namespace for a real IPP printer here: {' '.join(command)}: {done.stderr.strip()}")
