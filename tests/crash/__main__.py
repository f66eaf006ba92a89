"""Kills the agent again and again and tells what became of the jobs.

The table goes to standard output, progress to standard error; the last line of standard output is
`{"kills": N, "jobs": N, "lost": 0, "doubled": 0, "falsely_completed": 0, "told_unknown": N, "unknown_needlessly": 0}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.crash.campaign import Campaign, campaign, tell
from tests.crash.verdict import PRINTERS, Printer, Verdict

REPORT_EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; exit code 0 where nothing was lost, doubled, falsely completed or needlessly called unknown."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="the agent, killed again and again")
    parser.add_argument("--kills", type=int, default=500, metavar="N", help="random kills under load (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments and documents (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs, journal and printed documents there")
    parser.add_argument("--json", action="store_true", help="the table goes to standard error")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="printos-agent-crash-") as name:
            verdict = run(options.keep or Path(name), options)
    except pytest.skip.Exception as why:  # what a test would be left out for
        print(why, file=sys.stderr)
        return 1
    print(json.dumps(verdict.to_json()))
    return 0 if verdict.is_good else 1


def run(folder: Path, options: argparse.Namespace) -> Verdict:
    """Kill at every point, then at random moments, and print the table."""
    begin = time.monotonic()
    with campaign(folder, seed=options.seed) as it:
        kill_at_points(it, PRINTERS, begin)
        for number in range(1, options.kills + 1):
            it.kill_at_random()
            if number % REPORT_EVERY == 0:
                tell(begin, f"{number} random kills")
        evidence = it.finish()
    tell(begin, "the last agent has settled what was left")
    print(evidence.table(), file=sys.stderr if options.json else sys.stdout)
    return evidence.verdict()


def kill_at_points(it: Campaign, printers: Iterable[Printer], begin: float) -> None:
    """Kill before and after everything that an agent was seen to do for a job on each printer, or to take one up."""
    for printer in printers:
        for points_of in (it.points, it.points_at_start):
            points = tuple(points_of(printer))
            tell(begin, f"{printer}: {len(points)} points")
            for point in points:
                is_reached = it.kill_at(point)
                tell(begin, f"killed {'' if is_reached else 'beside '}{point}")


if __name__ == "__main__":
    sys.exit(main())
