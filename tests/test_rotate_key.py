"""`install.sh rotate-key` with other folders, and the agent's own code in the place of the service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_seal_key import PRINTERS, credentials, filled, readable

REPOSITORY = Path(__file__).parents[1]
OLD_KEY, NEW_KEY = "fedcba9876543210fedcba9876543210\n", "0123456789abcdef0123456789abcdef\n"
SERVICE = """#!{python}
import json, sys
from pathlib import Path
sys.path.insert(0, "{repository}")
from agent.credentials import CredentialStore
from agent.seal_key import seal_keys
folder = Path("{folder}")
keys = seal_keys(folder, apart_from=folder, environment={{"CREDENTIALS_DIRECTORY": str(folder / "run")}})
store = CredentialStore(folder / "state" / "credentials", keys=keys)
if sys.argv[0].endswith("systemctl"):
    store.open()
else:
    print(json.dumps([it.sealed_by for it in store.listing()]))
"""


def rotate_key(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it; `folder/run` is its /etc/printos-agent, and what systemd passes."""
    (folder / "bin").mkdir()
    programs = {
        "id": "#!/bin/sh\necho 0\n",
        "systemctl": SERVICE.format(python=sys.executable, repository=REPOSITORY, folder=folder),
    }
    programs["printos-agent"] = programs["systemctl"]
    for name, code in programs.items():
        (folder / "bin" / name).write_text(code)
        (folder / "bin" / name).chmod(0o755)
    script = (REPOSITORY / "install.sh").read_text()
    places = {
        "ETC=/etc/$NAME": f"ETC={folder}/run",
        "UNIT=/etc/systemd/system": f"UNIT={REPOSITORY}/systemd",
        "COMMAND=/usr/local/bin": f"COMMAND={folder}/bin",
    }
    for place, other in places.items():
        assert place in script
        script = script.replace(place, other)
    (folder / "install.sh").write_text(script)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    command = ["bash", str(folder / "install.sh"), "rotate-key"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("broken_off", ["nowhere", "after the link", "after the move"])
def test_a_new_key_seals_everything_and_the_old_one_is_deleted(tmp_path: Path, broken_off: str) -> None:
    """Also where the run before was broken off: what is sealed can always be opened."""
    store = filled(tmp_path, credentials(tmp_path, seal_key=OLD_KEY))
    given = tmp_path / "run"
    if broken_off != "nowhere":
        os.link(given / "seal-key", given / "seal-key-old")
    if broken_off == "after the move":
        (given / "other").write_text(NEW_KEY)
        (given / "other").rename(given / "seal-key")
    done = rotate_key(tmp_path)
    assert (done.returncode, done.stderr) == (0, "the key is new, and the old one is deleted\n")
    assert [path.name for path in given.iterdir()] == ["seal-key"]
    assert (given / "seal-key").read_text() != OLD_KEY
    assert readable(store)


def test_an_old_key_that_is_still_needed_is_kept(tmp_path: Path) -> None:
    """As where the disk did not take what was sealed anew."""
    store = filled(tmp_path, credentials(tmp_path, seal_key=OLD_KEY))
    (tmp_path / "state" / "credentials" / f"{PRINTERS[0]}.sealed.new" / "in-the-way").mkdir(parents=True)
    done = rotate_key(tmp_path)
    assert done.returncode == 1
    assert "both keys are kept" in done.stderr
    assert readable(store)
