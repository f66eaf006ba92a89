"""`completion`: a script that completes the command line, made of the parsers themselves."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from agent.printos.device_types import device_types

WORDS = {"types": tuple(sorted({it.type for it in device_types()}))}
"""What else may stand after a command, where its parser takes any word."""

BASH = """\
# printos-agent completion bash
_printos_agent() {{
  local -A words=(
{words}
  )
  local -A values=(
{values}
  )
  local path= it last=${{COMP_WORDS[COMP_CWORD-1]}} word=${{COMP_WORDS[COMP_CWORD]}}
  for it in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ -z ${{words[$path $it.]+known}} ]] || path="$path $it"
  done
  if [[ -n ${{values[$path $last]+known}} ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${{values[$path $last]}}" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "${{words[$path.]}}" -- "$word")
  fi
}}
complete -o default -F _printos_agent printos-agent
"""
"""`words` has what may follow a path of commands, `values` what may follow an option: nothing is the name of a file."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this module."""
    completion = commands.add_parser("completion", help="a script that completes the command line")
    completion.add_argument("shell", choices=["bash"], help="eval the output, or put it into /etc/bash_completion.d")
    completion.set_defaults(run=show_script)


def show_script(options: argparse.Namespace) -> int:
    """Print the script; `options.parser` is that of the whole command line."""
    print(script(options.parser), end="")
    return 0


def script(parser: argparse.ArgumentParser) -> str:
    """Give the script that completes a parser's command line in bash."""
    words, values = dict(_words(parser)), dict(_values(parser))
    return BASH.format(words=_table(words), values=_table(values))


def _words(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Give what may follow each path of commands; its key ends with a full stop, for bash knows no empty key."""
    actions = parser._actions  # noqa: SLF001 - there is no other way to ask a parser what it takes
    options = [name for action in actions for name in action.option_strings]
    choices = [str(choice) for action in actions if not action.option_strings for choice in action.choices or ()]
    yield f"{path}.", [*choices, *WORDS.get(path.strip(), ()), *options]
    for name, below in _subparsers(parser):
        yield from _words(below, f"{path} {name}")


def _values(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Give the values of each option that takes one."""
    for action in parser._actions:  # noqa: SLF001 - as above
        if action.nargs != 0:
            yield from ((f"{path} {name}", [str(it) for it in action.choices or ()]) for name in action.option_strings)
    for name, below in _subparsers(parser):
        yield from _values(below, f"{path} {name}")


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 - as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            yield from action.choices.items()


def _table(rows: dict[str, list[str]]) -> str:
    return "\n".join(f"    [{shlex.quote(key)}]={shlex.quote(' '.join(words))}" for key, words in rows.items())
