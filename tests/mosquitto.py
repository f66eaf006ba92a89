"""A real mosquitto for tests, in a folder of its own on a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.cable import Cable

READY_SECONDS = 5.0
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
TOOLS = {name: shutil.which(name, path=PATH) for name in ("mosquitto", "mosquitto_passwd", "openssl")}


class Mosquitto:
    """A broker as a context manager; `stop` and `start` keep its port, and with `persistence` its sessions.

    Attributes:
        host: where it listens: 127.0.0.1, or the far end of the cable that was given.
        port: the TCP port there, with TLS where `tls` was asked for.
        ca_file: the certificate authority made for it, where `tls` was asked for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        persistence: bool = False,
        extra: str = "",
        line: Cable | None = None,
    ) -> None:
        if TOOLS["mosquitto"] is None:
            pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
        self.host = line.host if line else "127.0.0.1"
        self.port = free_port()
        self.ca_file = folder / "ca.pem"
        self._folder = folder
        self._login = (username, password)
        self._tls = tls
        self._persistence = persistence
        self._extra = extra
        self._inside = line.inside if line else ()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._tls:
            make_certificates(self._folder)
        (self._folder / "mosquitto.conf").write_text("\n".join(self._settings()) + "\n")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, str(TOOLS["mosquitto"]), "-v", "-c", str(self._folder / "mosquitto.conf")],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 0.2):
                return
            time.sleep(0.01)
        raise AssertionError((self._folder / "mosquitto.log").read_text())

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it; with SIGTERM and persistence it writes its sessions down first."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(READY_SECONDS)
            self._process = None

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def log(self) -> str:
        """Give what it has logged."""
        return (self._folder / "mosquitto.log").read_text(errors="replace")

    def _settings(self) -> Iterator[str]:
        if os.geteuid() == 0:
            yield "user root"
        if self._persistence:
            yield from ("persistence true", f"persistence_location {self._folder}/")
        yield f"listener {self.port} {self.host}"
        if self._tls:
            yield from (f"certfile {self._folder}/server.pem", f"keyfile {self._folder}/server.key")
        username, password = self._login
        if username and password:
            file = self._folder / "passwords"
            subprocess.run(
                [str(TOOLS["mosquitto_passwd"]), "-c", "-b", str(file), username, password],
                check=True, capture_output=True,
            )  # fmt: skip
            yield f"password_file {file}"
        yield f"allow_anonymous {'false' if username else 'true'}"
        yield self._extra


def free_port() -> int:
    """Give a TCP port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificates(folder: Path) -> None:
    """Make a certificate authority and a server certificate for 127.0.0.1 and localhost."""

    def openssl(*arguments: str) -> None:
        subprocess.run([str(TOOLS["openssl"]), *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *key, *usage, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "2", "-extfile", "server.ext",
    )  # fmt: skip
