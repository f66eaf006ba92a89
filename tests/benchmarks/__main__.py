"""Measures the agent beside its neighbours and tells which aims hold.

The table goes to standard output, with `--json` to standard error; then the last line of standard output is
`{"ratios": [{"name", "ours", "peer", "theirs", "ratio", "aim", "holds"}, …]}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.figures import ALL, FULL, QUICK, Plan
from tests.benchmarks.neighbours import missing_packages
from tests.benchmarks.ratio import Ratio, table


def main() -> int:
    """Measure everything; exit code 1 where a neighbour is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="the agent beside its neighbours")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about a minute")
    parser.add_argument("--json", action="store_true", help="the last line of standard output is JSON")
    options = parser.parse_args()
    if packages := " ".join(missing_packages()):
        print(f"missing: {packages}; run: sudo ./install.sh packages {packages}", file=sys.stderr)
        return 1
    ratios = measure(QUICK if options.quick else FULL)
    print(table(ratios), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps({"ratios": [ratio.to_json() for ratio in ratios]}))
    return 0


def measure(plan: Plan) -> list[Ratio]:
    """Measure every figure, telling each as it is there."""
    ratios = []
    begin = time.monotonic()
    for group in ALL:
        with tempfile.TemporaryDirectory(prefix="printos-agent-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # cupsd's backends run as another user
            for ratio in group(plan, folder):
                print(f"{time.monotonic() - begin:5.0f} s  {ratio.name}: {ratio.ours:.4g}", file=sys.stderr, flush=True)
                ratios.append(ratio)
    return ratios


if __name__ == "__main__":
    sys.exit(main())
