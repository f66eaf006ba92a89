"""Looks for secrets in whatever was written, in every form that they may have been written in.

A secret begins with a long random word, so that it is also found where it was cut short, or where the letters behind
the word are written in another way, as JSON and URLs write them.
"""

from __future__ import annotations

import base64
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

TAIL = ' "&/+ä%\\'
GROUP_LETTERS, GROUP_BYTES = 4, 3


def make_secret(tail: str = TAIL) -> str:
    """Make one that is nowhere else, with letters behind it that are written in many ways; `tail` are others."""
    return secrets.token_hex(12) + tail


def forms(secret: str) -> Iterator[tuple[str, bytes]]:
    """Give the name and the bytes of each form in which a secret may stand in the midst of other things."""
    word = secret.encode()[:24]
    yield "as it is", word
    yield "reversed", word[::-1]
    yield "hex", word.hex().encode()
    yield "HEX", word.hex().upper().encode()
    yield "UTF-16", word.decode().encode("utf-16-le")
    for before in range(GROUP_BYTES):
        whole = base64.b64encode(bytes(before) + word)
        first = -(-before * GROUP_LETTERS // GROUP_BYTES)
        yield f"base64 after {before}", whole[first : (before + len(word)) * 8 // 6]


def found(given: Mapping[str, str], written: Mapping[str, bytes]) -> list[str]:
    """Say which of the secrets, by name, stand in which form in what was written, by place."""
    return [
        f"{name}: {form} in {place}"
        for name, secret in given.items()
        for form, sought in forms(secret)
        for place, content in written.items()
        if sought in content
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder, by its path in there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpacked(archive: Path) -> dict[str, bytes]:
    """Read every file of a .tar.gz."""
    with tarfile.open(archive) as opened:
        files = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        return {f"{archive.name} {name}": file.read() for name, file in files.items() if file is not None}


def process(pid: int) -> dict[str, bytes]:
    """Read what everybody, or the user of a process, sees of it."""
    names = ("cmdline", "environ", "comm", "status", "maps", "mountinfo")
    return {f"/proc/{name}": Path(f"/proc/{pid}/{name}").read_bytes() for name in names}


def first(lines: list[str], count: int = 20) -> str:
    """Give the beginning of what was found."""
    return "\n".join(islice(lines, count))
