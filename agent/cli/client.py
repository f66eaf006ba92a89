"""Asks the running agent over its socket; the other end is `agent.control`."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from agent.config_schema import Config
from agent.errors import AgentError, ConflictError, InputError, NotFoundError, RefusedError
from agent.model import Progress

BLOCK_BYTES = 262_144
ANSWER_SECONDS = 120.0


class NobodyThereError(NotFoundError):
    """Raised when no agent is running with this configuration."""


ERRORS: dict[int, type[AgentError]] = {
    kind.exit_code: kind for kind in (AgentError, InputError, NotFoundError, RefusedError, ConflictError)
}


def ask(
    config: Config,
    command: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    document: Path | None = None,
    on_progress: Progress = lambda _facts: None,
) -> Any:
    """Have the running agent do something and give its result.

    Raises:
        NobodyThereError: no agent is running.
        AgentError: what the agent answered, with its exit code.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(config.socket_path))
        except PermissionError as error:
            raise RefusedError(f"{config.socket_path}: permission denied; try with sudo") from error
        except OSError as error:
            raise NobodyThereError(_nobody_there(config)) from error
        try:
            return _exchange(connection, command, arguments or {}, document, on_progress)
        except TimeoutError as error:
            raise AgentError(f"the running agent did not answer within {ANSWER_SECONDS:.0f} s; see its log") from error
        except OSError as error:
            raise AgentError(f"the running agent went away: {error}") from error


def _nobody_there(config: Config) -> str:
    return f"no agent is running (nobody answers at {config.socket_path}); start it: systemctl start printos-agent"


def _exchange(
    connection: socket.socket, command: str, arguments: Mapping[str, Any], document: Path | None, on_progress: Progress
) -> Any:
    size = document.stat().st_size if document else 0
    request = {"command": command, "arguments": arguments, "document_bytes": size}
    connection.sendall(json.dumps(request).encode() + b"\n")
    if document:
        _send_document(connection, document)
    with connection.makefile("rb") as stream:
        return _answer(stream, on_progress)


def _send_document(connection: socket.socket, document: Path) -> None:
    try:
        with document.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                connection.sendall(block)
    except BrokenPipeError:  # it has refused already: its answer says why
        return


def _answer(stream: BinaryIO, on_progress: Progress) -> Any:
    for line in stream:
        message = json.loads(line)
        if "progress" in message:
            on_progress(message["progress"])
        elif "error" in message:
            error = message["error"]
            raise ERRORS.get(error["exit_code"], AgentError)(error["message"])
        else:
            return message["result"]
    raise AgentError("the running agent hung up without an answer; see its log")
