from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.errors import NotFoundError, SpoolFullError, StorageError
from agent.store import Store

TABLE_OF_MORE = ("CREATE TABLE more (name TEXT)",)
TABLE = ("CREATE TABLE things (name TEXT PRIMARY KEY)",)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an open store with one table."""
    store = Store(tmp_path / "state" / "agent.db")
    store.open()
    store.migrate("things", TABLE)
    yield store
    store.close()


def names(store: Store) -> list[str]:
    """Read the one table."""
    return [row["name"] for row in store.query("SELECT name FROM things ORDER BY name")]


def put(store: Store, name: str) -> None:
    """Write into the one table."""
    store.write("INSERT INTO things VALUES (?)", (name,))


def fail_after(store: Store, name: str) -> None:
    """Write in a transaction that then fails."""
    with store.transaction():
        put(store, name)
        raise LookupError


def test_what_was_committed_is_there_after_opening_again(store: Store) -> None:
    """A transaction that ended is in the file."""
    put(store, "one")
    store.close()
    store.open()
    assert names(store) == ["one"]


def test_a_block_that_raises_is_undone(store: Store) -> None:
    """Nothing of a transaction that fails is kept, and its error goes on."""
    with pytest.raises(LookupError):
        fail_after(store, "one")
    assert names(store) == []


def test_a_transaction_within_one_is_undone_alone(store: Store) -> None:
    """A failed inner transaction takes nothing of the outer one with it."""
    with store.transaction():
        put(store, "outer")
        with pytest.raises(LookupError):
            fail_after(store, "inner")
    assert names(store) == ["outer"]


def test_an_inner_transaction_is_undone_with_the_outer_one(store: Store) -> None:
    """What an inner transaction wrote is kept only if the outer one is."""
    with suppress(LookupError), store.transaction():
        with store.transaction():
            put(store, "inner")
        raise LookupError
    assert names(store) == []


def test_a_callback_runs_after_the_commit_and_only_then(store: Store) -> None:
    """What waits for a commit doesn't run inside the transaction, and never for one that was undone."""
    seen: list[list[str]] = []
    with store.transaction():
        put(store, "one")
        store.on_commit(lambda: seen.append(names(store)))
        with suppress(LookupError), store.transaction():
            store.on_commit(lambda: seen.append(["undone"]))
            raise LookupError
        assert seen == []
    assert seen == [["one"]]


def test_a_rollback_callback_runs_only_where_the_transaction_is_undone(store: Store) -> None:
    """What cleans up after a transaction runs for the undone one, also where it is an inner part of it."""
    undone: list[str] = []
    with store.transaction():
        store.on_rollback(lambda: undone.append("kept"))
    with suppress(LookupError), store.transaction():
        with store.transaction():
            store.on_rollback(lambda: undone.append("inner"))
        raise LookupError
    assert undone == ["inner"]


def test_what_a_failed_commit_leaves_is_undone_once_the_next_has_surely_taken_its_place(store: Store) -> None:
    """Until then the disk may have kept it, as after an error of fsync; a lazy commit may be lost itself."""
    undone: list[str] = []
    store.migrate("doubt", ("CREATE TABLE b (a INTEGER REFERENCES schema_versions DEFERRABLE INITIALLY DEFERRED)",))

    def fail() -> None:
        with store.transaction():
            store.on_rollback(lambda: undone.append("its document"))
            store.write("INSERT INTO b VALUES (1)")

    with pytest.raises(StorageError):
        fail()
    with store.lazy_transaction():
        store.write("INSERT INTO b VALUES (NULL)")
    assert undone == []
    store.write("INSERT INTO b VALUES (NULL)")
    assert undone == ["its document"]


