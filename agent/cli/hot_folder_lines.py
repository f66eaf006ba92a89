"""Hot folders for people: a line each in `status` and `printers show`, and what `doctor` makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.cli.finding import Finding, Result
from agent.cli.output import age

HotFolder = Mapping[str, Any]
"""As the running agent tells of one."""


def hot_folder_line(folder: HotFolder) -> str:
    """Say in a line how a hot folder is."""
    parts = [
        folder["folder"],
        folder["problem"] or "",
        f"waiting: {folder['waiting']}" if folder["waiting"] else "",
        f"in process: {folder['in_process']}" if folder["in_process"] else "",
        _last(folder["last"]),
    ]
    return ", ".join(filter(None, parts))


def check_hot_folders(folders: Sequence[HotFolder]) -> Iterator[Finding]:
    """Tell of each hot folder whether it can be read and written, as the running agent last saw it."""
    for folder in folders:
        advice = ""
        if folder["problem"]:
            advice = "see docs/hot-folders.md, who may read and write it, and whether it is mounted"
        elif (folder["last"] or {}).get("state") in ("refused", "aborted"):
            advice = f"{folder['folder']}/failed has the file, and beside it why"
        result: Result = "failed" if folder["problem"] else "warning" if advice else "ok"
        yield Finding("hot folder", result, hot_folder_line(folder), advice, subject=folder["name"])


def _last(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return ""
    why = f" ({last['message']})" if last["message"] and last["state"] != "completed" else ""
    return f"the last: {last['file']} {last['state']} {age(last['at'])}{why}"
