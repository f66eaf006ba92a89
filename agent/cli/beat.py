"""`beat`: what HP Print Beat tells of the presses, asked with the keys of agent.toml; no agent need run.

The agent's own marker does not move by it.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NoReturn

from agent.beat_roll import ABOUT_PRESSES
from agent.cli.arguments import moment
from agent.cli.check_beat import press_serials
from agent.cli.output import facts, progress, show_json, table
from agent.cloud_clients import build_print_beat, cloud_http
from agent.config import load_config
from agent.config_schema import Config
from agent.errors import CloudRefusedError, CloudUnreachableError, ConfigError, InputError, NotFoundError
from agent.model import utc_now
from agent.printos.print_beat import PAGE_ATTEMPTS, Attempt, Press, PrintBeat, RealTime

WATCH_SECONDS = 60.0
LONGEST_WATCH_PAUSE_SECONDS = 3600.0
HISTORIC_DAYS = 30
NEWEST_ATTEMPTS = 20
KPI_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this module."""
    beat = commands.add_parser("beat", help="what HP Print Beat tells of the presses and their jobs")
    _add_common(beat)
    beat.set_defaults(run=show_all)
    actions = beat.add_subparsers(metavar="ACTION")
    jobs = actions.add_parser("jobs", help="the newest print attempts")
    jobs.add_argument("--limit", type=_limit, default=NEWEST_ATTEMPTS, metavar="N", help="1 to 100; default: 20")
    jobs.add_argument("--watch", action="store_true", help="go on with those to come")
    jobs.set_defaults(run=show_jobs)
    historic = actions.add_parser("historic", help="a figure over time, such as PrintVolume or OverallPerformance")
    historic.add_argument("kpi", metavar="KPI")
    historic.add_argument("--from", dest="begin", type=moment, metavar="TIME", help="default: 30 days ago")
    historic.add_argument("--to", dest="end", type=moment, metavar="TIME", help="default: now")
    historic.add_argument("--resolution", choices=("Day", "Week", "Month"), default="Day")
    historic.set_defaults(run=show_historic)
    for action in actions.choices.values():
        _add_common(action, default=argparse.SUPPRESS)


def _add_common(parser: argparse.ArgumentParser, **default: Any) -> None:
    parser.add_argument("--json", action="store_true", **default)
    parser.add_argument(
        "--press", action="append", metavar="SERIAL", help="only this press; may be repeated", **default
    )


def show_all(options: argparse.Namespace) -> int:
    """Show how the presses are now, and the newest attempts: what there is a key for."""
    config = load_config(options.config)
    with _print_beat(config) as print_beat:
        _check_key(print_beat.tells_presses or print_beat.tells_jobs, "beat.key")
        devices = _devices(config, options)
        real_time = print_beat.presses(devices) if print_beat.tells_presses else None
        newest = print_beat.newest(devices)[-NEWEST_ATTEMPTS:] if print_beat.tells_jobs else None
    if options.json:
        show_json(_all_told(real_time, newest))
    else:
        parts = [_presses_shown(real_time) if real_time else "", "" if newest is None else _jobs_shown(newest)]
        print("\n\n".join(filter(None, parts)))
    return 0


def _all_told(real_time: RealTime | None, newest: Sequence[Attempt] | None) -> dict[str, Any]:
    """Give everything as JSON can say it; null is what there is no key for."""
    total = real_time.total if real_time else None
    return {
        "presses": [_told(press) for press in real_time.presses] if real_time else None,
        "total": total and dict(total),
        "attempts": None if newest is None else [dict(attempt.facts) for attempt in newest],
    }


def _presses_shown(real_time: RealTime) -> str:
    if not real_time.presses:
        return "Print Beat tells of no press."
    total = {name: value for name, value in (real_time.total or {}).items() if not isinstance(value, list | dict)}
    return "\n\nTotal\n".join(filter(None, (_press_table(real_time.presses), facts(total) if total else "")))


def _jobs_shown(attempts: Sequence[Attempt]) -> str:
    return _job_table(attempts) if attempts else "Print Beat tells of no job."


def show_jobs(options: argparse.Namespace) -> int:
    """Show the newest attempts, and with --watch those to come."""
    config = load_config(options.config)
    with _print_beat(config) as print_beat:
        _check_key(print_beat.tells_jobs, "beat.jobs_key")
        devices = _devices(config, options)
        newest = print_beat.newest(devices)[-options.limit :]
        if options.watch:
            _watch(print_beat, devices, newest, as_json=options.json)
    if options.json:
        show_json([dict(attempt.facts) for attempt in newest])
    else:
        print(_jobs_shown(newest))
    return 0


