"""The names of files in a hot folder: which are left alone, which belong together, what they are called later; pure.

Names are as the system gives them: what is no UTF-8 stands there as lone surrogates, as `os.fsencode` reads them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

NAME_LIMIT_BYTES = 255
REASON_SUFFIX = ".txt"
SHOWN_CHARACTERS = 80

TEMPORARY_STARTS = (".", "~")
TEMPORARY_ENDS = (
    "~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".lock", ".swp",
)  # fmt: skip
"""What programs call a file that they have not finished, and what they put beside one that is open."""

LITTER = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"})
"""What systems leave in any folder that somebody looks into."""

TICKET_SUFFIX = ".jdf"


def is_left_alone(name: str) -> bool:
    """Whether a file is none of ours by its name."""
    folded = name.casefold()
    return folded.startswith(TEMPORARY_STARTS) or folded.endswith(TEMPORARY_ENDS) or folded in LITTER


def is_ticket(name: str) -> bool:
    """Whether a file is a JDF by its name."""
    return name.casefold().endswith(TICKET_SUFFIX)


def pair(named: Mapping[str, str | None], documents: Iterable[str]) -> dict[str, str]:
    """Find the document of each ticket.

    Args:
        named: the tickets, with the document that each names; None where it names none, or has not been read yet.
        documents: the documents that are there.

    Returns:
        The ticket by its document: the one that it names where that is there, else the one whose name it has, before
        `.jdf` or but for the ending, a PDF before others. Neither case nor Unicode's forms make a difference.
    """
    exact = {_key(name): name for name in documents}
    by_stem = {_key(_stem(name)): name for name in sorted(exact.values(), key=_is_pdf)}
    tickets: dict[str, str] = {}
    for ticket, document in named.items():
        stem = _key(_stem(ticket))
        found = exact.get(_key(document or "")) or exact.get(stem) or by_stem.get(stem)
        if found is not None:
            tickets.setdefault(found, ticket)
    return tickets


def job_name(name: str) -> str:
    """Give what a job is called that was a file of this name: without the ending, and without what is no text."""
    return _readable(_stem(name))


def shown(name: str) -> str:
    """Give a name as it may stand in a message, in the log and in an event."""
    text = "".join(character if character.isprintable() else "?" for character in _readable(name))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def numbered(name: str, number: int) -> str:
    """Give another name for a file: `order.pdf`, `order (2).pdf`, `order (3).pdf`, each short enough for any disk."""
    stem, ending = _stem(name), PurePosixPath(name).suffix
    ending = f" ({number}){ending}" if number > 1 else ending
    room = NAME_LIMIT_BYTES - len(REASON_SUFFIX) - len(os.fsencode(ending))
    if room <= 0:
        return numbered(name.replace(".", "_"), number)
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _is_pdf(name: str) -> bool:
    return name.casefold().endswith(".pdf")


def _readable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")
