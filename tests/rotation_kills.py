"""Ends a process before each thing that a change of the seal key does to the disk, and looks what the next one finds.

`python -m tests.rotation_kills FOLDER` prints `{"kills": n, "unreadable": [steps]}`. It is a process of its own because
an audit hook, which sees every opening, renaming and deleting before it is done, stays for good.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any

from agent.credentials import CredentialStore
from agent.errors import AgentError
from tests.test_seal_key import PRINTERS, filled, key_file, readable

STEPS = ("open", "os.rename", "os.remove", "os.mkdir")
KILLED = 9


def rotate_until(step: int, store: CredentialStore, folder: Path) -> bool:
    """Change the key in a child that ends before its `step`-th access to the folder; whether it got to the end."""
    child = os.fork()
    if child == 0:
        left = step

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in STEPS and str(arguments[0]).startswith(str(folder)):
                left -= 1
                if left == 0:
                    os._exit(KILLED)

        sys.addaudithook(watch)
        store.rotate(lambda _printer_id: None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def is_whole(folder: Path) -> bool:
    """Whether a process that starts now reads every login, before and after it has brought the change to its end."""
    try:
        store = CredentialStore(folder / "state" / "credentials", keys=key_file(folder))
        was_readable = readable(store)
        store.open()
        kinds = {it.sealed_by for it in store.listing()}
    except AgentError:
        return False
    return was_readable and readable(store) and kinds == {"current"} and len(store.ids()) == len(PRINTERS)


def main(folder: Path) -> None:
    """Kill at every step and tell what came of it."""
    unreadable: list[int] = []
    for step in count(1):
        place = folder / str(step)
        store = filled(place, key_file(place))
        is_over = rotate_until(step, store, place)
        if not is_whole(place):
            unreadable.append(step)
        shutil.rmtree(place)
        if is_over:
            print(json.dumps({"kills": step - 1, "unreadable": unreadable}))
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
