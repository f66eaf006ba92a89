"""What a document is, told from its first bytes, as RFC 8011's application/octet-stream auto-sensing does."""

from __future__ import annotations

import codecs
import re

HEAD_BYTES = 4096
UNKNOWN_FORMAT = "application/octet-stream"

MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"\x04%!PS", "application/postscript"),
    (b"RaS2", "image/pwg-raster"),
    (b"RaS3", "application/vnd.cups-raster"),
    (b"UNIRAST", "image/urf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1bE", "application/vnd.hp-PCL"),
    (b") HP-PCL XL;", "application/vnd.hp-PCLXL"),
)
UNIVERSAL_EXIT = b"\x1b%-12345X"
ENTER_LANGUAGE = re.compile(rb"@PJL\s+ENTER\s+LANGUAGE\s*=\s*([A-Za-z0-9]+)", re.IGNORECASE)
LANGUAGES = {
    "PCL": "application/vnd.hp-PCL",
    "PCL3GUI": "application/vnd.hp-PCL",
    "PCLXL": "application/vnd.hp-PCLXL",
    "PDF": "application/pdf",
    "POSTSCRIPT": "application/postscript",
    "PWGRASTER": "image/pwg-raster",
    "URF": "image/urf",
}
LAYOUT_CHARACTERS = "\t\n\f\r"


def tell_format(document: bytes) -> str:
    """Give the MIME media type of a document, `application/octet-stream` where its first bytes don't tell."""
    head = document[:HEAD_BYTES]
    if head.startswith(UNIVERSAL_EXIT):
        return _format_of_pjl(head)
    for magic, media_type in MAGIC:
        if head.startswith(magic):
            return media_type
    return "text/plain" if _is_text(head) else UNKNOWN_FORMAT


def media_type(document_format: str) -> str:
    """Give the media type of a format in lower case, without parameters."""
    return document_format.partition(";")[0].strip().lower()


def _format_of_pjl(head: bytes) -> str:
    language = ENTER_LANGUAGE.search(head)
    if language is None:
        return LANGUAGES["PCL"]
    return LANGUAGES.get(language[1].decode("ascii").upper(), UNKNOWN_FORMAT)


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in LAYOUT_CHARACTERS for character in text)
