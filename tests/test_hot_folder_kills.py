from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agent.job import JobState
from tests.conftest import FakeClock
from tests.hot_folder_parts import DOCUMENT, hot_folder
from tests.hot_folder_victim import live

REPOSITORY = Path(__file__).parents[1]
JDF = b'<JDF Version="1.3" DescriptiveName="Brochure"><ComponentLink Usage="Output" Amount="2"/></JDF>'
FILES = {"order.jdf": JDF, "order.pdf": DOCUMENT, "label.pdf": DOCUMENT + b"%%EOF", "notes.txt": b"remember the milk"}
MOMENTS = 150
"""About so many there are; `python -m tests.hot_folder_campaign` kills at each."""

EVERY = 19


def kill_at(folder: Path, moment: int) -> int | None:
    """Kill an agent at a moment, and have another one go on; None, or how many moments there are where it lived."""
    hot_path = folder / "hot"
    hot_path.mkdir()
    for name, content in FILES.items():
        (hot_path / name).write_bytes(content)
    command = [sys.executable, "-m", "tests.hot_folder_victim", str(folder / "state"), str(hot_path), str(moment)]
    victim = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=30)
    assert victim.returncode in (0, -signal.SIGKILL), victim.stderr
    with hot_folder(folder / "state", hot_path, FakeClock()) as hot:
        live(hot)
        jobs = Counter((job.name, job.options.copies, job.state) for job in hot.jobs())
        assert jobs == {("Brochure", 2, JobState.COMPLETED): 1, ("label", 1, JobState.COMPLETED): 1}
        assert hot.names("done") == ["label.pdf", "order.jdf", "order.pdf"]
        assert hot.names("failed") == ["notes.txt", "notes.txt.txt"]
        assert (hot.names(), list((hot_path / "processing").iterdir())) == ([], [])
        assert hot.folder.to_json()["problem"] is None
    return None if victim.returncode else int(victim.stdout.split()[-1])


@pytest.mark.parametrize("moment", range(9, MOMENTS, EVERY))
def test_whenever_the_agent_is_killed_every_file_is_one_job(tmp_path: Path, moment: int) -> None:
    """What is whole is printed once and put away with its JDF, what is none fails, and nothing stays on the way."""
    kill_at(tmp_path, moment)
