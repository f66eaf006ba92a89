"""Small files that are either as they were or as they shall be, whatever ends the process or the power."""

from __future__ import annotations

import os
from pathlib import Path

DRAFT_SUFFIX = ".new"


def replace_durably(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, through to the disk; one that was there is gone after that.

    Its folder is made, with mode 0700, where it isn't there. OSError where the disk doesn't let it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    rename_durably(draft, path)


def rename_durably(path: Path, name: Path) -> None:
    """Have a file take a name, and the place of one that had it, through to the disk."""
    path.replace(name)
    handle = os.open(name.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
