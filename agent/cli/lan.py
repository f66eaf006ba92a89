"""`discover` and `probe`: what the LAN shows, without an agent running."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from agent.cli.arguments import port, positive_seconds
from agent.cli.output import progress, show_json, table
from agent.cli.printers import printer_page
from agent.cli.watch import Lan
from agent.clients import PrinterClients, snmp_client
from agent.config import load_config, parse_config, read_secret
from agent.config_schema import Config
from agent.drivers.probe import Prober
from agent.errors import NotFoundError
from agent.networks import addresses_of

LISTEN_SECONDS = 5.0
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
    community.add_argument("--community", metavar="C")
    community.add_argument("--community-file", type=Path, metavar="F")
    probe.add_argument("--json", action="store_true")
    probe.set_defaults(run=show_host)


def show_lan(options: argparse.Namespace) -> int:
    """Listen to mDNS and sweep the subnets by SNMP, for a while or until interrupted."""
    config = _config(options.config)
    seconds = options.seconds or (None if options.watch else LISTEN_SECONDS)
    with Lan(config) as lan:
        progress("looking by mDNS and SNMP …")
        for change, found in lan.changes(seconds):
            if options.watch and options.json:
                show_json({"change": change, **found.to_json()})
            elif options.watch:
                print(f"{change:8} {found.host:20} {found.model or '-':32} {', '.join(found.sources)}", flush=True)
    if not options.watch:
        _show_found(lan, as_json=options.json)
    return 0


def show_host(options: argparse.Namespace) -> int:
    """Ask one host by every protocol; exit code 3 where it is no printer."""
    if not addresses_of(options.host):
        raise NotFoundError(f"{options.host}: no such host")
    config = _config(options.config)
    community = read_secret(options.community_file) if options.community_file else options.community
    snmp = snmp_client(config.snmp, community=community)
    snmp.start()
    with closing(PrinterClients()) as clients:
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
