"""`simulate` and `demo`: PrintOS, printers and the main job, without hardware and without an account."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from agent.cli.arguments import port_to_take, positive_seconds
from agent.errors import InputError
from agent.secret_files import read_secret

KINDS = ("hp-rest", "ipp", "ledm", "cdm", "snmp", "raw", "all")
RAW_MODES = ("pjl", "silent", "bare")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    demo = commands.add_parser("demo", help="the main job, on simulators, in under a minute")
    demo.add_argument("--json", action="store_true", help="end with one JSON line")
    demo.set_defaults(run=run_demo)
    simulate = commands.add_parser("simulate", help="be PrintOS, or a printer, until stopped")
    what = simulate.add_subparsers(metavar="WHAT", required=True)
    _add_printos(what.add_parser("printos", help="PrintOS, in both dialects"))
    _add_printer(what.add_parser("printer", help="a printer"))


def _add_printos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port_to_take, required=True, help="0 takes a free one")
    parser.add_argument("--admin-login", required=True, metavar="L")
    parser.add_argument("--admin-password-file", type=Path, required=True, metavar="F")
    parser.add_argument("--api-key", metavar="K", help="the key that Box, Site Flow and Print Beat take")
    parser.add_argument("--api-secret-file", type=Path, metavar="F", help="file with its secret")
    parser.add_argument(
        "--preflight-seconds", type=positive_seconds, default=0.5, metavar="S", help="how long Box looks at a file"
    )
    parser.add_argument(
        "--stage-seconds", type=positive_seconds, default=1.0, metavar="S", help="how long orders are at each stage"
    )
    parser.add_argument("--postback-url", metavar="URL", help="where Site Flow tells of its orders")
    parser.add_argument("--postback-token-file", type=Path, metavar="F", help="file with the token that goes with it")
    parser.add_argument("--jobs-api-key", metavar="K", help="another key, which alone reads Print Beat's attempts")
    parser.add_argument("--jobs-api-secret-file", type=Path, metavar="F")
    parser.add_argument("--session-seconds", type=positive_seconds, default=1800.0, metavar="S")
    parser.add_argument(
        "--status-seconds", type=positive_seconds, metavar="S", help="answer 429 to an unchanged status before that"
    )
    parser.add_argument("--open", action="store_true", help="ask for no token in the openapi dialect")
    parser.add_argument(
        "--bearer-token-file", type=Path, metavar="F", help="the openapi dialect takes this token for any session's"
    )
    parser.add_argument("--state-file", type=Path, metavar="F", help="keep the devices there over a restart")
    parser.add_argument("--json", action="store_true", help="as always: the ready line is JSON")
    parser.set_defaults(run=simulate_printos)


def _add_printer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port",
        type=port_to_take,
        required=True,
        help="N: HTTP (REST, LEDM, CDM) and IPP on tcp N, SNMP on udp N, raw on tcp N+1",
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the documents there")
    parser.add_argument("--model", help="its make and model")
    parser.add_argument("--serial", help="its serial number; default: made of its address")
    parser.add_argument("--seconds-per-page", type=positive_seconds, default=0.2, metavar="S")
    parser.add_argument(
        "--raw",
        choices=RAW_MODES,
        default="pjl",
        help="the raw port speaks PJL (default), takes it and tells nothing, or prints it as text",
    )
    parser.add_argument("--no-mdns", action="store_true", help="do not announce it")
    parser.add_argument("--json", action="store_true", help="as always: the ready line is JSON")
    parser.set_defaults(run=simulate_printer)


def run_demo(options: argparse.Namespace) -> int:
    """Run the main job from one end to the other."""
    from agent.simulator.demo import run  # noqa: PLC0415 - the other commands need not load it

    return run(as_json=options.json)


def simulate_printos(options: argparse.Namespace) -> int:
    """Be PrintOS until SIGTERM."""
    from agent.simulator.printos import PrintOSOptions, serve  # noqa: PLC0415 - the other commands need not load it

    settings = PrintOSOptions(
        host=options.host,
        port=options.port,
        admin_login=options.admin_login,
        admin_password=read_secret(options.admin_password_file),
        api_key=options.api_key,
        api_secret=read_secret(options.api_secret_file) if options.api_secret_file else None,
        jobs_api_key=options.jobs_api_key,
        jobs_api_secret=read_secret(options.jobs_api_secret_file) if options.jobs_api_secret_file else None,
        session_seconds=options.session_seconds,
        status_seconds=options.status_seconds or 0.0,
        open=options.open,
        bearer_token=read_secret(options.bearer_token_file) if options.bearer_token_file else "",
        state_file=options.state_file,
        stage_seconds=options.stage_seconds,
        postback_url=options.postback_url,
        postback_token=read_secret(options.postback_token_file) if options.postback_token_file else "",
        preflight_seconds=options.preflight_seconds,
    )
    return _listening(options.port, lambda: serve(settings, sys.stdout))


def simulate_printer(options: argparse.Namespace) -> int:
    """Be a printer until SIGTERM."""
    from agent.simulator.printer import PrinterOptions, serve  # noqa: PLC0415 - the other commands need not load it

    settings = PrinterOptions(
        kind=options.kind,
        host=options.host,
        port=options.port,
        keep=options.keep,
        mdns=not options.no_mdns,
        model=options.model,
        serial=options.serial,
        seconds_per_page=options.seconds_per_page,
        raw=options.raw,
    )
    return _listening(options.port, lambda: serve(settings, sys.stdout))


def _listening(port: int, serve: Callable[[], int]) -> int:
    try:
        return serve()
    except OverflowError as error:  # the raw port is the next
        raise InputError(f"port {port}: there is no port {port + 1} beside it; choose another with --port") from error
    except OSError as error:
        raise InputError(f"port {port}: {error.strerror or error}; choose another with --port") from error
