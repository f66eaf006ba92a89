"""Reads a fleet of simulated printers with the real agent and tells what it cost and how late the readings were.

One printer in twenty is dead and another is slow. The table goes to standard output, with `--json` to standard error;
then the last line of standard output is `{"printers", "read", "cpu_share_of_one_core", "late_seconds_p99",
"memory_mb"}`. `read` counts the live printers that were read at least once in every minute; exit code 1 where that is
not all of them, or a reading was over 5 s late.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from agent.status import idle_seconds
from tests.fleet.measure import LATE_LIMIT_SECONDS, Figures, measure


def main() -> int:
    """Measure one fleet."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description="the agent with very many printers")
    parser.add_argument("--printers", type=int, default=1000, metavar="N", help="1 to 4000; default: 1000")
    parser.add_argument("--seconds", type=int, default=180, metavar="N", help="how long to measure; default: 180")
    parser.add_argument("--json", action="store_true", help="the last line of standard output is JSON")
    options = parser.parse_args()
    if options.printers < 1 or options.seconds <= 2 * (pause := idle_seconds(options.printers)):
        parser.error(f"at least one printer, for more than twice {pause:.0f} s: an idle one is read that often")
    with tempfile.TemporaryDirectory(prefix="printos-agent-fleet-") as name:
        figures = measure(Path(name), printers=options.printers, seconds=options.seconds)
    print(_table(figures), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(figures.to_json()))
    return 0 if figures.read == figures.live and figures.late_seconds_p99 <= LATE_LIMIT_SECONDS else 1


def _table(figures: Figures) -> str:
    rows = {
        "printers": f"{figures.printers} ({figures.live} alive, {figures.slow} of them slow)",
        "read in every minute": f"{figures.read}",
        "readings": f"{figures.readings}",
        "late, 99th percentile": f"{figures.late_seconds_p99:.2f} s (most: {figures.late_seconds_most:.2f} s)",
        "of one core": f"{figures.cpu_share_of_one_core:.1%}",
        "memory": f"{figures.memory_mb:.1f} MB ({figures.memory_growth_mb:+.1f} MB over the time)",
    }
    return "\n".join(f"{name:<22} {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
