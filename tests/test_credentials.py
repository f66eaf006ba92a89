from __future__ import annotations

from pathlib import Path

import pytest

from agent.credentials import CredentialStore, DeviceLogin
from agent.errors import RefusedError, StorageError
from tests.seal_keys import FixedKeys

LOGIN = DeviceLogin("d-1", "dev-login", "dev-secret-word", "EX1")
PRINTER = "4f0c00000000"


def store(folder: Path, key: bytes = bytes(32)) -> CredentialStore:
    """Give a store in a folder."""
    return CredentialStore(folder / "sealed", keys=FixedKeys(key))


def test_a_login_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """What is sealed can be opened again, and is listed."""
    store(tmp_path).save(PRINTER, LOGIN)
    assert store(tmp_path).load(PRINTER) == LOGIN
    assert store(tmp_path).ids() == (PRINTER,)


def test_nothing_readable_is_on_the_disk(tmp_path: Path) -> None:
    """Neither login nor password is in the file, and only its owner may read it."""
    store(tmp_path).save(PRINTER, LOGIN)
    file = next((tmp_path / "sealed").iterdir())
    assert b"dev-" not in file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_repr_tells_no_password() -> None:
    """A login that ends up in a log line does not give its password away."""
    assert "dev-secret-word" not in repr(LOGIN)


def test_a_second_login_replaces_the_first(tmp_path: Path) -> None:
    """Saving again leaves one file with the newest login."""
    store(tmp_path).save(PRINTER, LOGIN)
    store(tmp_path).save(PRINTER, DeviceLogin("d-2"))
    assert store(tmp_path).load(PRINTER) == DeviceLogin("d-2")
    assert len(list((tmp_path / "sealed").iterdir())) == 1


def test_a_printer_without_a_login_has_none(tmp_path: Path) -> None:
    """Loading what was never saved, or was removed, gives None."""
    store(tmp_path).save(PRINTER, LOGIN)
    store(tmp_path).remove(PRINTER)
    store(tmp_path).remove(PRINTER)
    assert store(tmp_path).load(PRINTER) is None
    assert store(tmp_path / "never").ids() == ()


@pytest.mark.parametrize("at", [0, 30, -1])
def test_a_tampered_file_is_refused_and_kept_aside(tmp_path: Path, at: int) -> None:
    """One changed byte is told as an error; the file is kept under another name and does no more harm."""
    sealed = store(tmp_path)
    sealed.save(PRINTER, LOGIN)
    file = next((tmp_path / "sealed").iterdir())
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(StorageError, match="kept aside"):
        sealed.load(PRINTER)
    assert sealed.load(PRINTER) is None


@pytest.mark.parametrize("content", [b"", b"printos-login-1\n", b"\0" * 100, b"{}"])
def test_a_broken_file_never_crashes(tmp_path: Path, content: bytes) -> None:
    """Whatever the bytes are, it is a StorageError that names the file kept aside."""
    sealed = store(tmp_path)
    sealed.save(PRINTER, LOGIN)
    next((tmp_path / "sealed").iterdir()).write_bytes(content)
    with pytest.raises(StorageError, match=r"kept aside as .*damaged"):
        sealed.load(PRINTER)


def test_another_key_is_told_and_the_file_stays(tmp_path: Path) -> None:
    """The right key may come back, so that the file is not moved."""
    store(tmp_path).save(PRINTER, LOGIN)
    with pytest.raises(RefusedError, match="another key"):
        store(tmp_path, key=b"\1" * 32).load(PRINTER)
    assert store(tmp_path).load(PRINTER) == LOGIN


def test_one_printers_file_cannot_stand_in_for_another(tmp_path: Path) -> None:
    """A sealed file under another printer's name does not open."""
    sealed = store(tmp_path)
    sealed.save(PRINTER, LOGIN)
    file = next((tmp_path / "sealed").iterdir())
    file.rename(file.with_name("aaaa00000000.sealed"))
    with pytest.raises(StorageError):
        sealed.load("aaaa00000000")


def test_an_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    """Only what looks like a printer's id becomes a file name."""
    with pytest.raises(StorageError, match="no printer's id"):
        store(tmp_path).save("../escape", LOGIN)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """A file in the folder's place is told for every change, without a traceback."""
    (tmp_path / "sealed").write_text("")
    with pytest.raises(StorageError):
        store(tmp_path).save(PRINTER, LOGIN)
    with pytest.raises(StorageError):
        store(tmp_path).remove(PRINTER)
