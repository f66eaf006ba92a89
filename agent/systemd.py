"""What the agent tells systemd, by sd_notify(3): that it is ready, alive, stopping.

Without systemd every call is quiet and does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

SEND_TIMEOUT_SECONDS = 2.0


class Notifier:
    """Tells the service manager how the service is; tells nobody where there is no `address`.

    Args:
        address: the value of `NOTIFY_SOCKET`: the path of a datagram socket, or its abstract name after an `@`.
    """

    def __init__(self, *, address: str | None) -> None:
        self._address = address

    def ready(self) -> None:
        """Say that the service does its work now."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Say that the service is alive; without it for `WatchdogSec=` systemd restarts the service."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.settimeout(SEND_TIMEOUT_SECONDS)
                door.sendto(message.encode(), address)
        except OSError as error:
            log.warning("systemd was not told %s: %s", message, error)


def notifier(environ: Mapping[str, str] = os.environ) -> Notifier:
    """Give the notifier of the service manager that started this process, if one did."""
    return Notifier(address=environ.get("NOTIFY_SOCKET"))
