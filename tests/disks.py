"""Disks that fail for a while: a small one that fills up, and calls to the kernel that come back with an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

READY_SECONDS = 10.0
WRITING = "fsync,fdatasync,pwrite64,ftruncate,rename,unlink"
"""What writes to files and to nothing else: the log and the sockets go on."""


@contextmanager
def small_disk(folder: Path, *, size: str = "24m") -> Iterator[Path]:
    """Mount an empty file system of its own on a folder; the test is skipped where that can't be done."""
    folder.mkdir(mode=0o700, parents=True)
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))
    if mounted.returncode:
        pytest.skip(f"no disk of its own here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def make_read_only(folder: Path) -> None:
    """Remount a disk on which nothing is open for writing."""
    _run("mount", "-o", "remount,ro", str(folder)).check_returncode()


@contextmanager
def filled(folder: Path, *, but_for: int = 0) -> Iterator[None]:
    """Fill the disk of a folder, but for so many bytes, as somebody else's files do."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        room = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - but_for)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def failing(pid: int, error: str) -> Iterator[None]:
    """Have every write of a process to its files end with an error such as EIO or EROFS."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    inject = ("-e", f"trace={WRITING}", "-e", f"inject={WRITING}:error={error}")
    with subprocess.Popen([strace, "-f", "-q", "-o", "/dev/null", *inject, "-p", str(pid)]) as tracer:
        try:
            _wait(lambda: _tracer_of(pid) == tracer.pid)
            yield
        finally:
            tracer.terminate()


def _tracer_of(pid: int) -> int:
    """Give the least of the processes that trace a thread of this one; 0 while any thread is not traced."""
    statuses = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status")]
    return min(int(status.partition("TracerPid:")[2].split()[0]) for status in statuses)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.skip("strace may not trace here")
        time.sleep(0.01)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
