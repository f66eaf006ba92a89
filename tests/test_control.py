"""The socket between the command line and the running agent, with both of its real ends."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.cli import client
from agent.config import parse_config
from agent.config_schema import Config
from agent.control import ControlServer
from agent.errors import AgentError, ConflictError, InputError, NotFoundError, RefusedError
from agent.loop import Loop
from agent.model import Progress


def echo(arguments: Mapping[str, Any], document: Path | None, progress: Progress) -> Any:
    """Give back what came."""
    progress({"step": 1})
    return {**arguments, "document": document.read_bytes().decode() if document else None}


def refuse(arguments: Mapping[str, Any], document: Path | None, progress: Progress) -> Any:
    """Say no."""
    raise RefusedError("wrong PIN")


def fail(arguments: Mapping[str, Any], document: Path | None, progress: Progress) -> Any:
    """Have a bug."""
    raise RuntimeError("a bug")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give a configuration with a state folder of its own."""
    return parse_config(f'[agent]\nstate_dir = "{tmp_path}"', tmp_path / "agent.toml")


@pytest.fixture
def server(config: Config, tmp_path: Path) -> Iterator[ControlServer]:
    """Run a control socket as the agent does."""
    commands = {"echo": echo, "refuse": refuse, "fail": fail}
    server = ControlServer(path=config.socket_path, commands=commands, folder=tmp_path, limit_bytes=1000)
    server.open()
    loop = Loop("control", server.step)
    loop.start()
    yield server
    server.close()
    loop.stop()
    assert loop.join(5)


@pytest.mark.usefixtures("server")
def test_a_question_comes_back_with_its_answer_and_progress(config: Config) -> None:
    """What the agent tells on the way arrives before its answer."""
    told: list[Mapping[str, Any]] = []
    assert client.ask(config, "echo", {"id": "7"}, on_progress=told.append) == {"id": "7", "document": None}
    assert told == [{"step": 1}]


@pytest.mark.usefixtures("server")
def test_a_document_comes_along_and_is_not_left_behind(config: Config, tmp_path: Path) -> None:
    """The command reads it from a file that is gone when the answer has left."""
    document = tmp_path / "order.pdf"
    document.write_text("%PDF")
    assert client.ask(config, "echo", document=document)["document"] == "%PDF"
    assert not list(tmp_path.glob("upload-*"))


@pytest.mark.usefixtures("server")
def test_a_document_that_is_too_large_is_refused_before_it_is_read(config: Config, tmp_path: Path) -> None:
    """The limit is spool.max_job_bytes, and the message names it."""
    document = tmp_path / "large"
    document.write_bytes(bytes(1001))
    with pytest.raises(InputError, match=r"spool\.max_job_bytes"):
        client.ask(config, "echo", document=document)


@pytest.mark.usefixtures("server")
def test_an_error_keeps_its_kind_and_its_sentence(config: Config) -> None:
    """So that the exit code of the command line is the agent's."""
    with pytest.raises(RefusedError, match="wrong PIN"):
        client.ask(config, "refuse")


@pytest.mark.usefixtures("server")
def test_a_bug_is_told_without_its_traceback(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the agent's log, and the agent answers the next one."""
    with pytest.raises(AgentError, match="its log tells more"):
        client.ask(config, "fail")
    assert "a bug" in caplog.text
    assert client.ask(config, "echo")["document"] is None


@pytest.mark.usefixtures("server")
def test_another_version_is_told_as_such(config: Config) -> None:
    """An unknown command is bad input, not a crash."""
    with pytest.raises(InputError, match="another version"):
        client.ask(config, "dance")


def test_nobody_there_says_how_to_start_it(config: Config) -> None:
    """Exit code 3, with what to do."""
    with pytest.raises(NotFoundError, match="systemctl start printos-agent"):
        client.ask(config, "echo")


def test_a_second_agent_on_the_same_socket_is_refused(server: ControlServer, config: Config, tmp_path: Path) -> None:
    """One state folder has one agent."""
    second = ControlServer(path=config.socket_path, commands={}, folder=tmp_path, limit_bytes=1)
    with pytest.raises(ConflictError):
        second.open()


@pytest.mark.usefixtures("server")
def test_only_the_owner_and_the_group_can_ask(config: Config) -> None:
    """The socket is 0660."""
    assert stat.S_IMODE(config.socket_path.stat().st_mode) == 0o660


@pytest.mark.usefixtures("server")
def test_many_can_ask_at_once(config: Config) -> None:
    """Each gets the answer to its own question."""
    answers: dict[int, Any] = {}
    askers = [
        threading.Thread(target=lambda n=number: answers.update({n: client.ask(config, "echo", {"n": n})["n"]}))
        for number in range(8)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(10)
    assert answers == {number: number for number in range(8)}
