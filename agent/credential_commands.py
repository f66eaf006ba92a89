"""What a person can ask of the sealed credentials: how they are sealed, and to change the key."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.credentials import CredentialStore
from agent.model import Command, Progress

log = logging.getLogger(__name__)


class CredentialCommands:
    """The commands of the command line about them; no answer has a secret."""

    def __init__(self, credentials: CredentialStore) -> None:
        self._credentials = credentials

    def commands(self) -> dict[str, Command]:
        """Give them by name."""
        return {"credentials": self._list, "credentials.rotate": self._rotate}

    def _list(self, _arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        key = self._credentials.key_place
        return [{"printer": it.printer_id, "sealed_by": it.sealed_by, "key": key} for it in self._credentials.listing()]

    def _rotate(self, _arguments: Mapping[str, Any], _document: Path | None, progress: Progress) -> Any:
        rotation = self._credentials.rotate(lambda printer_id: progress({"printer": printer_id}))
        key = self._credentials.key_place
        log.info("%s: changed by a person; logins that it seals: %d", key, len(rotation.sealed))
        return {"key": key, "sealed": list(rotation.sealed), "left": list(rotation.left)}
