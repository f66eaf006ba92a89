"""The clients for printers that are built of the configuration."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from agent.config_schema import PrinterConfig
from agent.printer_clients import PrinterClients
from tests.scripted_server import OK, read_head, scripted


def test_a_changed_login_of_a_printer_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    """Nothing is restarted; while the file stays as it is, so does the client."""
    file, heads = tmp_path / "login", []
    config = PrinterConfig(host="127.0.0.1", credentials_file=file)

    def script(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK)

    with closing(PrinterClients()) as clients:
        for number, token in enumerate(("first", "second")):
            file.write_text(f'token = "{token}"\n')
            os.utime(file, (number, number))
            assert clients.client_for(config) is clients.client_for(config)
            with scripted(script) as url:
                clients.client_for(config).request("GET", url)
    assert [b"Bearer first" in heads[0], b"Bearer second" in heads[1]] == [True, True]
