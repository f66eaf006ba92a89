"""The socket that the command line talks to the running agent over.

A request is one JSON line, `{"command": "…", "arguments": {…}, "document_bytes": n}`, and n bytes of a document. The
answer is any number of `{"progress": {…}}` lines, then one of `{"result": …}` or
`{"error": {"message": "…", "exit_code": n}}`. Who may ask: root, the agent's own user, and members of its group.
"""

from __future__ import annotations

import contextlib
import grp
import json
import logging
import os
import pwd
import socket
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from agent.errors import AgentError, ConflictError, InputError, RefusedError, SpoolFullError, StorageError
from agent.loop import beat
from agent.model import Command, Progress

log = logging.getLogger(__name__)

REQUEST_LIMIT_BYTES = 65_536
BLOCK_BYTES = 262_144
ACCEPT_SECONDS = 1.0
PEER_SECONDS = 30.0


class ControlServer:
    """Answers the command line; several threads may call `step`."""

    def __init__(self, *, path: Path, commands: Mapping[str, Command], folder: Path, limit_bytes: int) -> None:
        self._path = path
        self._commands = commands
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Listen on the socket, readable and writable for the agent's user and group.

        Raises:
            StorageError: the socket can't be made.
            ConflictError: another agent answers on it.
        """
        if _is_answered(self._path):
            raise ConflictError(f"{self._path}: another agent answers there")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            self._path.chmod(0o660)
        except OSError as error:
            listener.close()
            raise StorageError(f"{self._path}: {error.strerror or error}") from error
        listener.listen(16)
        listener.settimeout(ACCEPT_SECONDS)
        self._listener = listener

    def step(self) -> float:
        """Wait up to a second for a request and answer it; gives the seconds until the next step."""
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            return 0.0
        except OSError:  # the socket is being closed
            return ACCEPT_SECONDS
        with connection:
            connection.settimeout(PEER_SECONDS)
            with contextlib.suppress(OSError):  # whoever asked has gone
                self._answer(connection)
        return 0.0

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
            self._listener.close()
            self._path.unlink(missing_ok=True)

    def _answer(self, connection: socket.socket) -> None:
        def send(message: Mapping[str, Any]) -> None:
            beat()
            connection.sendall(json.dumps(message).encode() + b"\n")

        with connection.makefile("rb") as stream:
            try:
                _check_peer(connection)
                send({"result": self._run(stream, lambda facts: send({"progress": facts}))})
            except AgentError as error:
                send({"error": {"message": str(error), "exit_code": error.exit_code}})
            except OSError:
                raise
            except Exception:
                log.exception("control: a request failed")
                send({"error": {"message": "the agent failed; its log tells more", "exit_code": 1}})

    def _run(self, stream: BinaryIO, progress: Progress) -> Any:
        name, arguments, size = _parse_request(stream.readline(REQUEST_LIMIT_BYTES))
        command = self._commands.get(name)
        if command is None:
            raise InputError(f"the running agent does not know {name!r}: is it another version?")
        if not size:
            return command(arguments, None, progress)
        document = self._receive(stream, size)
        try:
            return command(arguments, document, progress)
        finally:
            document.unlink(missing_ok=True)

    def _receive(self, stream: BinaryIO, size: int) -> Path:
        if size > self._limit_bytes:
            raise InputError(f"{size} bytes are more than spool.max_job_bytes allows ({self._limit_bytes})")
        try:
            handle, name = tempfile.mkstemp(dir=self._folder, prefix="upload-")
        except OSError as error:
            raise StorageError(f"{self._folder}: {error.strerror}") from error
        try:
            with os.fdopen(handle, "wb") as file:
                _copy(stream, file, size)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ACCEPT_SECONDS)
        return probe.connect_ex(str(path)) == 0


def _parse_request(line: bytes) -> tuple[str, Mapping[str, Any], int]:
    try:
        request = json.loads(line)
        name, arguments, size = request["command"], request.get("arguments", {}), request.get("document_bytes", 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("not a request of the agent's command line") from error
    if not (isinstance(name, str) and isinstance(arguments, dict) and isinstance(size, int) and size >= 0):
        raise InputError("not a request of the agent's command line")
    return name, arguments, size


def _copy(stream: BinaryIO, file: BinaryIO, size: int) -> None:
    left = size
    while left:
        block = stream.read(min(left, BLOCK_BYTES))
        if not block:
            raise InputError("the document ended before its size")
        try:
            file.write(block)
        except OSError as error:
            raise SpoolFullError(f"the document does not fit on the disk: {error.strerror}") from error
        left -= len(block)
        beat()


def _check_peer(connection: socket.socket) -> None:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", credentials)
    if uid not in (0, os.geteuid()) and os.getegid() not in _groups(uid, gid):
        group = grp.getgrgid(os.getegid()).gr_name
        raise RefusedError(f"only root and members of the group {group} may do this")


def _groups(uid: int, gid: int) -> list[int]:
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]
