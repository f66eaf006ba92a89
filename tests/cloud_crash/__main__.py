"""Kills the agent and cuts it off from HP's cloud, again and again, and tells what became of the documents.

The table goes to standard output, progress to standard error; the last line of standard output has the counts, in all
and for each destination.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cloud_crash.campaign import cloud_campaign
from tests.cloud_crash.verdict import counts, is_good
from tests.crash.__main__ import REPORT_EVERY, kill_at_points
from tests.crash.campaign import tell
from tests.crash.verdict import CLOUDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; exit code 0 where every document came out once or is rightly called unknown."""
    parser = argparse.ArgumentParser(prog="python -m tests.cloud_crash", description="killed, and cut off from PrintOS")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="random kills at least (%(default)s)")
    parser.add_argument("--cuts", type=int, default=200, metavar="N", help="cuts of the network at least (%(default)s)")
    parser.add_argument("--no-points", action="store_true", help="kill at random moments only")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs, journal and printed documents there")
    parser.add_argument("--json", action="store_true", help="the table goes to standard error")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="printos-agent-cloud-") as name:
            return run(options.keep or Path(name), options)
    except pytest.skip.Exception as why:  # what a test would be left out for
        print(why, file=sys.stderr)
        return 1


def run(folder: Path, options: argparse.Namespace) -> int:
    """Kill and cut, print what came of it, and give the exit code."""
    begin, number = time.monotonic(), 0
    with cloud_campaign(folder, seed=options.seed) as it:
        if not options.no_points:
            kill_at_points(it.killing, CLOUDS, begin)
        while number < options.kills or it.cuts() < options.cuts:
            it.kill_and_cut()
            number += 1
            if number % REPORT_EVERY == 0:
                tell(begin, f"{number} random kills, {it.cuts()} cuts")
        evidence, cuts = it.finish(), it.cuts()
    tell(begin, "the last agent has settled what was left")
    print(evidence.table(), file=sys.stderr if options.json else sys.stdout)
    print(json.dumps(counts(evidence, cuts)))
    return 0 if is_good(evidence) else 1


if __name__ == "__main__":
    sys.exit(main())
