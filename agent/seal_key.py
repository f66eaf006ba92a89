"""The key that device logins are sealed with: where it is kept, and how another takes its place.

While it changes there are two, and what either has sealed can be opened. The key is never kept beside what it seals: it
comes from a systemd credential, or is a file elsewhere that only its owner may read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pwd
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.durable_file import rename_durably, replace_durably
from agent.errors import RefusedError, StorageError

log = logging.getLogger(__name__)

CREDENTIAL_NAME = "seal-key"
OLD_CREDENTIAL_NAME = "seal-key-old"
NEXT_SUFFIX = ".next"
FINGERPRINT_BYTES = 8
SHORTEST_KEY_BYTES = 16
KEY_LIMIT_BYTES = 65_536
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Keyring:
    """The 32-byte keys that there are: `current` seals, it and the `older` ones open."""

    current: bytes = field(repr=False)
    older: tuple[bytes, ...] = field(default=(), repr=False)

    def find(self, fingerprint: bytes) -> bytes | None:
        """Give the key that has this fingerprint; None where it isn't here."""
        return next((key for key in (self.current, *self.older) if fingerprint_of(key) == fingerprint), None)


class SealKeys(Protocol):
    """Where the keys are kept."""

    @property
    def place(self) -> str:
        """Say where, for a person."""

    @property
    def is_changing(self) -> bool:
        """Whether there is an older key beside the current one."""

    def load(self) -> Keyring:
        """Give the keys; raises StorageError where they can't be read, RefusedError where they may not be used."""

    def begin_change(self) -> None:
        """Make a new key the current one, the present one an older one; nothing where they are so already."""

    def end_change(self) -> None:
        """Drop the older key, where that is ours to do."""


class KeyFile:
    """A key in a file, made when first needed. While it changes, the new one is beside it, named `….next`.

    Args:
        path: the file.
        apart_from: the folder of what it seals, in which it may not be.
    """

    def __init__(self, path: Path, *, apart_from: Path) -> None:
        self._path = path
        self._apart_from = apart_from

    @property
    def place(self) -> str:
        """Say which file it is."""
        return str(self._path)

    @property
    def is_changing(self) -> bool:
        """Whether the next key is there already."""
        return self._next.exists()

    def load(self) -> Keyring:
        """Give the key; while it changes, the next one and this one.

        Raises:
            StorageError: it can't be read or made.
            RefusedError: others than its owner can read or replace it, it is beside what it seals, or it is too short.
        """
        try:
            self._check_place()
            if not self._path.exists():
                replace_durably(self._path, _new_key())
            present = _derived_key(self._path, _read_own(self._path))
            if not self.is_changing:
                return Keyring(present)
            return Keyring(_derived_key(self._next, _read_own(self._next)), (present,))
        except OSError as error:
            raise StorageError(f"{error.filename or self._path}: {error.strerror or error}") from error

    def begin_change(self) -> None:
        """Make the next key.

        Raises:
            StorageError: it can't be written.
            RefusedError: as in `load`.
        """
        self.load()
        try:
            if not self.is_changing:
                replace_durably(self._next, _new_key())
        except OSError as error:
            raise StorageError(f"{self._next}: {error.strerror or error}") from error

    def end_change(self) -> None:
        """Have the next key take the place of the present one, which is gone for good.

        Raises:
            StorageError: the disk doesn't let it; then both are there.
        """
        try:
            rename_durably(self._next, self._path)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror or error}") from error

    @property
    def _next(self) -> Path:
        return self._path.with_name(self._path.name + NEXT_SUFFIX)

    def _check_place(self) -> None:
        """Refuse a folder in which the key would be beside what it seals, or in which others can replace it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._path.parent.resolve()
        if folder.is_relative_to(self._apart_from.resolve()):
            raise RefusedError(
                f"{self._path}: the key would be beside what it seals; keep agent.toml elsewhere than in"
                f" {self._apart_from}, or pass the key as the systemd credential {CREDENTIAL_NAME}"
            )
        found = folder.stat()
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            raise RefusedError(f"{folder}: others may replace the key in it; chmod go-w {folder}")


class SystemdKeys:
    """Keys that systemd passes to the service: whoever administers the box changes them, with the old one beside.

    Args:
        folder: of the service's credentials.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        """Say which credential it is."""
        return f"the systemd credential {CREDENTIAL_NAME}"

    @property
    def is_changing(self) -> bool:
        """Whether the old key is passed too; the unit file passes a word in its place where there is none."""
        try:
            return len(self._read(OLD_CREDENTIAL_NAME)) >= SHORTEST_KEY_BYTES
        except FileNotFoundError:
            return False

    def load(self) -> Keyring:
        """Give the key, and the old one where it is passed.

        Raises:
            StorageError: it can't be read.
            RefusedError: it is too short.
        """
        try:
            current = self._derived(CREDENTIAL_NAME)
            return Keyring(current, (self._derived(OLD_CREDENTIAL_NAME),) if self.is_changing else ())
        except OSError as error:
            raise StorageError(f"{error.filename}: {error.strerror or error}") from error

    def begin_change(self) -> None:
        """Refuse, unless it has begun.

        Raises:
            RefusedError: only root can change what systemd passes; it says how.
        """
        if not self.is_changing:
            raise RefusedError(
                f"the key is {self.place}, which only root can change: sudo ./install.sh rotate-key, in the clone that"
                " the agent was installed from"
            )

    def end_change(self) -> None:
        """Leave the old key to whoever passes it, and say that it can go."""
        log.info("the systemd credential %s is needed no more", OLD_CREDENTIAL_NAME)

    def _derived(self, name: str) -> bytes:
        return _derived_key(self._folder / name, self._read(name))

    def _read(self, name: str) -> bytes:
        return _limited((self._folder / name).read_bytes())


def seal_keys(key_file: Path, *, apart_from: Path, environment: Mapping[str, str] = os.environ) -> SealKeys:
    """Find where the key is kept: the systemd credential `seal-key` where there is one, else a file."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / CREDENTIAL_NAME).is_file():
        return SystemdKeys(Path(folder))
    return KeyFile(key_file, apart_from=apart_from)


def fingerprint_of(key: bytes) -> bytes:
    """Tell two keys apart without telling anything of them."""
    return hashlib.sha256(b"printos-agent fingerprint\0" + key).digest()[:FINGERPRINT_BYTES]


def _new_key() -> bytes:
    return secrets.token_hex(32).encode() + b"\n"


def _derived_key(path: Path, secret: bytes) -> bytes:
    """Make 32 bytes of whatever random text or bytes a file has."""
    if len(secret) < SHORTEST_KEY_BYTES:
        raise RefusedError(f"{path}: a key of less than {SHORTEST_KEY_BYTES} bytes seals nothing")
    return hashlib.sha256(b"printos-agent seal\0" + secret).digest()


def _read_own(path: Path) -> bytes:
    """Read a key file that nobody else can read or could have written."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid not in (0, os.geteuid()):
            raise RefusedError(f"{path}: belongs to {_name_of(found.st_uid)}, who knows it then")
        if found.st_mode & OTHERS:
            raise RefusedError(f"{path}: others may read it; chmod 600 it")
        return _limited(file.read(KEY_LIMIT_BYTES))


def _limited(content: bytes) -> bytes:
    return content[:KEY_LIMIT_BYTES].strip()


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
