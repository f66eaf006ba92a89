"""`discover` and `probe`: what the LAN shows, without an agent running."""

from __future__ import annotations

import argparse
import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from agent.cli.arguments import port, positive_seconds
from agent.cli.live import Live
from agent.cli.output import duration, progress, show_json, table
from agent.cli.printers import printer_page
from agent.cli.watch import Found, Lan
from agent.config import load_config, parse_config
from agent.config_schema import Config
from agent.drivers.probe import Prober
from agent.errors import NotFoundError
from agent.networks import addresses_of
from agent.printer_clients import PrinterClients, snmp_client
from agent.secret_files import read_secrets

LISTEN_SECONDS = 5.0
NOW_SECONDS = 2
HEADINGS = ("host", "printer", "serial", "seen by", "at")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    discover = commands.add_parser("discover", help="what mDNS and SNMP see now")
    discover.add_argument("--watch", action="store_true", help="go on, and show what comes and goes")
    discover.add_argument(
        "--seconds", type=positive_seconds, metavar="N", help="how long; default: 5, with --watch for ever"
    )
    discover.add_argument("--json", action="store_true")
    discover.set_defaults(run=show_lan)
    probe = commands.add_parser("probe", help="everything that can be learnt of one host")
    probe.add_argument("host", metavar="HOST")
    for protocol in ("snmp", "ipp", "http"):
        probe.add_argument(f"--{protocol}-port", type=port, metavar="N")
    community = probe.add_mutually_exclusive_group()
    community.add_argument("--community", action="append", default=[], metavar="C", help="may be given several times")
    community.add_argument("--community-file", type=Path, metavar="F", help="a file with one a line")
    probe.add_argument("--json", action="store_true")
    probe.set_defaults(run=show_host)


def show_lan(options: argparse.Namespace) -> int:
    """Listen to mDNS and sweep the subnets by SNMP, for a while or until interrupted."""
    config = _config(options.config)
    seconds = options.seconds or (None if options.watch else LISTEN_SECONDS)
    with Lan(config) as lan:
        progress("looking by mDNS and SNMP …")
        if options.watch:
            _watch(lan, seconds, as_json=options.json)
            return 0
        for _change in lan.changes(seconds):
            pass
    _show_found(lan, as_json=options.json)
    return 0


def _watch(lan: Lan, seconds: float | None, *, as_json: bool) -> None:
    """Show what comes and goes: a table that is kept up to date at a terminal, else a line for each change."""
    live = Live() if sys.stdout.isatty() and not as_json else None
    with contextlib.suppress(KeyboardInterrupt):
        for change in lan.changes(seconds):
            if live is not None:
                live.draw(_live_table(lan, datetime.now(UTC)))
            elif change is not None and as_json:
                show_json({"change": change[0], **change[1].to_json()})
            elif change is not None:
                print(_event_line(*change), flush=True)


def _live_table(lan: Lan, now: datetime) -> str:
    rows = [[*found.row()[:-1], _since(found, now), found.uris] for found in (*lan.found, *lan.gone)]
    counts = f"{len(lan.found)} there, {len(lan.gone)} gone, {len(lan.others)} left out; Ctrl-C ends"
    return f"{table((*HEADINGS[:-1], 'since', HEADINGS[-1]), rows)}\n\n{counts}" if rows else counts


def _since(found: Found, now: datetime) -> str:
    """Say how long ago something changed, in steps that a person can follow."""
    seconds = (now - found.since).total_seconds()
    return "now" if seconds < NOW_SECONDS else duration(seconds)


def _event_line(change: str, found: Found) -> str:
    sources = ", ".join(found.sources) or "-"
    return f"{found.since.astimezone():%H:%M:%S}  {change:8} {found.host:20} {found.model or '-':32} {sources}"


def show_host(options: argparse.Namespace) -> int:
    """Ask one host by every protocol; exit code 3 where it is no printer."""
    if not addresses_of(options.host):
        raise NotFoundError(f"{options.host}: no such host")
    config = _config(options.config)
    communities = read_secrets(options.community_file) if options.community_file else options.community
    snmp = snmp_client(config.snmp, communities=communities)
    snmp.start()
    with contextlib.closing(PrinterClients()) as clients:
        prober = Prober(snmp=snmp, http_for=lambda _uri: clients.probing(), now=lambda: datetime.now(UTC))
        progress(f"asking {options.host} …")
        try:
            probe = prober.probe(
                options.host, snmp_port=options.snmp_port, ipp_port=options.ipp_port, http_port=options.http_port
            )
        finally:
            snmp.stop()
    assert probe.printer is not None
    printer = probe.printer.to_json()
    if options.json:
        show_json(printer)
    else:
        print(table(["asked", "told"], [[attempt.uri, attempt.outcome] for attempt in probe.attempts]))
        print(f"\n{printer_page(printer)}")
    return 0


def _config(path: Path) -> Config:
    """Read the configuration where there is one: the LAN can be looked at before anything is configured."""
    return load_config(path) if path.exists() else parse_config("", path)


def _show_found(lan: Lan, *, as_json: bool) -> None:
    if as_json:
        show_json([found.to_json() for found in lan.found])
        return
    if lan.found:
        print(table(HEADINGS, [found.row() for found in lan.found]))
    else:
        print("No printer was seen. Is this box on the printers' network, and does it let multicast through?")
    for other in lan.others:
        progress(f"left out: {other.instance} at {other.host}: {other.reason}")
