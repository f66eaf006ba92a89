"""The command line: what a person or a script can ask of the agent.

Every command answers people with a table and `--json` with JSON on standard output; progress goes to standard error.
An error is one line, and the exit code says whose turn it is: 0 good, 1 failed, 2 bad input or configuration, 3 nothing
there, 4 refused, 5 conflict.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from agent import __version__
from agent.errors import AgentError

DEFAULT_CONFIG = Path("/etc/printos-agent/agent.toml")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "service": ("run", "status", "activate"),
    "printers": ("printers",),
    "beat": ("beat",),
    "inventory": ("inventory",),
    "lan": ("discover", "probe"),
    "jobs": ("print", "jobs"),
    "credentials": ("credentials",),
    "box": ("box",),
    "siteflow": ("siteflow",),
    "settings": ("config",),
    "device_types": ("types",),
    "completion": ("completion",),
    "doctor": ("doctor",),
    "simulate": ("demo", "simulate"),
}
"""The modules of `agent.cli`, each with the commands that it adds."""
NEEDS_ALL = frozenset({"completion"})
"""Commands that tell of all others."""


def build_parser(modules: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """Make the parser of the command line, or of the part of it that some modules of `agent.cli` add."""
    parser = argparse.ArgumentParser(prog="printos-agent", description="The print agent of a site gateway.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell more, and tracebacks of errors")
    parser.add_argument("--version", action="version", version=f"printos-agent {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in modules:
        import_module(f"agent.cli.{name}").add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(_modules_for(given)).parse_args(given)
    level = logging.DEBUG if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        code: int = options.run(options)
    except AgentError as error:
        if options.verbose:
            logging.getLogger(__name__).exception("failed")
        print(f"printos-agent: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _modules_for(arguments: Sequence[str]) -> Iterable[str]:
    """Name the module of the command that is given, for a box on which loading all of them takes a second; else all."""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--config":
            next(rest, None)
        elif argument in NEEDS_ALL:
            return COMMANDS
        elif not argument.startswith("-"):
            return [module for module, commands in COMMANDS.items() if argument in commands] or COMMANDS
    return COMMANDS


if __name__ == "__main__":
    sys.exit(main())
