"""Let devices live through a day with PrintOS: `python -m tests.day [--devices N] [--hours N] [--seed N] [--json]`.

Three outages and a restart are in it. Exit code 0 where every login was needed, and every status true, in time and not
too often.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.day.day import Day
from tests.day.figures import Figures

LEAST_HOURS = 6


def main() -> int:
    """Live through one day."""
    parser = argparse.ArgumentParser(prog="python -m tests.day", description="a day of devices in PrintOS, simulated")
    parser.add_argument("--devices", type=int, default=200, metavar="N", help="default: 200")
    parser.add_argument("--hours", type=float, default=24.0, metavar="N", help="at least 6; default: 24")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what is left to chance; default: 1")
    parser.add_argument("--json", action="store_true", help="the last line of standard output is JSON")
    options = parser.parse_args()
    if options.devices < 1 or options.hours < LEAST_HOURS:
        parser.error(f"at least one device, for at least {LEAST_HOURS} hours")
    logging.disable(logging.WARNING)
    random.seed(options.seed)
    gc.disable()  # nothing here goes round in circles, and 140,000 statuses are looked through for that again and again
    began = time.monotonic()
    with TemporaryDirectory(prefix="printos-agent-day-") as folder:
        figures = Day(Path(folder), devices=options.devices, seed=options.seed).run(options.hours)
    print(_table(figures, time.monotonic() - began), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(figures.to_json()))
    return 0 if figures.is_good else 1


def _table(figures: Figures, took_seconds: float) -> str:
    logins = ", ".join(f"{count} {reason}" for reason, count in figures.logins.items())
    rows = {
        "devices": f"{figures.devices}",
        "logins": f"{sum(figures.logins.values())} ({logins})",
        "busiest second, minute": f"{figures.logins_most_a_second}, {figures.logins_most_a_minute} logins",
        "calls that failed": f"{figures.failed_calls}",
        "statuses": f"{figures.statuses} ({figures.statuses_wrong} wrong, {figures.statuses_too_old} too old, "
        f"{figures.statuses_too_soon} too soon)",
        "age of a status": f"{figures.calm_age_median:.0f} s, at most {figures.calm_age_most:.0f} s",
        "a change is told after": f"{figures.change_delay_median:.0f} s, at most {figures.change_delay_most:.0f} s",
    }
    for kind, age in figures.age_most.items():
        rows[kind] = f"age at most {age:.0f} s; all told {figures.all_told_after[kind]:.0f} s after its end"
    rows["it took"] = f"{took_seconds:.1f} s"
    return "\n".join(f"{name:<24} {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
