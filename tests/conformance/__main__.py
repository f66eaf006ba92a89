"""Hold the simulator's OpenAPI side to the Device API's document: `python -m tests.conformance DOCUMENT [--cases N]`.

Needs Schemathesis (`pip install -e '.[dev]'`). Exit code 0 where no case failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.conformance.trial import TRIALS, try_simulator


def main() -> int:
    """Try the simulator in each way."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("document", type=Path, help="the OpenAPI document of the Device API, as YAML")
    parser.add_argument("--cases", type=int, default=500, metavar="N", help="the most a call; default: 500")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random cases; default: 1")
    options = parser.parse_args()
    failed = []
    for trial in TRIALS:
        print(f"== {trial.name}: {trial.claim}", flush=True)
        outcome = try_simulator(trial, options.document, cases=options.cases, seed=options.seed)
        print(outcome.text, flush=True)
        if not outcome.is_good:
            failed.append(trial.name)
    print(f"failed: {', '.join(failed)}" if failed else "no failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
