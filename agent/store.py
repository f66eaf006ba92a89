"""The one SQLite connection: transactions on the disk when they end, schema versions, a damaged file kept aside.

The only file that knows sqlite3: whatever SQLite raises becomes a `StorageError`, and a full disk a `SpoolFullError`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.errors import NotFoundError, SpoolFullError, StorageError

log = logging.getLogger(__name__)

Connection = sqlite3.Connection
Row = sqlite3.Row
Parameters = Sequence[Any] | Mapping[str, Any]

BUSY_TIMEOUT_SECONDS = 10.0
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SIDECARS = ("", "-wal", "-shm")
VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"


class _Steps(NamedTuple):
    """The SQL that begins, ends and undoes one level of transaction."""

    begin: str
    commit: str
    undo: tuple[str, ...]


OUTERMOST = _Steps("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
JOINED = _Steps("SAVEPOINT joined", "RELEASE joined", ("ROLLBACK TO joined", "RELEASE joined"))


class Store:
    """One SQLite file, one connection, one lock.

    Every transaction is serial and fsynced (WAL, synchronous=FULL) before it ends.

    Attributes:
        set_aside: where a damaged file was kept by `open`, None where the file was sound.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._depth = 0
        self._before_commit: list[Callable[[], None]] = []
        self._on_commit: list[Callable[[], None]] = []
        self._on_rollback: list[Callable[[], None]] = []
        self._in_doubt: list[Callable[[], None]] = []
        self._is_lazy = False

    @classmethod
    def open_read_only(cls, path: Path, schemas: Mapping[str, Sequence[str]] | None = None) -> Store:
        """Open a store for reading only, while its agent runs or at rest.

        Args:
            path: the file.
            schemas: what each part gives to `migrate`: of a file that an older version made, a copy in memory is read
                that has been brought up to date.

        Raises:
            NotFoundError: there is no such file.
            StorageError: it can't be read.
        """
        if not path.exists():
            raise NotFoundError(f"no agent has kept its state in {path.parent}")
        store = cls(path)
        store._connection = _connect(path, mode="ro")
        if schemas and store._is_older_than(schemas):
            store._connection = _copied_to_memory(store._connection)
            for name, statements in schemas.items():
                store.migrate(name, statements)
        return store

    def open(self) -> None:
        """Open the file and make it where there is none; a damaged one is renamed to `*.damaged-<time>` and begun anew.

        Raises:
            StorageError: the disk doesn't let it be opened.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = self._connect_or_begin_anew()
        except OSError as exc:
            raise StorageError(f"{self.path}: {exc.strerror}") from exc
        with self.transaction() as connection:
            connection.execute(VERSIONS)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def migrate(self, name: str, statements: Sequence[str]) -> None:
        """Bring the tables of one part up to date.

        Args:
            name: the part that owns these tables, such as `spool`.
            statements: one SQL statement each; only ever appended to, and each runs once in the life of the file.

        Raises:
            StorageError: a newer version of the agent made these tables.
        """
        with self.transaction() as connection:
            rows = connection.execute("SELECT version FROM schema_versions WHERE part = ?", (name,)).fetchall()
            version = rows[0]["version"] if rows else 0
            if version > len(statements):
                raise StorageError(f"{self.path}: the tables of {name} were made by a newer version of the agent")
            if version == len(statements):
                return
            for statement in statements[version:]:
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)", (name, len(statements)))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a block as one transaction, on the disk when the block ends; undone where the block raises.

        A transaction within one joins it: it can fail and be undone alone, and is on the disk when the outer one is.

        Raises:
            SpoolFullError: the disk is full.
            StorageError: the disk or SQLite refuses otherwise.
        """
        with self._lock:
            connection = self._connected()
            steps = JOINED if self._depth else OUTERMOST
            with self._undone_on_error(connection, steps):
                yield connection
            if self._depth:
                return
            callbacks, self._on_commit = self._on_commit, []
            if not self._is_lazy:
                callbacks, self._in_doubt = [*self._in_doubt, *callbacks], []
        for callback in callbacks:
            callback()

    @contextmanager
    def lazy_transaction(self) -> Iterator[Connection]:
        """Run a block as a transaction that survives the end of the process, but a power cut only after the next one.

        For what may be forgotten together with everything after it; it spares the card an fsync.
        """
        with self._lock:
            if self._depth:
                with self.transaction() as connection:
                    yield connection
                return
            connection = self._connected()
            connection.execute("PRAGMA synchronous = NORMAL")
            self._is_lazy = True
            try:
                with self.transaction():
                    yield connection
            finally:
                self._is_lazy = False
                connection.execute("PRAGMA synchronous = FULL")

    def write(self, sql: str, params: Parameters = ()) -> list[Row]:
        """Run one statement that changes something, in the running transaction if there is one; give what it returns.

        Raises:
            SpoolFullError: the disk is full.
            StorageError: the disk or SQLite refuses otherwise.
        """
        with self._lock:
            if self._depth:
                return self.query(sql, params)
            with self.transaction():
                return self.query(sql, params)

    def before_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` just before the running transaction is committed, once, however often it is given.

        Where it raises, the transaction is undone.
        """
        if callback not in self._before_commit:
            self._before_commit.append(callback)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the running transaction is on the disk, or now where none is running.

        It must be quick, and must not raise.
        """
        with self._lock:
            if self._depth:
                self._on_commit.append(callback)
                return
        callback()

    def on_rollback(self, callback: Callable[[], None]) -> None:
        """Call `callback` where the running transaction is undone before its commit; it must be quick, and not raise.

        Where the commit itself fails, the disk may have kept it until the next one has taken its place, and `callback`
        is called when that is on the disk.
        """
        self._on_rollback.append(callback)

    def query(self, sql: str, params: Parameters = ()) -> list[Row]:
        """Read rows; within a transaction of the same thread, what it has written so far is seen.

        Raises:
            StorageError: the disk or SQLite refuses.
        """
        with self._lock, _translated():
            return self._connected().execute(sql, params).fetchall()

    def _is_older_than(self, schemas: Mapping[str, Sequence[str]]) -> bool:
        versions = {row["part"]: row["version"] for row in self.query("SELECT * FROM schema_versions")}
        return any(versions.get(name, 0) < len(statements) for name, statements in schemas.items())

    def _connected(self) -> Connection:
        if self._connection is None:
            raise StorageError(f"{self.path} is not open")
        return self._connection

    def _connect_or_begin_anew(self) -> Connection:
        try:
            return _connect(self.path, mode="rwc")
        except _DamagedError as exc:
            self.set_aside = _set_aside(self.path)
            log.error(  # noqa: TRY400 - the traceback tells the operator nothing
                "%s is damaged (%s); it is kept as %s and a new one begun", self.path, exc, self.set_aside
            )
        return _connect(self.path, mode="rwc")

    @contextmanager
    def _undone_on_error(self, connection: Connection, steps: _Steps) -> Iterator[None]:
        commits, rollbacks = len(self._on_commit), len(self._on_rollback)
        with _translated():
            if self._depth and not connection.in_transaction:
                raise StorageError("the transaction was undone by an earlier failure of the disk")
            connection.execute(steps.begin)
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._call_before_commit()
            except BaseException:
                _undo(connection, steps)
                for callback in self._on_rollback[rollbacks:]:
                    callback()
                raise
            else:
                try:
                    _commit(connection, steps)
                except sqlite3.Error:
                    self._in_doubt += self._on_rollback[rollbacks:]
                    raise
                commits, rollbacks = len(self._on_commit), len(self._on_rollback)
            finally:
                self._depth -= 1
                del self._on_commit[commits:], self._on_rollback[rollbacks:]

    def _call_before_commit(self) -> None:
        callbacks, self._before_commit = self._before_commit, []
        for callback in callbacks:
            callback()


def _commit(connection: Connection, steps: _Steps) -> None:
    try:
        connection.execute(steps.commit)
    except sqlite3.Error:
        _undo(connection, steps)
        raise


def _undo(connection: Connection, steps: _Steps) -> None:
    # a full or broken disk makes SQLite undo the whole transaction by itself
    if connection.in_transaction:
        for statement in steps.undo:
            connection.execute(statement)


class _DamagedError(Exception):
    """Raised when the file is no sound SQLite database."""


def _connect(path: Path, *, mode: str) -> Connection:
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as exc:
        raise StorageError(f"{path}: {exc}") from exc
    connection.row_factory = Row
    try:
        _configure(connection, mode)
    except sqlite3.Error as exc:
        connection.close()
        if exc.sqlite_errorcode & 0xFF in DAMAGED:
            raise _DamagedError(str(exc)) from exc
        raise StorageError(f"{path}: {exc}") from exc
    except _DamagedError:
        connection.close()
        raise
    return connection


def _copied_to_memory(connection: Connection) -> Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    copy.row_factory = Row
    with _translated(), closing(connection):
        connection.backup(copy)
    return copy


def _configure(connection: Connection, mode: str) -> None:
    if mode == "ro":
        connection.execute("SELECT count(*) FROM sqlite_schema")
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted, the URL of a document, is overwritten
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _DamagedError(verdict)


def _set_aside(path: Path) -> Path:
    suffix = f".damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    for sidecar in SIDECARS:
        found = path.with_name(path.name + sidecar)
        if found.exists():
            found.rename(path.with_name(path.name + suffix + sidecar))
    return path.with_name(path.name + suffix)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise SpoolFullError("the disk is full") from exc
        raise StorageError(f"the disk did not keep it: {exc}") from exc
