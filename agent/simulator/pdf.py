"""Write a small PDF with text on several pages, and count the pages of one while it passes (ISO 32000-1)."""

from __future__ import annotations

import re

LINE_LIMIT = 90
PAGE_OBJECT = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
OVERLAP_BYTES = 32


def write_pdf(title: str, *, pages: int, lines_per_page: int = 40) -> bytes:
    """Give a PDF 1.4 of `pages` A4 pages in Helvetica, which any viewer opens and any printer prints."""
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for page in range(pages):
        text = _page_text(f"{title}, page {page + 1} of {pages}", lines_per_page)
        objects += [_page_object(5 + 2 * page), b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text)]
    return _file(objects)


class PageCounter:
    """Counts the pages of a document that passes in chunks: a PDF's page objects; any other has one page."""

    def __init__(self) -> None:
        self._tail = b""
        self._found = 0

    def update(self, chunk: bytes) -> None:
        """Look at the next chunk; a page object that lies across two chunks counts once."""
        seen = self._tail + chunk
        inside = len(seen) - OVERLAP_BYTES
        matches = [match for match in PAGE_OBJECT.finditer(seen) if match.start() < inside]
        self._found += len(matches)
        self._tail = seen[max(inside, 0) :]

    @property
    def pages(self) -> int:
        """The pages so far, at least 1."""
        return max(1, self._found + len(PAGE_OBJECT.findall(self._tail)))


def _page_object(content: int) -> bytes:
    resources = "/Resources << /Font << /F1 3 0 R >> >>"
    return f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {resources} /Contents {content} 0 R >>".encode()


def _page_text(heading: str, lines: int) -> bytes:
    """Draw a heading and numbered lines, from the top of the page down."""
    body = "".join(f"({number:02d}  the quick brown fox jumps over the lazy dog) '\n" for number in range(1, lines + 1))
    text = f"BT /F1 18 Tf 60 780 Td ({_escaped(heading)}) Tj /F1 10 Tf 16 TL\n{body}ET"
    return text.encode("latin-1", "replace")


def _escaped(text: str) -> str:
    return re.sub(r"([\\()])", r"\\\1", text[:LINE_LIMIT])


def _file(objects: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table_at)
    return bytes(out)
