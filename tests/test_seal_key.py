"""Where the key of the sealed logins may be kept, and another in its place."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.check_credentials import check_credentials
from agent.config import load_config
from agent.credentials import CredentialStore, DeviceLogin
from agent.errors import RefusedError, StorageError
from agent.seal_key import KeyFile, SealKeys, seal_keys
from tests.running_agent import RunningAgent

KEY, OLD_KEY = "0123456789abcdef0123456789abcdef\n", "fedcba9876543210fedcba9876543210\n"
PRINTERS = ("4f0c00000001", "4f0c00000002", "4f0c00000003")


def login_of(printer_id: str) -> DeviceLogin:
    """Give the login of a printer."""
    return DeviceLogin(f"d-{printer_id}", "login", f"secret of {printer_id}")


def key_file(folder: Path) -> KeyFile:
    """Give a key file that is apart from a state folder."""
    return KeyFile(folder / "etc" / "seal-key", apart_from=folder / "state")


def filled(folder: Path, keys: SealKeys) -> CredentialStore:
    """Give a store that has the logins of three printers."""
    store = CredentialStore(folder / "state" / "credentials", keys=keys)
    for printer_id in PRINTERS:
        store.save(printer_id, login_of(printer_id))
    return store


def readable(store: CredentialStore) -> bool:
    """Whether every login comes back as it was saved."""
    return all(store.load(printer_id) == login_of(printer_id) for printer_id in PRINTERS)


def credentials(folder: Path, **secrets: str) -> SealKeys:
    """Give the keys of a service that gets these credentials; `_` in a name stands for `-`."""
    given = folder / "run"
    given.mkdir(exist_ok=True)
    for path in given.iterdir():
        path.unlink()
    for name, secret in secrets.items():
        (given / name.replace("_", "-")).write_text(secret)
    return seal_keys(
        folder / "elsewhere", apart_from=folder / "state", environment={"CREDENTIALS_DIRECTORY": str(given)}
    )


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The first use makes it with mode 0600; every later one reads the same key."""
    first, path = key_file(tmp_path).load(), tmp_path / "etc" / "seal-key"
    assert (len(first.current), key_file(tmp_path).load(), stat.S_IMODE(path.stat().st_mode)) == (32, first, 0o600)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that is open to others seals nothing."""
    key_file(tmp_path).load()
    (tmp_path / "etc" / "seal-key").chmod(mode)
    with pytest.raises(RefusedError, match="chmod 600"):
        key_file(tmp_path).load()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Whoever made it knows it."""
    key_file(tmp_path).load()
    os.chown(tmp_path / "etc" / "seal-key", 65_534, 65_534)
    with pytest.raises(RefusedError, match="belongs to nobody"):
        key_file(tmp_path).load()


def test_a_folder_in_which_others_could_replace_the_key_is_refused(tmp_path: Path) -> None:
    """They would put one there that they know."""
    key_file(tmp_path).load()
    (tmp_path / "etc").chmod(0o777)
    with pytest.raises(RefusedError, match="chmod go-w"):
        key_file(tmp_path).load()


@pytest.mark.parametrize("place", ["state/seal-key", "state/credentials/deep/seal-key", "link/seal-key"])
def test_a_key_beside_what_it_seals_is_refused(tmp_path: Path, place: str) -> None:
    """A copy of the state folder must not have it, by whatever way it is reached; none is made there."""
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    with pytest.raises(RefusedError, match="beside what it seals"):
        KeyFile(tmp_path / place, apart_from=tmp_path / "state").load()
    assert not (tmp_path / place).exists()


def test_the_systemd_credential_wins_over_the_key_file(tmp_path: Path) -> None:
    """Where systemd gives a seal-key, no key file is made."""
    assert len(credentials(tmp_path, seal_key=KEY).load().current) == 32
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_key_seals_nothing(tmp_path: Path) -> None:
    """A key that is too short is refused."""
    with pytest.raises(RefusedError, match="less than 16 bytes"):
        credentials(tmp_path, seal_key="short\n").load()


def test_a_repr_tells_no_key(tmp_path: Path) -> None:
    """A keyring that ends up in a log line gives nothing away."""
    ring = key_file(tmp_path).load()
    assert ring.current.hex() not in repr(ring)
    assert repr(ring.current) not in repr(ring)


def test_a_new_key_seals_every_login_and_the_old_one_is_gone(tmp_path: Path) -> None:
    """A copy of the old key opens nothing any more."""
    keys = key_file(tmp_path)
    store = filled(tmp_path, keys)
    before = (tmp_path / "etc" / "seal-key").read_bytes()
    rotation = store.rotate(lambda _printer_id: None)
    assert (rotation.sealed, rotation.left) == (PRINTERS, ())
    assert readable(store)
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["seal-key"]
    (tmp_path / "etc" / "seal-key").write_bytes(before)
    with pytest.raises(RefusedError, match="another key"):
        store.load(PRINTERS[0])


