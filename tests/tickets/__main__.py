"""Publishes very many bad tickets to real agents by a real broker and tells what became of them.

There is an agent that speaks MQTT 5 and one that speaks 3.1.1; each message is judged by `oracle` for the one that it
goes to. The table goes to standard output, with `--json` to standard error; then the last line of standard output is
`{"tickets", "refused", "accepted", "ignored", "crashes", "jobs_that_should_not_be", "lost", "wrongly_answered",
"unacknowledged", "memory_growth_mb"}`. Growth is what came on top after the first tenth, or 2,000 messages if that is
more. Exit code 1 where a message was answered wrongly or not at all, or an agent crashed or grew by more than 10 MB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.tickets.flood import Figures, flood

GROWTH_LIMIT_MB = 10.0


def main() -> int:
    """Have one flood."""
    parser = argparse.ArgumentParser(prog="python -m tests.tickets", description="agents in a flood of bad tickets")
    parser.add_argument("--tickets", type=int, default=100_000, metavar="N", help="default: 100000")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one makes other tickets; default: 1")
    parser.add_argument("--json", action="store_true", help="the last line of standard output is JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="printos-agent-tickets-") as name:
        figures = flood(Path(name), tickets=options.tickets, seed=options.seed)
    print(_table(figures), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(figures.to_json()))
    return 0 if figures.holds and figures.memory_growth_mb <= GROWTH_LIMIT_MB else 1


def _table(figures: Figures) -> str:
    marks = ", ".join(f"{size:.0f} ({number})" for number, size in figures.marks.items())
    rows = {
        "messages": f"{figures.tickets} in {figures.seconds:.0f} s ({figures.tickets / figures.seconds:.0f} a second)",
        "refused": f"{figures.refused}",
        "accepted": f"{figures.accepted}",
        "ignored": f"{figures.ignored} (empty, or on no topic of ours)",
        "crashes": f"{figures.crashes}",
        "jobs that should not be": f"{figures.jobs_that_should_not_be}",
        "lost": f"{figures.lost}",
        "wrongly answered": f"{figures.wrongly_answered}",
        "unacknowledged": f"{figures.unacknowledged}",
        "memory, MB": f"{marks}: {figures.memory_growth_mb:+.1f}",
        "lines of log": f"{figures.log_lines} beside those of accepted jobs",
    }
    return "\n".join(f"{name:<24} {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
