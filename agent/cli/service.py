"""`run`, `status` and `activate`: the agent itself, how it is, and its printers in PrintOS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from agent.cli import client, state
from agent.cli.hot_folder_lines import hot_folder_line
from agent.cli.output import amount, duration, facts, progress, show_json, table
from agent.cli.printers import state_of
from agent.cli.prompt import ask_secret, ask_text
from agent.config import load_config
from agent.config_clouds import PrintosConfig
from agent.config_files import check_files
from agent.errors import InputError
from agent.private_memory import keep_memory_private

LINE_LIMIT = 1024
EXIT_CODES = {"active": 0, "failed": 1, "unreachable": 1}
REFUSED = 4


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    run = commands.add_parser("run", help="the agent, in the foreground")
    run.set_defaults(run=run_agent)
    status = commands.add_parser("status", help="one screen: printers, jobs, broker, PrintOS, spool")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=show_status)
    activate = commands.add_parser("activate", help="create the PrintOS devices of the approved printers")
    activate.add_argument("--printer", metavar="ID", help="only this printer")
    activate.add_argument(
        "--replace", action="store_true", help="make devices anew, also working ones: name one printer"
    )
    activate.add_argument("--login", help="the PSP administrator's login; asked for otherwise")
    activate.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; without --login the line before it is the login",
    )
    activate.add_argument("--json", action="store_true")
    activate.set_defaults(run=activate_devices)


def run_agent(options: argparse.Namespace) -> int:
    """Run the agent until a signal ends it."""
    from agent.app import run  # noqa: PLC0415 - the other commands need not load it

    config = load_config(options.config)
    check_files(config)
    return run(config)


def show_status(options: argparse.Namespace) -> int:
    """Show how the agent is; exit code 3 where none is running."""
    config = load_config(options.config)
    status = state.read(config, "status")
    if options.json:
        show_json(status)
    else:
        print(_screen(status))
    return 0 if status["agent"]["running"] else 3


def activate_devices(options: argparse.Namespace) -> int:
    """Log the administrator in once and create the devices; the password is never stored."""
    config = load_config(options.config)
    client.ask(config, "status")  # nobody shall type a password for an agent that doesn't run
    login, password = _administrator(options) if _needs_login(config.printos) else ("", "")
    arguments = {"printer": options.printer, "replace": options.replace, "login": login, "password": password}
    rows = client.ask(config, "activate", arguments, on_progress=_tell_progress)
    if options.json:
        show_json(rows)
    else:
        print(table(["printer", "result", "device", ""], [_activation_row(row) for row in rows]))
    return max((EXIT_CODES.get(row["result"], REFUSED) for row in rows), default=0)


def _needs_login(printos: PrintosConfig) -> bool:
    return printos.dialect == "platform" or printos.auth == "session"


def _administrator(options: argparse.Namespace) -> tuple[str, str]:
    keep_memory_private()
    if options.password_stdin:
        return options.login or _line("login"), _line("password")
    if sys.stdin.isatty():
        progress("Where PrintOS has a device of a printer from another box, this one may end the credentials there.")
    login = options.login or ask_text("PSP administrator's login: ", otherwise="give the login with --login")
    return login, ask_secret("Password: ", otherwise="give the password at a terminal, or with --password-stdin")


def _line(what: str) -> str:
    line = sys.stdin.readline(LINE_LIMIT).rstrip("\r\n")
    if not line:
        raise InputError(f"no {what} was given on standard input")
    return line


def _tell_progress(row: Mapping[str, Any]) -> None:
    progress("  ".join(str(value) for value in row.values() if value))


def _activation_row(row: Mapping[str, Any]) -> list[Any]:
    return [row.get("name") or row["printer"], row["result"], row.get("device_id"), row.get("message")]


def _spool(spool: Mapping[str, Any]) -> str:
    used = f"{amount(spool['used_bytes'])} of {amount(spool['max_bytes'])}"
    return f"{used}, {spool['incoming']} documents are being fetched" if spool["incoming"] else used


def _screen(status: Mapping[str, Any]) -> str:
    agent, jobs, spool = status["agent"], status["jobs"], status["spool"]
    summary = {
        "agent": f"{agent['id']} {agent['version']}, {_running(agent)}",
        "broker": _broker(status["broker"]),
        "PrintOS": _printos(status["printos"]),
        "jobs": ", ".join(f"{count} {name}" for name, count in jobs.items() if count) or "none",
        "spool": _spool(spool),
        "outbox": f"{spool['outbox']} messages wait for the broker",
    }
    if beat := status["printos"].get("beat"):
        summary["Print Beat"] = ", ".join(f"{half}: {standing}" for half, standing in beat.items())
    if status["at_limit"]:
        summary["limits"] = ", ".join(
            f"{entry['user'] or 'no user'} ({entry['limit']})" for entry in status["at_limit"]
        )
    if status["hot_folders"]:
        lines = [f"{folder['name']}: {hot_folder_line(folder)}" for folder in status["hot_folders"]]
        summary["hot folders"] = "; ".join(lines)
    printers = [
        [
            printer["alias"] or printer["id"],
            printer["name"] or printer["make_and_model"],
            printer["host"],
            state_of(printer),
            printer["state_reasons"],
            printer["printos"],
        ]
        for printer in status["printers"]
    ]
    listed = table(["id", "printer", "host", "state", "reasons", "PrintOS"], printers)
    return f"{facts(summary)}\n\n{listed if printers else 'No printer has been found yet.'}"


def _running(agent: Mapping[str, Any]) -> str:
    return f"up {duration(agent['uptime_seconds'])}" if agent["running"] else "not running"


def _broker(broker: Mapping[str, Any]) -> str:
    connection = f"{broker['state']}, {broker['address']}"
    return f"{connection}: {broker['problem']}" if broker["problem"] else connection


def _printos(printos: Mapping[str, Any]) -> str:
    """Give one line of the health of PrintOS; of an agent at rest nothing is known but that."""
    told_ago = printos.get("last_success_seconds_ago")
    parts = [
        printos["state"],
        f"devices: {printos['devices']}" if printos.get("devices") else "",
        "" if told_ago is None else f"last told {duration(told_ago)} ago",
        printos.get("problem", ""),
    ]
    return ", ".join(filter(None, parts))
