"""Kills agents with hot folders: `python -m tests.hot_folder_campaign [--kills N] [--seed N]`.

First at every moment at which one moves, syncs or commits something; then whole agents that print on a press, at random
moments while files are dropped. The last line of standard output is
`{"moments": N, "kills": N, "files": N, "lost": 0, "doubled": 0, "left": 0}`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.processes import wait_for
from tests.crash.documents import make_document, number_of
from tests.running_agent import RunningAgent
from tests.test_hot_folder_kills import kill_at

SIZES = (2_000, 600_000)
LARGEST_BATCH = 4
LONGEST_LIFE_SECONDS = 4.0
PATIENCE_SECONDS = 120.0
JDF_SHARE = 0.3
SETTLE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the files: `left` are those that were not put away as printed, whatever came out."""

    kills: int
    files: int
    lost: int
    doubled: int
    left: int

    @property
    def is_good(self) -> bool:
        """Whether each was printed once and is in `done`."""
        return not (self.lost or self.doubled or self.left)


class HotSite:
    """A press, an agent with a hot folder for it, and somebody who drops files."""

    def __init__(self, folder: Path, press: SimulatedPrinter, *, seed: int) -> None:
        self.hot = folder / "hot"
        self.dropped: list[int] = []
        self.agent = RunningAgent(
            folder / "agent",
            printers=[{"alias": "press", "uris": [press.ready_line()["http_url"]], "hot_folder": self.hot}],
            hot_folder={"settle_seconds": SETTLE_SECONDS},
        )
        self._printed = folder / "printed"
        self._random = random.Random(seed)

    def drop(self) -> None:
        """Drop some files, a few of them with a JDF, each renamed into place."""
        self.hot.mkdir(exist_ok=True)
        for _ in range(self._random.randint(0, LARGEST_BATCH)):
            number = len(self.dropped)
            self.dropped.append(number)
            unfinished = self.hot / f"{number}.pdf.part"
            unfinished.write_bytes(make_document(number, self._random.randint(*SIZES)))
            if self._random.random() < JDF_SHARE:
                (self.hot / f"{number}.jdf").write_text(f'<JDF Version="1.3" DescriptiveName="Number {number}"/>')
            unfinished.rename(self.hot / f"{number}.pdf")

    def kill_once(self) -> None:
        """Have an agent live for a while that finds some files, and gets some more; and kill it."""
        self.drop()
        self.agent.start()
        life_seconds = self._random.uniform(0, LONGEST_LIFE_SECONDS)
        time.sleep(life_seconds / 4)
        self.drop()
        time.sleep(3 * life_seconds / 4)
        self.agent.kill()

    def finish(self, kills: int) -> Verdict:
        """Have an agent do what is left, and count."""
        with self.agent:
            wait_for("all to be put away", lambda: self._is_tidy() or None, PATIENCE_SECONDS)
        printed = Counter(map(number_of, (path.read_bytes() for path in self._printed.iterdir())))
        done = {int(path.stem) for path in (self.hot / "done").glob("*.pdf")}
        return Verdict(
            kills=kills,
            files=len(self.dropped),
            lost=sum(not printed[number] for number in self.dropped),
            doubled=sum(printed[number] > 1 for number in self.dropped),
            left=len(set(self.dropped) - done),
        )

    def _is_tidy(self) -> bool:
        left = [path for path in self.hot.iterdir() if path.is_file()]
        return not (left or any((self.hot / "processing").iterdir()))


@contextmanager
def hot_site(folder: Path, *, seed: int) -> Iterator[HotSite]:
    """Set everything up in a folder."""
    press = SimulatedPrinter(
        PrinterOptions(kind="hp-rest", keep=folder / "printed", mdns=False, seconds_per_page=0.001)
    )
    press.start()
    try:
        yield HotSite(folder, press, seed=seed)
    finally:
        press.stop()


def kill_at_moments() -> int:
    """Kill at every moment; gives how many there are."""
    moment, count = 0, None
    while count is None:
        moment += 1
        with tempfile.TemporaryDirectory(prefix="printos-agent-hot-") as name:
            count = kill_at(Path(name), moment)
    return count


def main() -> int:
    """Run the campaign; exit code 0 where every file was printed once and put away."""
    parser = argparse.ArgumentParser(prog="python -m tests.hot_folder_campaign", description="hot folders, killed")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="random kills of agents (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments and documents (%(default)s)")
    options = parser.parse_args()
    moments = kill_at_moments()
    with (
        tempfile.TemporaryDirectory(prefix="printos-agent-hot-") as name,
        hot_site(Path(name), seed=options.seed) as it,
    ):
        for _ in range(options.kills):
            it.kill_once()
        verdict = it.finish(options.kills)
    print(json.dumps({"moments": moments, **asdict(verdict)}))
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
