"""HP PrintOS Box: folders, and files that are put into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from agent.errors import CloudRefusedError, CloudUnreachableError, OutcomeUnknownError
from agent.http import Answer
from agent.printos.box_message import (
    BoxFile,
    BoxFolder,
    Flow,
    parse_file,
    parse_flows,
    parse_folder,
    parse_substrates,
)
from agent.printos.exchange import parse_json
from agent.printos.signed_exchange import SignedExchange
from agent.printos.upload_urls import UploadUrls, parse_upload_urls

FOLDER = "/api/partner/folder"
FILE = "/api/partner/file"
OK = 200
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be made of what is at `url`; what is empty is left out."""

    url: str = field(repr=False)
    name: str
    folder_id: str
    copies: int = 1
    notes: str = ""
    substrate: str = ""
    flow: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the body of the request."""
        asked = {"notes": self.notes, "substrate": self.substrate, "flow": self.flow}
        return {
            "url": self.url,
            "name": self.name,
            "folderId": self.folder_id,
            "copies": self.copies,
            **{name: value for name, value in asked.items() if value},
        }


class Box:
    """The client. Every call raises CloudUnreachableError or CloudRefusedError, as `SignedExchange.ask` does.

    Args:
        exchange: with the service, signed.
        upload_url_key: the name of the field with the upload URL; empty to tell it by its look.
        fetch_url_key: likewise.
    """

    def __init__(self, *, exchange: SignedExchange, upload_url_key: str = "", fetch_url_key: str = "") -> None:
        self._exchange = exchange
        self._upload_url_key = upload_url_key
        self._fetch_url_key = fetch_url_key

    def create_folder(self, name: str, *, sender: str = "", recipient: str = "") -> BoxFolder:
        """Make a folder; asked twice, it makes two of the same name."""
        asked = {"name": name, "from": sender, "to": recipient}
        body = {key: value for key, value in asked.items() if value}
        return parse_folder(self._exchange.ask("POST", FOLDER, body=body))

    def read_folder(self, folder_id: str) -> BoxFolder:
        """Read a folder."""
        return parse_folder(self._exchange.ask("GET", f"{FOLDER}/{quote(folder_id, safe='')}"))

    def read_file(self, file_id: str) -> BoxFile:
        """Read a file."""
        return parse_file(self._exchange.ask("GET", f"{FILE}/{quote(file_id, safe='')}"))

    def substrates(self) -> tuple[str, ...]:
        """Name the substrates."""
        return parse_substrates(self._exchange.ask("GET", "/api/partner/substrate"))

    def flows(self) -> tuple[Flow, ...]:
        """Give the easy-submit flows."""
        return parse_flows(self._exchange.ask("GET", "/api/partner/flow"))

    def upload_urls(self, media_type: str) -> UploadUrls:
        """Get the URL to send one document to, and the one that Box will fetch it by.

        An answer that has none is a matter of the configuration, and raises CloudUnreachableError.
        """
        try:
            answer = self._exchange.ask("GET", f"{FILE}/uploadurls", query={"mimeType": media_type})
            return parse_upload_urls(answer, upload_key=self._upload_url_key, fetch_key=self._fetch_url_key)
        except CloudRefusedError as error:
            if error.status not in (OK, NOT_FOUND):
                raise
            raise CloudUnreachableError(f"there are no upload URLs to be had below box.base_url: {error}") from error

    def send_file(self, file: NewFile, *, committing: Callable[[], None], beat: Callable[[], None]) -> Answer:
        """Ask for a file to be made and give the answer, whatever its status: only some of them say that it wasn't.

        `committing`, `beat` and what is raised are as for `SignedExchange.commit`.
        """
        return self._exchange.commit(FILE, file.to_json(), committing=committing, beat=beat)

    def made_file(self, answer: Answer) -> BoxFile:
        """Read the answer to `send_file`.

        Raises:
            OutcomeUnknownError: it is a success without a file.
        """
        content = parse_json(self._exchange.checked(answer).body)
        try:
            return parse_file(content)
        except CloudRefusedError as error:
            raise OutcomeUnknownError(f"{error}, though it says that it made one") from error