def show_historic(options: argparse.Namespace) -> int:
    """Show one figure of the presses over time."""
    if not KPI_PATTERN.fullmatch(options.kpi):
        raise InputError(f"{options.kpi!r} is no name of a KPI")
    end: datetime = options.end or utc_now()
    begin: datetime = options.begin or end - timedelta(days=HISTORIC_DAYS)
    if end < begin:
        raise InputError("--to is before --from")
    config = load_config(options.config)
    with _print_beat(config) as print_beat:
        _check_key(print_beat.tells_presses, "beat.key")
        points = print_beat.historic(_devices(config, options), options.kpi, begin, end, options.resolution)
    if options.json:
        show_json([asdict(point) for point in points])
    else:
        rows = [[point.press, point.date, point.value, point.score] for point in points]
        print(
            table(["press", "date", options.kpi, "score"], rows) if rows else "Print Beat tells nothing of that time."
        )
    return 0


@contextmanager
def _print_beat(config: Config) -> Iterator[PrintBeat]:
    try:
        with closing(cloud_http(config.printos)) as http:
            yield build_print_beat(config.beat, http)
    except CloudRefusedError as error:
        if error.status not in ABOUT_PRESSES:
            raise
        advice = "where it is one of the presses, ask about each by --press"
        raise CloudRefusedError(f"{error}; {advice}", status=error.status) from error


def _check_key(is_there: bool, name: str) -> None:
    if not is_there:
        raise ConfigError(f"{name} is not set: make a key in PrintOS and name it in agent.toml")


def _devices(config: Config, options: argparse.Namespace) -> tuple[str, ...]:
    """Give the presses to ask about: those of the command line, of the configuration, or the approved printers."""
    devices = tuple(options.press or ()) or press_serials(config)
    if not devices:
        raise NotFoundError("no press: set beat.devices, approve a printer, or give --press SERIAL")
    return devices


def _watch(print_beat: PrintBeat, devices: Sequence[str], newest: Sequence[Attempt], *, as_json: bool) -> NoReturn:
    """Show attempts as they come, a line each, until somebody has seen enough."""
    marker = max((attempt.marker for attempt in newest), default=0)
    _show_lines(newest, as_json=as_json)
    while True:
        pause = WATCH_SECONDS
        try:
            page = [it for it in print_beat.attempts(devices, after=marker) if it.marker > marker]
        except CloudUnreachableError as error:
            progress(str(error))
            pause = max(pause, min(error.retry_after_seconds or 0.0, LONGEST_WATCH_PAUSE_SECONDS))
        else:
            _show_lines(page, as_json=as_json)
            marker = max((attempt.marker for attempt in page), default=marker)
            pause = WATCH_SECONDS / 2 if len(page) >= PAGE_ATTEMPTS else WATCH_SECONDS
        time.sleep(pause)


def _show_lines(attempts: Sequence[Attempt], *, as_json: bool) -> None:
    for attempt in attempts:
        if as_json:
            show_json(dict(attempt.facts))
        else:
            print("  ".join(str(cell) for cell in _job_row(attempt) if cell is not None), flush=True)


def _press_table(presses: Sequence[Press]) -> str:
    headings = ["press", "name", "state", "current job", "queue", "impressions", "sheets", "substrates"]
    return table(headings, map(_press_row, presses))


def _press_row(press: Press) -> list[Any]:
    told = press.facts
    substrates = told.get("substrates")
    names = [it.get("name") for it in substrates if isinstance(it, dict)] if isinstance(substrates, list) else []
    return [
        press.serial,
        press.name,
        told.get("pressState"),
        told.get("currentJob"),
        told.get("jobsInQueue"),
        told.get("totalPrintedImpsSinceInstallation", told.get("totalImpsSinceInstallation")),
        told.get("totalPrintedSheetsSinceInstallation", told.get("sheets")),
        names,
    ]


def _job_table(attempts: Sequence[Attempt]) -> str:
    headings = ["marker", "press", "state", "impressions", "submitted", "completed", "job"]
    return table(headings, map(_job_row, attempts))


def _job_row(attempt: Attempt) -> list[Any]:
    told = attempt.facts
    times = (_short(told.get(name)) for name in ("jobSubmitTime", "jobCompleteTime"))
    return [
        attempt.marker,
        attempt.serial,
        told.get("jobProgress"),
        told.get("impressions"),
        *times,
        told.get("jobName"),
    ]


def _short(time_told: str | None) -> str | None:
    """Give a time by this box's zone, without the year; one that can't be read as it was told."""
    try:
        return time_told and f"{datetime.fromisoformat(time_told).astimezone():%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return time_told


def _told(press: Press) -> dict[str, Any]:
    return {"serial": press.serial, "name": press.name or None, "facts": dict(press.facts)}


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= PAGE_ATTEMPTS:
        raise argparse.ArgumentTypeError(f"must be 1 to {PAGE_ATTEMPTS}")
    return int(text)
