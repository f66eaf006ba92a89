"""What the pretended Box holds: folders, the files in them, and what its preflight has found in each."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.errors import TransportError
from agent.http import HttpClient
from agent.model import Clock
from agent.simulator.printos_http import RefusalError
from agent.simulator.printos_uploads import Content, Intake, Uploads

ORGANIZATION = "simulated-organization"
SUBSTRATES = ("Gloss 150", "Silk 250", "Uncoated 90")
FLOWS = (
    {"_id": "5a0000000000000000000001", "name": "Business cards", "createdFrom": "box"},
    {"_id": "5a0000000000000000000002", "name": "Posters", "createdFrom": "box"},
)
MOST_FOLDERS = 1000
MOST_FILES = 1000
FETCH_LIMIT_BYTES = 64 << 20


@dataclass(slots=True)
class Folder:
    """A folder."""

    id: str
    name: str
    sender: str
    recipient: str
    created_at: datetime
    file_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ShelfFile:
    """A file; `content` is None where it could not be fetched, `looked_at` when the preflight began."""

    id: str
    version_ids: tuple[str, str]
    folder_id: str
    name: str
    source_url: str
    instructions: Mapping[str, Any]
    created_at: datetime
    looked_at: float
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a preflight has come to: the words of HP's fields, and what was found."""

    last_action: str
    status: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class BoxShelf:
    """The folders and files of one organisation; safe in several threads. Of too many the oldest go.

    Attributes:
        uploads: where documents are sent to.
        preflight_seconds: how long a file is looked at.

    Args:
        monotonic: the clock of that.
        now: the present.
    """

    def __init__(
        self, *, uploads: Uploads, preflight_seconds: float, monotonic: Callable[[], float], now: Clock
    ) -> None:
        self.uploads = uploads
        self.preflight_seconds = preflight_seconds
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.RLock()
        self._folders: OrderedDict[str, Folder] = OrderedDict()
        self._files: OrderedDict[str, ShelfFile] = OrderedDict()

    def add_folder(self, name: str, *, sender: str, recipient: str) -> Folder:
        """Make a folder."""
        folder = Folder(_new_id(), name, sender, recipient, self._now())
        with self._lock:
            self._folders[folder.id] = folder
            while len(self._folders) > MOST_FOLDERS:
                self._folders.popitem(last=False)
        return folder

    def add_file(self, folder_id: str, name: str, source_url: str, instructions: Mapping[str, Any]) -> ShelfFile:
        """Put a file into a folder, and fetch it as Box would; 404 where there is no such folder."""
        content = self._fetch(source_url)
        with self._lock:
            folder = self.folder(folder_id)
            versions = (_new_id(), _new_id())
            file = ShelfFile(
                _new_id(), versions, folder_id, name, source_url, instructions, self._now(), self._monotonic(), content
            )
            self._files[file.id] = file
            folder.file_ids.append(file.id)
            while len(self._files) > MOST_FILES:
                self._files.popitem(last=False)
        return file

    def folder(self, folder_id: str) -> Folder:
        """Give a folder; 404 where there is none."""
        with self._lock:
            if folder_id not in self._folders:
                raise RefusalError(404, f"there is no folder {folder_id}")
            return self._folders[folder_id]

    def drop_folder(self, folder_id: str) -> None:
        """Delete a folder, as a person does in Box."""
        with self._lock:
            del self._folders[folder_id]

    def file(self, file_id: str) -> ShelfFile:
        """Give a file; 404 where there is none."""
        with self._lock:
            if file_id not in self._files:
                raise RefusalError(404, f"there is no file {file_id}")
            return self._files[file_id]

    def files_of(self, folder: Folder) -> list[ShelfFile]:
        """Give the files of a folder."""
        with self._lock:
            return [self._files[file_id] for file_id in folder.file_ids if file_id in self._files]

    def folders(self) -> list[Folder]:
        """Give all folders."""
        with self._lock:
            return list(self._folders.values())

    def finding(self, file: ShelfFile) -> Finding:
        """Tell how the preflight of a file stands."""
        if self._monotonic() < file.looked_at + self.preflight_seconds:
            return Finding("Preflighting", "pending")
        content = file.content
        if content is None:
            return Finding("Preflight failed", "error", errors=("The source could not be fetched",))
        if content.media_type.startswith("image/"):
            return Finding("Preflighted", "ok", warnings=("The image was converted to PDF",))
        if not content.is_pdf:
            return Finding("Preflight failed", "error", errors=("The file is damaged or no PDF",))
        return Finding("Preflighted", "ok")

    def _fetch(self, url: str) -> Content | None:
        """Give what a URL has, be it ours or anybody's."""
        if self.uploads.is_own(url):
            return self.uploads.find(url)
        http = HttpClient(connect_timeout_seconds=2.0, read_timeout_seconds=10.0)
        try:
            answer = http.request("GET", url, limit_bytes=FETCH_LIMIT_BYTES)
        except TransportError:
            return None
        finally:
            http.close()
        if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
            return None
        document = Intake()
        document.write(answer.body)
        return document.content(answer.headers.get("Content-Type", "").partition(";")[0])


def _new_id() -> str:
    return secrets.token_hex(12)
