"""The printers of the crash suite, processes of their own that no kill reaches, and what they have printed."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import urlopen

from agent.simulator.processes import AgentCommand
from tests.crash.documents import make_document, number_of
from tests.crash.verdict import PRINTERS, Copy, Printer
from tests.printerbox import ippeveprinter, printing_to

SIMULATED: Mapping[Printer, tuple[str, ...]] = {
    "rest": ("hp-rest",),
    "raw": ("raw", "--raw", "bare"),
    "pjl": ("raw", "--raw", "pjl"),
}


class Printers:
    """Printers while the `with` block runs: ippeveprinter, and the simulators of HP REST and of two ports 9100.

    Attributes:
        uris: where each prints.

    Args:
        folder: for what they print, and their logs.
        kinds: which of them there are.
    """

    def __init__(self, folder: Path, kinds: Sequence[Printer] = PRINTERS) -> None:
        self._kinds = kinds
        self.uris: dict[Printer, str] = {}
        self._folder = folder
        self._stack = ExitStack()
        self._processes: dict[Printer, AgentCommand] = {}
        self._http_ports: dict[Printer, int] = {}
        self._starts = 0

    def __enter__(self) -> Self:
        """Switch them on."""
        with ExitStack() as stack:
            if "ipp" in self._kinds:
                command = printing_to(self._printed("ipp"))
                self._box = stack.enter_context(ippeveprinter(self._folder / "ipp-spool", command=command))
                self.uris["ipp"] = self._box.uri
            for printer in filter(self._kinds.__contains__, SIMULATED):
                stack.callback(self._stop, printer)
                self._start(printer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch them off."""
        self._stack.close()

    @property
    def ports(self) -> dict[Printer, int]:
        """Give the TCP port of each."""
        return {printer: urlsplit(uri).port or 0 for printer, uri in self.uris.items()}

    def tables(self) -> list[dict[str, Any]]:
        """Give them as the configuration has printers."""
        modes = {"raw": {"raw": "bare"}, "pjl": {"raw": "pjl"}}
        return [{"alias": name, "uris": [uri], **modes.get(name, {})} for name, uri in self.uris.items()]

    def can_refuse(self, printer: Printer) -> bool:
        """Whether a printer can be told to be busy."""
        return printer == "rest"

    def refuse_next(self, printer: Printer) -> None:
        """Have a printer say to the next document that it takes none now."""
        with urlopen(f"{self.uris[printer]}/simulator/refuse?status=503", data=b"", timeout=5):
            return

    def restart(self, printer: Printer) -> None:
        """Switch a printer off and on again; it forgets its jobs."""
        if printer == "ipp":
            self._box.stop()
            self._box.start()
        else:
            self._stop(printer, signal.SIGKILL)
            self._start(printer)

    def copies(self, sizes: Mapping[int, int]) -> Iterator[Copy]:
        """Tell what has come out; `sizes` are those of the documents in bytes."""
        for printer in self._kinds:
            for path in filter(Path.is_file, self._printed(printer).rglob("*")):
                content = path.read_bytes()
                number = number_of(content)
                if number is not None:
                    yield Copy(number, is_whole=content == make_document(number, sizes[number]))

    def _printed(self, printer: str) -> Path:
        return self._folder / f"{printer}-printed"

    def _stop(self, printer: Printer, how: int = signal.SIGTERM) -> None:
        if printer in self._processes:
            self._processes.pop(printer).stop(how)

    def _start(self, printer: Printer) -> None:
        """Switch a simulated printer on, where it was before; each time it keeps what it prints in another folder."""
        self._starts += 1
        keep, port = self._printed(printer) / str(self._starts), self._http_ports.get(printer, 0)
        options = ("--kind", *SIMULATED[printer], "--port", str(port), "--no-mdns", "--seconds-per-page", "0.001")
        log = self._folder / f"{printer}.log"
        process = AgentCommand("simulate", "printer", *options, "--keep", keep, log=log)
        self._processes[printer] = process
        process.start()
        where = process.ready()
        self._http_ports[printer] = urlsplit(where["control_url"]).port or 0
        self.uris[printer] = where.get("raw_uri") or where["http_url"]