def test_what_nothing_opens_stays_and_is_named(tmp_path: Path) -> None:
    """Its own key may come back; the others get the new one."""
    store = filled(tmp_path, key_file(tmp_path))
    stranger = CredentialStore(tmp_path / "state" / "credentials", keys=credentials(tmp_path, seal_key=KEY))
    stranger.save(PRINTERS[1], login_of(PRINTERS[1]))
    (tmp_path / "state" / "credentials" / f"{PRINTERS[2]}.sealed").write_bytes(b"damaged")
    rotation = store.rotate(lambda _printer_id: None)
    assert (rotation.sealed, rotation.left) == (PRINTERS[:1], PRINTERS[1:])
    assert [it.sealed_by for it in store.listing()] == ["current", "unknown", "damaged"]
    assert stranger.load(PRINTERS[1]) == login_of(PRINTERS[1])


def test_a_full_disk_leaves_both_keys_and_every_login(tmp_path: Path) -> None:
    """It is told, and the next attempt goes on with the same new key."""
    store = filled(tmp_path, key_file(tmp_path))
    draft = tmp_path / "state" / "credentials" / f"{PRINTERS[1]}.sealed.new"
    (draft / "in-the-way").mkdir(parents=True)
    with pytest.raises(StorageError):
        store.rotate(lambda _printer_id: None)
    assert readable(store)
    assert [it.sealed_by for it in store.listing()] == ["current", "older", "older"]
    (draft / "in-the-way").rmdir()
    draft.rmdir()
    store.open()
    assert readable(store)
    assert {it.sealed_by for it in store.listing()} == {"current"}
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["seal-key"]


def test_a_kill_at_any_step_leaves_every_login_readable(tmp_path: Path) -> None:
    """Before each thing that is done to the disk a process ends; the next one reads all, and goes on to the end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.rotation_kills", tmp_path], capture_output=True, text=True, timeout=60, check=True
    )
    told = json.loads(done.stdout)
    assert told["kills"] > 4 * len(PRINTERS)
    assert told["unreadable"] == []


def test_two_systemd_credentials_change_the_key_at_the_next_start(tmp_path: Path) -> None:
    """`seal-key` seals, `seal-key-old` still opens; after a start the old one can go."""
    assert readable(filled(tmp_path, credentials(tmp_path, seal_key=OLD_KEY)))
    folder = tmp_path / "state" / "credentials"
    store = CredentialStore(folder, keys=credentials(tmp_path, seal_key=KEY, seal_key_old=OLD_KEY))
    assert readable(store)
    store.open()
    assert {it.sealed_by for it in store.listing()} == {"current"}
    assert readable(CredentialStore(folder, keys=credentials(tmp_path, seal_key=KEY)))


def test_the_word_that_the_unit_passes_for_no_old_key_is_none(tmp_path: Path) -> None:
    """It is there so that systemd needs no file for a credential that is rarely used."""
    assert not credentials(tmp_path, seal_key=KEY, seal_key_old="none").is_changing


def test_a_key_that_systemd_passes_is_not_ours_to_change(tmp_path: Path) -> None:
    """Who may is told how."""
    store = filled(tmp_path, credentials(tmp_path, seal_key=KEY))
    with pytest.raises(RefusedError, match="rotate-key"):
        store.rotate(lambda _printer_id: None)
    assert readable(store)


def test_the_command_line_changes_the_key_of_a_running_agent(tmp_path: Path) -> None:
    """After a start all can be read still; doctor names the key."""
    keys = KeyFile(tmp_path / "seal-key", apart_from=tmp_path / "state")
    store = filled(tmp_path, keys)
    before = keys.load()
    agent = RunningAgent(tmp_path)
    with agent:
        done = agent.run_json("credentials", "rotate")
    with agent:
        rows = agent.run_json("credentials")
        (told,) = check_credentials(load_config(agent.config))
    assert (done["sealed"], done["left"]) == ([*PRINTERS], [])
    assert [(row["printer"], row["sealed_by"]) for row in rows] == [(it, "current") for it in PRINTERS]
    assert (told.result, told.message) == ("ok", f"sealed logins: 3; the key is {tmp_path / 'seal-key'}")
    assert keys.load() != before
    assert readable(store)


def test_nobody_logs_in_where_what_comes_of_it_could_not_be_sealed(tmp_path: Path) -> None:
    """As where agent.toml is in the state folder: PrintOS would make devices whose credentials nobody has."""
    with RunningAgent(tmp_path, agent={"id": "site-7", "state_dir": tmp_path}) as agent:
        done = agent.run("activate", "--password-stdin", text="me@example.com\npassword\n")
    assert done.returncode == 4
    assert "beside what it seals" in done.stderr
    assert not (tmp_path / "seal-key").exists()
