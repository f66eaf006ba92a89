"""Device logins sealed on the disk: the only file that knows cryptography.

A sealed file is a mark, the fingerprint of the key, a nonce, and AES-256-GCM over the login as JSON with the printer's
id as associated data, so that no file can stand in for another printer's. It protects the state folder, not a stolen
card: whoever has the key file as well can read everything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent.errors import RefusedError, StorageError

log = logging.getLogger(__name__)

CREDENTIAL_NAME = "seal-key"
MARK = b"printos-login-1\n"
FINGERPRINT_BYTES = 8
NONCE_BYTES = 12
SHORTEST_KEY_BYTES = 16
FILE_LIMIT_BYTES = 65_536
SUFFIX = ".sealed"
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A printer's PrintOS account. `login` is empty where PrintOS gave none: then only the device's id is known."""

    device_id: str
    login: str = ""
    password: str = field(default="", repr=False)
    serial: str = ""


def load_seal_key(key_file: Path) -> bytes:
    """Give the 32-byte key that seals: from the systemd credential `seal-key`, else from `key_file`, made if missing.

    Raises:
        StorageError: the key can't be read or made.
        RefusedError: it is too short, or others than its owner may read it.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / CREDENTIAL_NAME if folder else None
    try:
        if credential is not None and credential.is_file():
            return _derived_key(credential)
        if not key_file.exists():
            _write_new(key_file, secrets.token_hex(32).encode() + b"\n")
        if key_file.stat().st_mode & 0o077:
            raise RefusedError(f"{key_file}: others may read it; chmod 600 it")
        return _derived_key(key_file)
    except OSError as error:
        raise StorageError(f"{error.filename or key_file}: {error.strerror or error}") from error


class CredentialStore:
    """One sealed file a printer, in a folder of mode 0700; `key` gives the 32-byte key, and is asked when needed."""

    def __init__(self, folder: Path, *, key: Callable[[], bytes]) -> None:
        self._folder = folder
        self._key = key

    def save(self, printer_id: str, login: DeviceLogin) -> None:
        """Seal a login; it is on the disk when this returns.

        Raises:
            StorageError: the disk did not keep it, or there is no key.
            RefusedError: the key may not be used.
        """
        path = self._path(printer_id)
        sealed = _seal(json.dumps(asdict(login)).encode(), key=self._key(), printer_id=printer_id)
        try:
            _replace(path, sealed)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def load(self, printer_id: str) -> DeviceLogin | None:
        """Open a printer's login; None where there is none.

        Raises:
            RefusedError: it is sealed with another key; the file stays, for the key may come back.
            StorageError: it is damaged and has been kept aside, or it can't be read.
        """
        path = self._path(printer_id)
        try:
            with path.open("rb") as file:
                sealed = file.read(FILE_LIMIT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error
        login = self._opened(path, printer_id, sealed)
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
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def ids(self) -> tuple[str, ...]:
        """Name the printers that have a sealed login."""
        return tuple(sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}")))

    def _opened(self, path: Path, printer_id: str, sealed: bytes) -> DeviceLogin | None:
        key = self._key()
        start = len(MARK) + FINGERPRINT_BYTES
        if not sealed.startswith(MARK) or len(sealed) <= start + NONCE_BYTES:
            return None
        if sealed[len(MARK) : start] != _fingerprint(key):
            raise RefusedError(
                f"{path}: sealed with another key; bring that key back, or make the device anew: activate --replace"
            )
        plain = _unseal(sealed[start:], key=key, printer_id=printer_id)
        try:
            return None if plain is None else DeviceLogin(**json.loads(plain))
        except (ValueError, TypeError) as error:
            log.warning("%s: was sealed by another version: %s", path, error)
            return None

    def _path(self, printer_id: str) -> Path:
        if not ID_PATTERN.fullmatch(printer_id):
            raise StorageError(f"{printer_id!r} is no printer's id")
        return self._folder / f"{printer_id}{SUFFIX}"


def _seal(plain: bytes, *, key: bytes, printer_id: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 8 MB, only for who has devices

    nonce = secrets.token_bytes(NONCE_BYTES)
    return MARK + _fingerprint(key) + nonce + AESGCM(key).encrypt(nonce, plain, printer_id.encode())


def _unseal(sealed: bytes, *, key: bytes, printer_id: str) -> bytes | None:
    """Open what follows the fingerprint; None where it was tampered with or belongs to another printer."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 8 MB, only for who has devices
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the same

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], printer_id.encode())
    except InvalidTag:
        return None


def _fingerprint(key: bytes) -> bytes:
    """Tell two keys apart without telling anything of them."""
    return hashlib.sha256(b"printos-agent fingerprint\0" + key).digest()[:FINGERPRINT_BYTES]


def _derived_key(path: Path) -> bytes:
    """Make 32 bytes of whatever random text or bytes the file has."""
    secret = path.read_bytes().strip()
    if len(secret) < SHORTEST_KEY_BYTES:
        raise RefusedError(f"{path}: a key of less than {SHORTEST_KEY_BYTES} bytes seals nothing")
    return hashlib.sha256(b"printos-agent seal\0" + secret).digest()


def _kept_aside(path: Path) -> Path:
    aside = path.with_suffix(".damaged")
    try:
        path.replace(aside)
    except OSError as error:
        raise StorageError(f"{path}: damaged, and can't be moved: {error.strerror or error}") from error
    return aside


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    _write_new(draft, content)
    draft.replace(path)
    _sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, readable by its owner alone, through to the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
