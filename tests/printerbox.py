"""A real IPP printer for tests: CUPS's ippeveprinter, in a network namespace with a D-Bus and an Avahi of its own.

with ippeveprinter(tmp_path / "spool", formats=("application/pdf",)) as printer:
    Ipp(printer.uri, http=http).read()
"""

from __future__ import annotations

import contextlib
import os
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

from tests.cable import Cable, cable

PORT = 8631
READY_SECONDS = 20.0
PROGRAMS = ("ippeveprinter", "avahi-daemon", "dbus-daemon", "ip", "unshare")

BOX = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/dbus
printf '[server]\\nallow-interfaces=%s\\nuse-ipv6=no\\n[wide-area]\\nenable-wide-area=no\\n' "$1" > /run/avahi.conf
dbus-daemon --system --fork --nopidfile
avahi-daemon --no-drop-root --no-rlimits --no-chroot -f /run/avahi.conf --daemonize
shift
exec "$@"
"""

PRINT_TO = '#!/bin/sh\nexec cp "$1" "{folder}/$$-$(basename "$1")"\n'


@dataclass
class PrinterBox:
    """A printer with a power switch.

    Attributes:
        spool: where the documents are kept, named `<job id>-<job name>.<extension>`.
        log: what ippeveprinter wrote to its standard error.
    """

    spool: Path
    cable: Cable
    arguments: Sequence[str]
    log: Path
    announce_on: str
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Its address."""
        return self.cable.host

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
        box = [*self.cable.inside, "unshare", "-mpf", "--kill-child", "--mount-proc"]
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
        inside = Path(f"/proc/{self._child()}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_avahi = (process / "comm").read_text() == "avahi-daemon\n"
                if is_avahi and (process / "ns" / "pid").readlink() == inside:
                    os.kill(int(process.name), signal.SIGTERM)

    def hang(self) -> None:
        """Let it hang: connections are made, nothing is answered."""
        os.kill(self._child(), signal.SIGSTOP)

    def go_on(self) -> None:
        """End the hang."""
        os.kill(self._child(), signal.SIGCONT)

    def documents(self) -> list[Path]:
        """List the documents that it has kept, in the order of their jobs; what its command printed is beside them."""
        kept = (path for path in self.spool.glob("[0-9]*-*") if path.suffix != ".prn")
        return sorted(kept, key=lambda path: int(path.name.partition("-")[0]))

    def _child(self) -> int:
        parent = self._processes[0].pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])

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
    attributes: Path | None = None,
    name: str = "Test Printer",
    announce_on: str = "lo",
) -> Iterator[PrinterBox]:
    """Run an ippeveprinter that keeps what it is sent; the test is skipped where none can be run.

    Args:
        spool: the folder of kept documents, made if need be.
        command: run for each document; its standard error moves the printer's state (`STATE: +media-jam-error`).
        formats: the document formats that it takes.
        options: more arguments, such as `-2` for duplex.
        attributes: a file with all that it says of itself, in place of `formats` and of its own defaults.
        name: its name.
        announce_on: where Avahi announces it: `lo` keeps it to itself, `printer` is the cable to this host.
    """
    _skip_unless_possible()
    spool.mkdir(parents=True, exist_ok=True)
    able = ("-f", ",".join(formats)) if attributes is None else ("-a", str(attributes))
    kept = ("-p", str(PORT), "-d", str(spool), "-k", "-c", command, *able)
    with cable() as line:
        box = PrinterBox(
            spool=spool,
            cable=line,
            arguments=("ippeveprinter", *kept, *options, name),
            log=spool.parent / f"{spool.name}.log",
            announce_on=announce_on,
        )
        try:
            box.start()
            yield box
        finally:
            box.stop()


def printing_to(folder: Path) -> str:
    """Make the command of a printer that puts a copy of each document that it prints into a folder."""
    folder.mkdir(parents=True)
    command = folder.with_name(f"print-to-{folder.name}")
    command.write_text(PRINT_TO.format(folder=folder))
    command.chmod(0o755)
    return str(command)


def _skip_unless_possible() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"a real IPP printer needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("a real IPP printer is run in a network namespace, which needs root")
