"""The pretended Box, below `/box`: HP's partner calls, each signed, as strict as the samples and documents say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from agent.simulator.box_shelf import FLOWS, ORGANIZATION, SUBSTRATES, BoxShelf, Finding, Folder, ShelfFile
from agent.simulator.printos_http import Call, RefusalError, Reply, Route, check_fields
from agent.simulator.printos_signatures import Signatures

BASE = "/box"
MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-zA-Z0-9.+-]+")
URL = re.compile(r"https?://[^\s/]+/\S*")
NEW_FOLDER = {"name": str}
NEW_FOLDER_OPTIONS = {"from": str, "to": str, "files": list}
NEW_FILE = {"url": str, "name": str}
NEW_FILE_OPTIONS = {"copies": object, "notes": str, "substrate": str, "flow": str}


class BoxSide:
    """The calls of Box.

    Attributes:
        shelf: what it holds.
        calls: how many rightly signed calls there were.
        lists_files: a folder names its files, which HP's recorded answer does not.
    """

    def __init__(self, shelf: BoxShelf, signatures: Signatures) -> None:
        self.shelf = shelf
        self.calls = 0
        self.lists_files = False
        self._signatures = signatures

    def routes(self) -> list[Route]:
        """Give its routes."""
        partner = f"{BASE}/api/partner"
        return [
            self._route("POST", f"{partner}/folder", self.create_folder),
            self._route("GET", f"{partner}/folder/{{folder_id}}", self.read_folder),
            self._route("GET", f"{partner}/substrate", lambda _call: Reply(200, list(SUBSTRATES))),
            self._route("GET", f"{partner}/flow", lambda _call: Reply(200, {"items": list(FLOWS)})),
            self._route("GET", f"{partner}/file/uploadurls", self.issue_urls),
            self._route("POST", f"{partner}/file", self.create_file),
            self._route("GET", f"{partner}/file/{{file_id}}", self.read_file),
        ]

    def report(self) -> dict[str, Any]:
        """Tell what came."""
        return {
            "folders": [
                {"id": folder.id, "name": folder.name, "files": [self._told(file) for file in self._files(folder)]}
                for folder in self.shelf.folders()
            ]
        }

    def create_folder(self, call: Call) -> Reply:
        """Make a folder, with the files that it is to begin with."""
        content = _given(call.content())
        check_fields(content, NEW_FOLDER, NEW_FOLDER_OPTIONS)
        if not all(isinstance(file, dict) for file in content.get("files", [])):
            raise RefusalError(400, "files must be objects")
        files = [_given(file) for file in content.get("files", [])]
        for file in files:
            _check_file(file, NEW_FILE)
        _check_filled(content, "name")
        folder = self.shelf.add_folder(content["name"], sender=content.get("from", ""), recipient=content.get("to", ""))
        for file in files:
            self.shelf.add_file(folder.id, file["name"], file["url"], _instructions(file))
        return Reply(200, self._folder(folder))

    def read_folder(self, call: Call) -> Reply:
        """Give a folder."""
        return Reply(200, self._folder(self.shelf.folder(call.match["folder_id"])))

    def issue_urls(self, call: Call) -> Reply:
        """Give the URLs for one document."""
        media_type = call.query.get("mimeType", "")
        if not MEDIA_TYPE.fullmatch(media_type):
            raise RefusalError(400, "mimeType must be a media type such as application/pdf")
        upload_url, fetch_url = self.shelf.uploads.issue(media_type, "box")
        return Reply(200, {"uploadUrl": upload_url, "fetchUrl": fetch_url})

    def create_file(self, call: Call) -> Reply:
        """Put a file into a folder."""
        content = _given(call.content())
        _check_file(content, {**NEW_FILE, "folderId": str})
        self.shelf.folder(content["folderId"])
        file = self.shelf.add_file(content["folderId"], content["name"], content["url"], _instructions(content))
        return Reply(200, self._file(file))

    def read_file(self, call: Call) -> Reply:
        """Give a file."""
        return Reply(200, self._file(self.shelf.file(call.match["file_id"])))

    def _route(self, method: str, path: str, answer: Callable[[Call], Reply]) -> Route:
        def signed(call: Call) -> Reply:
            self._signatures.check(call, base=BASE)
            self.calls += 1
            return answer(call)

        return Route(method, path, signed)

    def _files(self, folder: Folder) -> list[ShelfFile]:
        return self.shelf.files_of(folder)

    def _folder(self, folder: Folder) -> dict[str, Any]:
        files = self._files(folder)
        is_ok = all(self.shelf.finding(file).status != "error" for file in files)
        listed = {"files": [self._file(file) for file in files]} if self.lists_files else {}
        return {
            "__v": 0,
            "_id": folder.id,
            **_dates(folder.created_at),
            "createdFrom": "box",
            "fileCount": len(files),
            "totalSize": sum(file.content.size for file in files if file.content),
            "from": folder.sender,
            "to": folder.recipient,
            "name": folder.name,
            "lname": folder.name.lower(),
            "organizationId": ORGANIZATION,
            "preflightStatus": "ok" if is_ok else "error",
            "status": "ready",
            "tags": [],
            "unread": False,
            **listed,
        }

    def _file(self, file: ShelfFile) -> dict[str, Any]:
        finding = self.shelf.finding(file)
        first, second = file.version_ids
        current = _version(second, 2, file, finding) | {"profile": "standard"}
        return {
            "__v": 1,
            "_id": file.id,
            "id": file.id,
            **_dates(file.created_at),
            "folderId": file.folder_id,
            "organizationId": ORGANIZATION,
            "name": file.name,
            "size": current["size"],
            "sourceUrl": file.source_url,
            "lastAction": finding.last_action,
            "lastPrinted": None,
            "lastSent": None,
            "currentRevision": 2,
            "currentVersionId": second,
            "printInstructions": dict(file.instructions),
            "currentVersion": current,
            "versions": [_version(first, 1, file, Finding("", "pending")), current],
        }

    def _told(self, file: ShelfFile) -> dict[str, Any]:
        content = file.content
        return {
            "id": file.id,
            "name": file.name,
            "sha256": content.sha256 if content else None,
            "size": content.size if content else None,
            "status": self.shelf.finding(file).status,
            **file.instructions,
        }


def _given(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that are not null: HP's C# sample writes each that it doesn't fill."""
    return {name: value for name, value in content.items() if value is not None}


