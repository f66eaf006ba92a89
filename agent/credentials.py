"""Device logins sealed on the disk: the only file that encrypts.

A sealed file is a mark, the fingerprint of the key, a nonce, and AES-256-GCM over the login as JSON with the printer's
id as associated data, so that no file can stand in for another printer's. It protects the state folder, not a stolen
card: whoever has the key as well can read everything.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from agent.durable_file import replace_durably
from agent.errors import RefusedError, StorageError
from agent.seal_key import FINGERPRINT_BYTES, Keyring, SealKeys, fingerprint_of

log = logging.getLogger(__name__)

MARK = b"printos-login-1\n"
NONCE_BYTES = 12
FILE_LIMIT_BYTES = 65_536
SUFFIX = ".sealed"
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

SealedBy = Literal["current", "older", "unknown", "damaged"]
"""Which key a sealed file takes; `unknown` is none that is here."""


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A printer's PrintOS account. `login` is empty where PrintOS gave none: then only the device's id is known."""

    device_id: str
    login: str = ""
    password: str = field(default="", repr=False)
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed file as a person may see it."""

    printer_id: str
    sealed_by: SealedBy


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a change of the key came to: the printers whose logins it `sealed` anew, and those that nothing opens."""

    sealed: tuple[str, ...]
    left: tuple[str, ...]


