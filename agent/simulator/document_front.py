"""An embedded web server that only gives documents, as strictly as one can: GET without a query, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus

from agent.simulator.http_front import Request, Response

Documents = Mapping[str, Callable[[], bytes]]
"""What writes the document of each path."""


class DocumentFront:
    """Serves documents under one folder, each with an ETag.

    Args:
        folder: where they are, such as `/DevMgmt/`; what is not there is not found.
        documents: by path.
        content_type: of all of them.
        gzipped: compress each, asked or not, as newer firmware does; else they come in chunks, as older firmware does.
    """

    def __init__(self, folder: str, documents: Documents, *, content_type: str, gzipped: bool) -> None:
        self._folder = folder
        self._documents = documents
        self._content_type = content_type
        self._gzipped = gzipped

    def answer(self, request: Request) -> Response | None:
        """Answer a request; None where its path is not in the folder."""
        if not request.path.startswith(self._folder):
            return None
        if request.method != "GET":
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"no\n", headers={"Allow": "GET"})
        if request.query:
            return Response(HTTPStatus.BAD_REQUEST, b"no query\n")
        write = self._documents.get(request.path)
        return Response(HTTPStatus.NOT_FOUND, b"not found\n") if write is None else self._document(request, write())

    def _document(self, request: Request, body: bytes) -> Response:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            return Response(HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        if self._gzipped:
            headers = {"ETag": etag, "Content-Encoding": "gzip"}
            return Response(HTTPStatus.OK, gzip.compress(body), self._content_type, headers)
        headers = {"ETag": etag, "Transfer-Encoding": "chunked"}
        return Response(HTTPStatus.OK, body, self._content_type, headers)
