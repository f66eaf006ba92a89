"""What install.sh and tests/run do before and after pip, with a Python that only notes what it is asked."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = ("install.sh", "tests/run", ".ci/run")
SOURCES = ("install.sh", "pyproject.toml", "constraints.txt")

# Makes a virtual environment of itself, and answers pip as PIP_STATUS says.
NOTING_PYTHON = """#!/bin/sh
echo "$*" >>calls
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"pip install"*) exit "${PIP_STATUS:-0}" ;;
esac
"""


class Clone:
    """A clone with nothing but what install.sh reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "noting-python"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its install.sh."""
        return subprocess.run(
            [self.folder / "install.sh", *arguments],
            env=os.environ | {"PYTHON": str(self.python)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def pip_installs(self) -> int:
        """Count how often pip was asked to install."""
        return (self.folder / "calls").read_text().count("pip install")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Give a clone whose Python only notes what it is asked."""
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    made = Clone(tmp_path)
    made.python.write_text(NOTING_PYTHON)
    made.python.chmod(0o755)
    return made


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    """The scripts are clean by shellcheck's own rules."""
    result = subprocess.run(["shellcheck", REPOSITORY / script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_can_be_run_from_a_clone(script: str) -> None:
    """They are executable for everybody."""
    assert (REPOSITORY / script).stat().st_mode & stat.S_IXOTH


def test_a_second_run_asks_nothing_of_pip(clone: Clone) -> None:
    """The stamp of the first installation is enough."""
    assert [clone.run("venv", "demo").returncode for _ in range(2)] == [0, 0]
    assert clone.pip_installs() == 1


def test_changed_dependencies_are_installed(clone: Clone) -> None:
    """A git pull that changes the lock makes the stamp stale."""
    clone.run("venv", "demo")
    with (clone.folder / "constraints.txt").open("a") as lock:
        lock.write("another==1\n")
    clone.run("venv", "demo")
    assert clone.pip_installs() == 2


def test_a_half_made_environment_is_never_taken_for_a_good_one(clone: Clone) -> None:
    """Where pip failed the next run tries again, and the failure is one line with exit code 1."""
    failed = clone.run("venv", "demo", PIP_STATUS="1")
    clone.run("venv", "demo")
    assert (failed.returncode, failed.stderr.splitlines()[-1]) == (
        1,
        "install.sh: pip could not install printos-agent[demo]",
    )
    assert clone.pip_installs() == 2


def test_standard_output_is_left_to_the_demo(clone: Clone) -> None:
    """What install.sh itself says goes to standard error, so that the demo's last line can be parsed."""
    result = clone.run("venv", "demo")
    assert result.stdout == ""
    assert "making .venv" in result.stderr


def test_a_python_that_is_too_old_is_told_in_one_line(clone: Clone) -> None:
    """The line names the version that is needed."""
    clone.python.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n')
    result = clone.run("venv", "demo")
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed" in result.stderr


@pytest.mark.parametrize("arguments", [("demonstrate",), ("venv",), ("uninstall", "everything")])
def test_what_it_does_not_know_is_answered_with_the_usage(clone: Clone, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is done."""
    result = clone.run(*arguments)
    assert (result.returncode, result.stderr.splitlines()[0].split()[0]) == (2, "usage:")
    assert not (clone.folder / "calls").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_installing_the_service_without_root_says_what_to_type() -> None:
    """It fails before it has changed anything; the script goes in by standard input, for nobody may read the clone."""
    command = ["setpriv", "--reuid=65534", "--clear-groups", "bash", "-s"]
    script = (REPOSITORY / "install.sh").read_text()
    result = subprocess.run(command, input=script, capture_output=True, text=True, cwd="/", timeout=60, check=False)
    assert (result.returncode, result.stderr) == (1, "install.sh: this needs root; run: sudo ./install.sh\n")