class CredentialStore:
    """One sealed file a printer, in a folder of mode 0700; safe in several threads.

    Args:
        folder: of the sealed files.
        keys: where the key is kept; nobody looks there before it is needed.
    """

    def __init__(self, folder: Path, *, keys: SealKeys) -> None:
        self._folder = folder
        self._keys = keys
        self._lock = threading.RLock()

    @property
    def key_place(self) -> str:
        """Where the key is, for a person."""
        return self._keys.place

    def check_key(self) -> None:
        """Make sure that a login could be sealed now, before one is asked for.

        Raises:
            StorageError: there is no key.
            RefusedError: it may not be used.
        """
        self._keys.load()

    def save(self, printer_id: str, login: DeviceLogin) -> None:
        """Seal a login; it is on the disk when this returns.

        Raises:
            StorageError: the disk did not keep it, or there is no key.
            RefusedError: the key may not be used.
        """
        with self._lock:
            self._write(printer_id, login, self._keys.load())

    def load(self, printer_id: str) -> DeviceLogin | None:
        """Open a printer's login; None where there is none.

        Raises:
            RefusedError: it is sealed with another key; the file stays, for the key may come back.
            StorageError: it is damaged and has been kept aside, or it can't be read.
        """
        with self._lock:
            path, sealed = self._path(printer_id), self._read(printer_id)
            if sealed is None:
                return None
            login, sealed_by = _opened(sealed, printer_id, self._keys.load())
            if sealed_by == "unknown":
                raise RefusedError(
                    f"{path}: sealed with another key; bring that key back, or make the device anew: activate --replace"
                )
            if login is None:
                raise StorageError(f"{path}: damaged; kept aside as {_kept_aside(path)}")
            return login

    def remove(self, printer_id: str) -> None:
        """Delete a printer's login, if there is one.

        Raises:
            StorageError: it can't be deleted.
        """
        path = self._path(printer_id)
        try:
            with self._lock:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def ids(self) -> tuple[str, ...]:
        """Name the printers that have a sealed login."""
        names = (path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))
        return tuple(sorted(filter(ID_PATTERN.fullmatch, names)))

    def listing(self) -> tuple[Sealed, ...]:
        """Say of every sealed login which key it takes.

        Raises:
            StorageError: a file or the key can't be read.
            RefusedError: the key may not be used.
        """
        with self._lock:
            ids = self.ids()
            ring = self._keys.load() if ids else None
            found = ((printer_id, self._read(printer_id)) for printer_id in ids)
            return tuple(
                Sealed(it, _opened(sealed, it, ring)[1]) for it, sealed in found if sealed is not None and ring
            )

    def rotate(self, on_sealed: Callable[[str], None]) -> Rotation:
        """Change the key: every login that can be opened is sealed with a new one, then the old one is dropped.

        Whatever ends it in the middle, all that could be read can be read after it, and `open` or another `rotate`
        goes on. `on_sealed` is called with the id of each printer.

        Raises:
            StorageError: the disk did not take something; the change is not over.
            RefusedError: the key may not be used, or isn't ours to change.
        """
        with self._lock:
            self._keys.begin_change()
            return self._finish_change(on_sealed)

    def open(self) -> None:
        """Bring a change of the key to its end that somebody began; where that fails, all can be read as before."""
        try:
            with self._lock:
                if self._keys.is_changing:
                    rotation = self._finish_change(lambda _printer_id: None)
                    log.info("%s is the key now; logins that it sealed: %d", self._keys.place, len(rotation.sealed))
        except (StorageError, RefusedError) as error:
            log.error("the change of the key is not over: %s", error)  # noqa: TRY400 - the message is all

    def _finish_change(self, on_sealed: Callable[[str], None]) -> Rotation:
        ring = self._keys.load()
        sealed: dict[bool, list[str]] = {True: [], False: []}
        for printer_id in self.ids():
            sealed[self._seal_anew(printer_id, ring)].append(printer_id)
            on_sealed(printer_id)
        self._keys.end_change()
        return Rotation(tuple(sealed[True]), tuple(sealed[False]))

    def _seal_anew(self, printer_id: str, ring: Keyring) -> bool:
        """Have the current key seal a login; False where nothing opens it."""
        login, sealed_by = _opened(self._read(printer_id) or b"", printer_id, ring)
        if login is not None and sealed_by == "older":
            self._write(printer_id, login, ring)
        return login is not None

    def _read(self, printer_id: str) -> bytes | None:
        path = self._path(printer_id)
        try:
            with path.open("rb") as file:
                return file.read(FILE_LIMIT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def _write(self, printer_id: str, login: DeviceLogin, ring: Keyring) -> None:
        path = self._path(printer_id)
        sealed = _seal(json.dumps(asdict(login)).encode(), key=ring.current, printer_id=printer_id)
        try:
            replace_durably(path, sealed)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def _path(self, printer_id: str) -> Path:
        if not ID_PATTERN.fullmatch(printer_id):
            raise StorageError(f"{printer_id!r} is no printer's id")
        return self._folder / f"{printer_id}{SUFFIX}"


def _opened(sealed: bytes, printer_id: str, ring: Keyring) -> tuple[DeviceLogin | None, SealedBy]:
    """Open a sealed file and say what sealed it; no login where that is unknown, or damaged in any way."""
    start = len(MARK) + FINGERPRINT_BYTES
    if not sealed.startswith(MARK) or len(sealed) <= start + NONCE_BYTES:
        return None, "damaged"
    key = ring.find(sealed[len(MARK) : start])
    if key is None:
        return None, "unknown"
    login = _parse_login(_unseal(sealed[start:], key=key, printer_id=printer_id), printer_id)
    if login is None:
        return None, "damaged"
    return login, "current" if key == ring.current else "older"


def _parse_login(plain: bytes | None, printer_id: str) -> DeviceLogin | None:
    try:
        return None if plain is None else DeviceLogin(**json.loads(plain))
    except (ValueError, TypeError):
        log.warning("%s: its login was sealed by another version", printer_id)
        return None


def _seal(plain: bytes, *, key: bytes, printer_id: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 8 MB, only for who has devices

    nonce = secrets.token_bytes(NONCE_BYTES)
    return MARK + fingerprint_of(key) + nonce + AESGCM(key).encrypt(nonce, plain, printer_id.encode())


def _unseal(sealed: bytes, *, key: bytes, printer_id: str) -> bytes | None:
    """Open what follows the fingerprint; None where it was tampered with or belongs to another printer."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 8 MB, only for who has devices
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the same

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], printer_id.encode())
    except InvalidTag:
        return None


def _kept_aside(path: Path) -> Path:
    aside = path.with_suffix(".damaged")
    try:
        path.replace(aside)
    except OSError as error:
        raise StorageError(f"{path}: damaged, and can't be moved: {error.strerror or error}") from error
    return aside
