"""The command line completes itself in bash: the script is run as a shell runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.__main__ import build_parser, main
from agent.cli.completion import script

BASH = shutil.which("bash")
ASK = """
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_printos_agent; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the script."""
    file = tmp_path_factory.mktemp("completion") / "printos-agent"
    file.write_text(script(build_parser()))
    return file


def completed(file: Path, line: str) -> list[str]:
    """Give what a line, whose last word is unfinished, may become."""
    assert BASH is not None
    ask = f"source {file}\n{ASK.format(words=line)}"
    done = subprocess.run([BASH, "-uc", ask], capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("printos-agent doc", ["doctor"]),
        ("printos-agent --config x printers sh", ["show"]),
        ("printos-agent printers forget --j", ["--json"]),
        ("printos-agent types Indigo", ["IndigoDFE", "IndigoPress"]),
        ("printos-agent simulate printer --kind s", ["snmp"]),
        ("printos-agent --config ''", []),
        ("printos-agent activate --rep", ["--replace"]),
        ("printos-agent nonsense xyzzy", []),
    ],
)
def test_a_word_is_completed_where_it_stands(file: Path, line: str, words: list[str]) -> None:
    """Commands, their actions and options, the values of an option; where a file is meant, bash looks for one."""
    assert completed(file, line) == words


def test_the_command_prints_the_script_of_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Though only the modules of the given command are loaded otherwise."""
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == script(build_parser())
