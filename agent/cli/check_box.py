"""What `doctor` looks at on the box itself: the state folder, the disk, the clock and the service."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from agent.cli.finding import Finding
from agent.cli.output import amount, duration
from agent.config_schema import Config

SERVICE = "printos-agent"
SYSTEMD_RUNS = Path("/run/systemd/system")
ASK_SECONDS = 5.0
CLOCK_LEEWAY_SECONDS = 60.0


def check_state(config: Config) -> Iterator[Finding]:
    """Look whether the state folder is there, closed to others, and of one user with all that is in it."""
    folder = config.agent.state_dir
    if not folder.exists():
        yield Finding("state", "warning", f"{folder} does not exist", "the agent makes it when it first starts")
        return
    found = folder.stat()
    owner = _name_of(found.st_uid)
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(found.st_mode)
        yield Finding("state", "failed", f"{folder} is open to others ({mode:04o})", f"sudo chmod 0700 {folder}")
    elif strange := _strange(folder, found.st_uid):
        problem = f"{strange} belongs to {_name_of(strange.stat().st_uid)}, {folder} to {owner}"
        yield Finding("state", "failed", problem, f"sudo chown -R {owner}: {folder}")
    else:
        yield Finding("state", "ok", f"{folder}, which only {owner} may read")


def check_disk(config: Config) -> Iterator[Finding]:
    """Look whether a document has room, and whether the spool may grow to its limit."""
    folder = next(it for it in (config.agent.state_dir, *config.agent.state_dir.parents) if it.exists())
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    room = f"{amount(free)} free at {folder}"
    if disk.f_flag & os.ST_RDONLY:
        yield Finding("disk", "failed", f"{folder} is on a disk that is read-only", "see `dmesg`; the card may be worn")
    elif disk.f_files and not disk.f_favail:
        yield Finding("disk", "failed", f"no more files can be made at {folder}", "delete what is not needed")
    elif free < config.spool.max_job_bytes:
        least = amount(config.spool.max_job_bytes)
        yield Finding(
            "disk", "failed", f"{room}, a document may have {least}", "make room, or lower spool.max_job_bytes"
        )
    elif free < config.spool.max_bytes:
        most = amount(config.spool.max_bytes)
        yield Finding("disk", "warning", f"{room}, the spool may take {most}", "make room, or lower spool.max_bytes")
    else:
        yield Finding("disk", "ok", room)


def check_clock(config: Config) -> Iterator[Finding]:
    """Look whether the clock is before what has been written already, and whether the network sets it."""
    advice = "set it (`timedatectl`); until then no job expires"
    written = {path: path.stat().st_mtime for path in (config.path, Path(__file__)) if path and path.exists()}
    newest = max(written, key=lambda path: written[path])
    behind = written[newest] - time.time()
    if behind > CLOCK_LEEWAY_SECONDS:
        yield Finding("clock", "failed", f"it is {duration(behind)} behind the last change of {newest}", advice)
    elif _ask("timedatectl", "show", "--property=NTPSynchronized", "--value") == "no":
        yield Finding("clock", "warning", f"{_time_here()}, and no network sets it", "sudo timedatectl set-ntp true")
    else:
        yield Finding("clock", "ok", _time_here())


def check_service() -> Iterator[Finding]:
    """Look whether the agent is started at boot."""
    if not SYSTEMD_RUNS.exists():
        yield Finding("service", "warning", "systemd does not run here", "have something else start it at boot")
        return
    state = _ask("systemctl", "is-enabled", SERVICE) or "not installed"
    if state == "enabled":
        yield Finding("service", "ok", "is started at boot")
    else:
        yield Finding("service", "warning", f"{SERVICE}.service is {state}", f"sudo systemctl enable --now {SERVICE}")


def _strange(folder: Path, uid: int) -> Path | None:
    """Give something in a folder that belongs to another user, as after a start by hand as root."""
    try:
        return next((path for path in sorted(folder.rglob("*")) if path.lstat().st_uid != uid), None)
    except OSError:
        return None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _time_here() -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z")


def _ask(program: str, *arguments: str) -> str:
    """Give the first line that a program of the system says; nothing where it can't be asked."""
    path = shutil.which(program)
    if path is None or not SYSTEMD_RUNS.exists():
        return ""
    try:
        told = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=ASK_SECONDS, check=False)  # noqa: S603 - a program of the system
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.partition("\n")[0].strip()
