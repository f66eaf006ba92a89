"""`doctor`: tests the whole path from the broker to the printers, one line a check with what to do about it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agent import __version__
from agent.cli import client
from agent.cli.bundle import write_bundle
from agent.cli.check_beat import check_beat
from agent.cli.check_box import check_clock, check_disk, check_service, check_state
from agent.cli.check_clouds import check_printos_box, check_siteflow
from agent.cli.check_credentials import check_credentials
from agent.cli.check_devices import check_devices
from agent.cli.check_paths import check_broker, check_fetch, check_lan, check_printos, check_sessions
from agent.cli.check_printers import check_jobs, check_printers
from agent.cli.finding import Finding, Look
from agent.cli.hot_folder_lines import check_hot_folders
from agent.cli.live import waiting
from agent.cli.output import duration, progress, show_json
from agent.config import load_config
from agent.config_files import check_files
from agent.config_schema import Config
from agent.config_warnings import config_warnings
from agent.errors import AgentError, ConfigError, InputError

Checks = Iterator[tuple[str, Look]]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this module."""
    doctor = commands.add_parser("doctor", help="test the whole path, with what to do about what is wrong")
    doctor.add_argument("--json", action="store_true")
    doctor.add_argument("--bundle", type=Path, metavar="FILE", help="write what to send with a report, a .tar.gz")
    doctor.set_defaults(run=examine)


def examine(options: argparse.Namespace) -> int:
    """Run every check and show each as it is done; exit code 1 where one failed."""
    if options.bundle and options.bundle.exists():
        raise InputError(f"{options.bundle}: is there already")
    findings: list[Finding] = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            print(finding.line(), flush=True)
    if options.json:
        show_json([finding.to_json() for finding in findings])
    if options.bundle:
        write_bundle(options.bundle, _good_config(options), findings)
        progress(f"{options.bundle} holds no secrets, but names and addresses: look through it before you send it")
    return int(any(finding.result == "failed" for finding in findings))


def _good_config(options: argparse.Namespace) -> Config | None:
    try:
        return load_config(options.config)
    except ConfigError:
        return None


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    try:
        config = load_config(options.config)
        check_files(config)
    except ConfigError as error:
        yield Finding("config", "failed", str(error), "nothing else is tested before that is right")
        return
    yield Finding("config", "ok", f"{config.path} is good")
    for warning in config_warnings(config):
        yield Finding("config", "warning", warning, "printos-agent types lists what PrintOS is known to take")
    for name, look in _checks(config):
        yield from _looked(name, look)


def _checks(config: Config) -> Checks:
    """Give the checks in the order of the path: the box, the agent, the broker, PrintOS, the LAN, the printers."""
    yield "state", partial(check_state, config)
    yield "disk", partial(check_disk, config)
    yield "clock", partial(check_clock, config)
    yield "service", check_service
    yield "broker", partial(check_broker, config)
    yield "Print Beat", partial(check_beat, config)
    yield "fetch", partial(check_fetch, config)
    yield "box", partial(check_printos_box, config)
    yield "siteflow", partial(check_siteflow, config)
    yield "lan", partial(check_lan, config)
    yield "agent", partial(_check_agent, config)


def _check_agent(config: Config) -> Iterator[Finding]:
    """Ask the running agent how it is, and through it everything that it knows."""
    try:
        status = client.ask(config, "status")
    except AgentError as error:
        yield Finding("agent", "failed", str(error), "then run doctor again, for the sessions and the printers")
        return
    yield _version(status["agent"])
    yield from check_sessions(status)
    yield from check_credentials(config)
    yield from check_printos(config, status["printers"], status["printos"])
    yield from check_devices(status["printers"])
    yield from check_printers(config, status["printers"])
    yield from check_hot_folders(status["hot_folders"])
    yield from check_jobs(client.ask(config, "jobs"))


def _version(agent: Mapping[str, Any]) -> Finding:
    if agent["version"] != __version__:
        problem = f"{agent['version']} is running, {__version__} is installed"
        return Finding("agent", "warning", problem, "sudo systemctl restart printos-agent")
    return Finding("agent", "ok", f"{agent['id']} {agent['version']} is up {duration(agent['uptime_seconds'])}")


def _looked(name: str, look: Look) -> Iterator[Finding]:
    """Give what a check finds as soon as it is found; a check that breaks off has failed."""
    found = iter(look())
    while True:
        try:
            with waiting(name):
                finding = next(found, None)
        except (AgentError, OSError) as error:
            yield Finding(name, "failed", f"could not be tested: {error}", "try with sudo, or see the log")
            return
        if finding is None:
            return
        yield finding
