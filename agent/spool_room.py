"""How much more the spool takes: by its own limit, and by what the disk has left."""

from __future__ import annotations

from agent.config_schema import SpoolConfig
from agent.errors import SpoolFullError, TicketError
from agent.spool_documents import Documents
from agent.spool_table import read_document_bytes, read_reserved_bytes
from agent.store import Store

RESERVE_BYTES = 8 << 20


class Room:
    """The room for documents; what is reserved for those that have yet to come counts as taken."""

    def __init__(self, *, store: Store, documents: Documents, limits: SpoolConfig) -> None:
        self._store = store
        self._documents = documents
        self._limits = limits
        self._refused_bytes = 0

    def check(self, size: int, *, job_id: str | None) -> None:
        """Make sure that a document of `size` bytes is taken now.

        Raises:
            TicketError: it is larger than a job may be.
            SpoolFullError: there is no room now.
        """
        if size > self._limits.max_job_bytes:
            raise TicketError(
                f"the document has {size} bytes, a job may have {self._limits.max_job_bytes}",
                reason="agent-document-too-large",
                job_id=job_id,
            )
        if size > self.left_bytes():
            self._refused_bytes = size
            raise SpoolFullError(f"no room in the spool for {size} bytes")
        self._refused_bytes = 0

    def is_back(self) -> bool:
        """Whether a document as large as the one last refused for want of room would be taken now."""
        return self.left_bytes() >= self._refused_bytes

    def left_bytes(self) -> int:
        """Give the bytes that are left."""
        reserved = read_reserved_bytes(self._store)
        to_come = max(0, reserved - self._documents.part_bytes()) if reserved else 0
        return min(
            self._limits.max_bytes - read_document_bytes(self._store) - reserved,
            self._documents.free_bytes() - RESERVE_BYTES - to_come,
        )