def _check_file(content: Mapping[str, Any], required: Mapping[str, type]) -> None:
    """Make sure that what is said of a file can be.

    Raises:
        RefusalError: 400.
    """
    check_fields(content, required, NEW_FILE_OPTIONS)
    _check_filled(content, "name")
    if not URL.fullmatch(content["url"]):
        raise RefusalError(400, "url must be one that Box can fetch from")
    _copies(content)
    if content.get("substrate", SUBSTRATES[0]) not in SUBSTRATES:
        raise RefusalError(400, f"there is no substrate {content['substrate']}")
    flows = {word for flow in FLOWS for word in (flow["_id"], flow["name"])}
    if "flow" in content and content["flow"] not in flows:
        raise RefusalError(400, f"there is no flow {content['flow']}")


def _check_filled(content: Mapping[str, Any], name: str) -> None:
    if not content[name].strip():
        raise RefusalError(400, f"{name} is empty")


def _copies(content: Mapping[str, Any]) -> int:
    """Read a number, or as one of HP's samples has it, its digits as text."""
    copies = content.get("copies", 1)
    is_number = isinstance(copies, int) and not isinstance(copies, bool)
    if not is_number and not (isinstance(copies, str) and re.fullmatch("[0-9]{1,9}", copies)):
        raise RefusalError(400, "copies must be a number")
    if int(copies) < 1:
        raise RefusalError(400, "copies must be 1 at least")
    return int(copies)


def _instructions(content: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: content[name] for name in NEW_FILE_OPTIONS if name in content}
    return given | {"copies": _copies(content)}


def _version(version_id: str, revision: int, file: ShelfFile, finding: Finding) -> dict[str, Any]:
    is_done = finding.status != "pending"
    content = file.content if is_done else None
    preflight: dict[str, Any] = {"fixups": []}
    if is_done:
        preflight |= {"errors": list(finding.errors), "warnings": list(finding.warnings)}
    return {
        "_id": version_id,
        "created": _written(file.created_at),
        "revision": revision,
        "status": finding.status,
        "size": content.size if content else 0,
        "pageCount": content.pages if content else 0,
        "pages": [],
        "pageConfigs": [],
        "preflight": preflight,
    }


def _dates(moment: datetime) -> dict[str, str]:
    return dict.fromkeys(("created", "createdAt", "modified", "updatedAt"), _written(moment))


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