def test_what_must_precede_the_commit_is_done_once_and_can_undo_it(store: Store) -> None:
    """Several who ask for the same get it once; where it fails, nothing is committed, and the next goes well."""
    seen: list[list[str]] = []

    def look() -> None:
        seen.append(names(store))
        if len(seen) > 1:
            raise StorageError("no")

    with store.transaction():
        store.before_commit(look)
        put(store, "one")
        store.before_commit(look)
    with suppress(StorageError), store.transaction():
        put(store, "two")
        store.before_commit(look)
    put(store, "three")
    assert (seen, names(store)) == ([["one"], ["one", "two"]], ["one", "three"])


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no database any more doesn't keep the agent from starting, and isn't destroyed."""
    put(store, "lost")
    store.close()
    store.path.write_bytes(b"not a database, but long enough to look like a file of one" * 40)
    with caplog.at_level(logging.ERROR):
        store.open()
    assert "is damaged" in caplog.text
    assert store.set_aside is not None
    assert store.set_aside.read_bytes().startswith(b"not a database")
    assert store.query("SELECT count(*) FROM schema_versions")[0][0] == 0


def test_a_page_that_was_overwritten_is_damage(store: Store) -> None:
    """Damage in the middle of a file that begins well is found when it is opened."""
    for number in range(2000):
        put(store, f"thing {number}")
    store.close()
    whole = bytearray(store.path.read_bytes())
    whole[8192:16384] = b"\xa5" * 8192
    store.path.write_bytes(whole)
    store.open()
    assert store.set_aside is not None


def test_a_schema_is_only_appended_to(store: Store) -> None:
    """Statements that ran before don't run again, and those that are new do."""
    store.migrate("things", (*TABLE, "ALTER TABLE things ADD COLUMN colour TEXT DEFAULT 'red'"))
    put_with_default = "INSERT INTO things (name) VALUES ('one') RETURNING colour"
    assert store.write(put_with_default)[0]["colour"] == "red"


def test_tables_of_a_newer_agent_are_left_alone(store: Store) -> None:
    """An older agent doesn't touch what a newer one has made."""
    with pytest.raises(StorageError, match="newer version"):
        store.migrate("things", ())


def test_threads_take_turns(store: Store) -> None:
    """Transactions of several threads don't mix."""

    def count_up() -> None:
        for _ in range(50):
            with store.transaction() as connection:
                total = connection.execute("SELECT count(*) FROM things").fetchone()[0]
                put(store, f"{total:04}")

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names(store) == [f"{number:04}" for number in range(200)]


def test_another_process_may_read_while_the_agent_runs(store: Store) -> None:
    """A reader sees what was committed, and can't write."""
    put(store, "one")
    reader = Store.open_read_only(store.path)
    put(store, "two")
    assert names(reader) == ["one", "two"]
    with pytest.raises(StorageError):
        put(reader, "three")
    reader.close()


def test_the_state_can_be_read_at_rest(store: Store) -> None:
    """What an agent left is readable when none runs."""
    put(store, "one")
    store.close()
    reader = Store.open_read_only(store.path)
    assert names(reader) == ["one"]
    reader.close()


def test_no_state_is_not_there(tmp_path: Path) -> None:
    """Where no agent has ever run, that is what is said."""
    with pytest.raises(NotFoundError):
        Store.open_read_only(tmp_path / "agent.db")


def test_a_full_disk_is_told_as_such_and_the_store_goes_on(store: Store) -> None:
    """A write that doesn't fit is a full spool; what fits afterwards is kept."""
    pages = store.query("PRAGMA page_count")[0][0]
    store.query(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolFullError):
        put(store, "large" * 100_000)
    store.query("PRAGMA max_page_count = 100000")
    put(store, "after")
    assert names(store) == ["after"]


def test_a_lazy_transaction_is_there_for_the_next_process(store: Store) -> None:
    """What wasn't fsynced is still in the file for whoever opens it next, and the next commit is fsynced again."""
    with store.lazy_transaction():
        put(store, "lazy")
    reader = Store.open_read_only(store.path)
    assert names(reader) == ["lazy"]
    assert store.query("PRAGMA synchronous")[0][0] == 2
    reader.close()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """A state folder below a file is told in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Store(tmp_path / "file" / "agent.db").open()


def test_what_an_older_version_left_is_read_as_the_present_one_has_it(store: Store) -> None:
    """A copy in memory is brought up to date; the file stays as it is."""
    put(store, "kept")
    schemas = {"things": (*TABLE, "ALTER TABLE things ADD COLUMN colour TEXT DEFAULT 'red'"), "more": TABLE_OF_MORE}
    reader = Store.open_read_only(store.path, schemas)
    assert [tuple(row) for row in reader.query("SELECT * FROM things")] == [("kept", "red")]
    assert reader.query("SELECT * FROM more") == []
    assert list(store.query("SELECT * FROM things")[0].keys()) == ["name"]
    reader.close()
