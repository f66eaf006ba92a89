"""Asks the person at the terminal for what doesn't belong on a command line."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable

from agent.errors import InputError
from agent.private_memory import keep_memory_private


def ask_text(question: str, *, otherwise: str) -> str:
    """Ask a question; where there is no terminal or no answer, `otherwise` says how else it can be given.

    Raises:
        InputError: there is no terminal, or no answer.
    """
    return _answer(lambda: _prompted(question), otherwise)


def ask_secret(question: str, *, otherwise: str) -> str:
    """Ask for a secret, which is not shown; else as `ask_text`."""
    keep_memory_private()
    return _answer(lambda: getpass.getpass(question), otherwise)


def _prompted(question: str) -> str:
    """Ask on standard error, for standard output is for what a command answers."""
    print(question, end="", file=sys.stderr, flush=True)
    return input()


def _answer(ask: Callable[[], str], otherwise: str) -> str:
    if not sys.stdin.isatty():
        raise InputError(otherwise)
    try:
        answer = ask()
    except EOFError:  # the person pressed ^D
        answer = ""
    if not answer:
        raise InputError(f"nothing was given; {otherwise}")
    return answer
