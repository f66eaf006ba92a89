"""All hot folders: the service that looks into each of them, again and again.

They are polled, since network shares tell nobody of what others write there. What a share that hangs delays is this
service alone: jobs that were taken are printed without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from agent.hot_folder import HotFolder
from agent.hot_folder_journal import HotFolderJournal
from agent.loop import LONGEST_WAIT_SECONDS

ROUND_SECONDS = 1.0
"""In which each folder is looked into once."""


class HotFolders:
    """The hot folders of all printers, which take turns: one that fails keeps no other from its own."""

    def __init__(self, folders: Sequence[HotFolder], *, journal: HotFolderJournal) -> None:
        self._folders = folders
        self._turns = itertools.cycle(folders)
        self._journal = journal

    def open(self) -> None:
        """Make the table where it isn't there yet; before the spool is opened, which may end jobs."""
        self._journal.open([folder.path for folder in self._folders])

    def step(self) -> float:
        """Look into the next folder; gives the seconds until the next step is due."""
        if not self._folders:
            return LONGEST_WAIT_SECONDS
        has_more = next(self._turns).look()
        return 0.0 if has_more else ROUND_SECONDS / len(self._folders)

    def status(self) -> list[dict[str, Any]]:
        """Tell how each is."""
        return [folder.to_json() for folder in self._folders]
