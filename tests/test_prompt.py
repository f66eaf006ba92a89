from __future__ import annotations

import os
import subprocess
import sys

ASK = "from agent.cli.prompt import {0}; print('heard', {0}('Who? ', otherwise='use --login'))"

QUESTION = b"Who? "


def answer(ask: str, keys: bytes) -> str:
    """Have a question asked at a terminal of its own, press keys once it stands there, and give what is said then."""
    master, terminal = os.openpty()
    command = [sys.executable, "-c", ASK.format(ask)]
    with subprocess.Popen(
        command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.read(len(QUESTION)) == QUESTION
        os.write(master, keys)
        said = asking.communicate(timeout=20)[0]
    os.close(terminal)
    os.close(master)
    return said.decode()


def test_a_person_is_asked_at_the_terminal() -> None:
    """The answer is the line without its end."""
    assert "heard boss" in answer("ask_text", b"boss\n")
    assert "heard secret" in answer("ask_secret", b"secret\n")


def test_no_answer_says_how_else_it_can_be_given() -> None:
    """A bare return and ^D are no answer."""
    for ask in ("ask_text", "ask_secret"):
        for keys in (b"\n", b"\x04"):
            assert "InputError: nothing was given; use --login" in answer(ask, keys)


def test_without_a_terminal_nobody_is_asked() -> None:
    """A script must not hang on a question that nobody sees."""
    ended = subprocess.run(
        [sys.executable, "-c", ASK.format("ask_secret")], input="secret\n", capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip
    assert ended.stderr.endswith("InputError: use --login\n")
