"""A hot folder on its disk or share: it is opened for each look, so that what is mounted later is seen.

Below it are `processing`, with a folder for each job, `done` and `failed`. Whoever may write there could put a link in
the place of any of them: everything goes by descriptors, and no link is followed but one that the configuration names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Literal

from agent.document_format import HEAD_BYTES
from agent.errors import StorageError
from agent.hot_folder_names import REASON_SUFFIX, is_left_alone, numbered, shown
from agent.hot_folder_settling import TAIL_BYTES, Trace

Place = Literal["done", "failed"]

PROCESSING = "processing"
FOLDERS = (PROCESSING, "done", "failed")
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
REASON_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
CANT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES})
"""What file systems of networks say of the fsync of a folder; they are as safe as their server is."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is open for reading, whatever becomes of its name."""

    descriptor: int

    @property
    def path(self) -> Path:
        """Where it can be opened again."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def size(self) -> int:
        """Its bytes."""
        return os.fstat(self.descriptor).st_size

    def head(self) -> bytes:
        """Give its first bytes."""
        return os.pread(self.descriptor, HEAD_BYTES, 0)

    def tail(self) -> bytes:
        """Give its last bytes."""
        return os.pread(self.descriptor, TAIL_BYTES, max(0, self.size - TAIL_BYTES))

    def read(self, limit: int) -> bytes:
        """Give so many bytes of it at the most."""
        return os.pread(self.descriptor, limit, 0)

    def is_being_written(self) -> bool:
        """Whether a program on this box has it open for writing; False also where the system does not say.

        The kernel leases a file for reading only where nobody writes to it, and only to its owner. Who opens it in that
        moment has us told by a signal that means nothing, instead of SIGIO, which would end us.
        """
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False


class HotFolderDisk:
    """An open hot folder; its methods raise StorageError where the disk or the share refuses.

    Args:
        path: where it is, for messages.
        root: its descriptor.
        below: the descriptors of the folders in it, by their names.
    """

    def __init__(self, path: Path, *, root: int, below: Mapping[str, int]) -> None:
        self._path = path
        self._root = root
        self._below = below

    def files(self) -> dict[str, Trace]:
        """Give the files that may be documents or tickets, the oldest first; neither links nor pipes, nor folders."""
        with translated(self._path), os.scandir(self._root) as entries:
            found = {entry.name: _trace(entry) for entry in entries if _is_of_interest(entry)}
        present = {name: trace for name, trace in found.items() if trace is not None}
        return dict(sorted(present.items(), key=lambda item: (item[1].changed_ns, item[0])))

    def tokens(self) -> list[str]:
        """Name the folders of jobs."""
        with translated(self._path), os.scandir(self._below[PROCESSING]) as entries:
            return [it.name for it in entries if it.is_dir(follow_symlinks=False) and not is_left_alone(it.name)]

    def claim(self, token: str, names: tuple[str, ...]) -> None:
        """Move files that are still there into the folder of a job, in this order; on the disk when it returns."""
        with translated(self._path):
            _make(token, self._below[PROCESSING])
            with self._job(token) as job:
                for name in names:
                    with suppress(FileNotFoundError):
                        os.rename(name, name, src_dir_fd=self._root, dst_dir_fd=job)
                _sync(job, self._below[PROCESSING], self._root)

    def give_back(self, token: str) -> None:
        """Move what is in the folder of a job back to where it was, under another name where its own is taken."""
        with translated(self._path):
            with suppress(FileNotFoundError), self._job(token) as job:
                for name in _names(job):
                    os.rename(name, _free_name(name, self._root), src_dir_fd=job, dst_dir_fd=self._root)
            self._drop(token)

    def contents(self, token: str) -> list[str]:
        """Name what is in the folder of a job, in order; nothing where there is no such folder."""
        with translated(self._path):
            try:
                with self._job(token) as job:
                    return _names(job)
            except FileNotFoundError:
                return []

    def holds(self, place: Place | None, names: Iterable[str]) -> bool:
        """Whether any of these files is in one of the folders; None is the hot folder itself."""
        folder = self._root if place is None else self._below[place]
        with translated(self._path):
            return any(_size(name, folder) is not None for name in names)

    @contextmanager
    def opened(self, name: str, *, token: str | None = None) -> Iterator[Opened]:
        """Open a file of the hot folder, or of the folder of a job.

        Raises:
            StorageError: it can't be read, or is no file.
        """
        with translated(self._path / name):
            if token is None:
                descriptor = os.open(name, FILE_FLAGS, dir_fd=self._root)
            else:
                with self._job(token) as job:
                    descriptor = os.open(name, FILE_FLAGS, dir_fd=job)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise StorageError(f"{shown(str(self._path / name))}: is no file")
                yield Opened(descriptor)
            finally:
                os.close(descriptor)

    def free_number(self, place: Place, names: tuple[str, ...]) -> int:
        """Find a number under which none of these names is taken in a folder, nor is that of its reason.

        Not every number below it is looked at: a thousand files of one name cost twenty looks.
        """
        with translated(self._path):
            low, high = 0, 1
            while self._is_taken(place, names, high):
                low, high = high, high * 2
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._is_taken(place, names, middle) else (low, middle)
            return high

    def put_away(self, token: str, place: Place, names: Mapping[str, str]) -> int:
        """Move the files of a job, by their names to those that they are to have; give the bytes of all that is there.

        What is there already was moved before; what is in the folder of the job besides goes with it.
        """
        target = self._below[place]
        with translated(self._path):
            with suppress(FileNotFoundError), self._job(token) as job:
                for name in _names(job):
                    new_name = _free_name(names.get(name, name), target)
                    os.rename(name, new_name, src_dir_fd=job, dst_dir_fd=target)
                _sync(target, job)
            self._drop(token)
            return sum(_size(name, target) or 0 for name in names.values())

    def write_reason(self, name: str, text: str) -> None:
        """Write beside a file that failed why it did."""
        with translated(self._path):
            mode = stat.S_IMODE(os.fstat(self._root).st_mode) & 0o666
            descriptor = os.open(name + REASON_SUFFIX, REASON_FLAGS, mode, dir_fd=self._below["failed"])
            with open(descriptor, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(text)
                file.flush()
                with suppress(OSError):
                    os.fchmod(descriptor, mode)
                os.fsync(descriptor)

    def remove(self, place: Place, names: tuple[str, ...]) -> None:
        """Remove files that were put away, with their reasons."""
        with translated(self._path):
            for name in names:
                for there in (name, name + REASON_SUFFIX):
                    with suppress(FileNotFoundError):
                        os.unlink(there, dir_fd=self._below[place])

    def _is_taken(self, place: Place, names: tuple[str, ...], number: int) -> bool:
        candidates = [numbered(name, number) for name in names]
        reasons = [name + REASON_SUFFIX for name in candidates]
        return any(_size(name, self._below[place]) is not None for name in (*candidates, *reasons))

    @contextmanager
    def _job(self, token: str) -> Iterator[int]:
        with _folder(token, self._below[PROCESSING]) as descriptor:
            yield descriptor

    def _drop(self, token: str) -> None:
        with suppress(FileNotFoundError):
            os.rmdir(token, dir_fd=self._below[PROCESSING])


@contextmanager
def open_hot_folder(path: Path) -> Iterator[HotFolderDisk]:
    """Open a hot folder, made where it isn't there yet, with all that is in it.

    Raises:
        StorageError: it can't be made, opened or written.
    """
    with ExitStack() as stack:
        with translated(path):
            if not path.exists():
                path.mkdir()
            root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, root)
            if not os.access(path, os.W_OK | os.X_OK):
                raise StorageError(f"{path}: can't be written; a file that can't be moved away would be printed again")
            for name in FOLDERS:
                if _size(name, root) is None:
                    _make(name, root)
            below = {name: stack.enter_context(_folder(name, root)) for name in FOLDERS}
        yield HotFolderDisk(path, root=root, below=below)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Tell what the disk or the share refuses as a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{shown(str(path))}: {error.strerror or error}") from error


@contextmanager
def _folder(name: str, parent: int) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _make(name: str, parent: int) -> None:
    """Make a folder that whoever may see the one around it may see too, whatever our umask is."""
    os.mkdir(name, dir_fd=parent)
    with suppress(OSError):  # a share may have no modes
        os.chmod(name, stat.S_IMODE(os.fstat(parent).st_mode) & 0o777, dir_fd=parent)


def _sync(*descriptors: int) -> None:
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in CANT_SYNC:
                raise


def _is_of_interest(entry: os.DirEntry[str]) -> bool:
    return not is_left_alone(entry.name) and entry.is_file(follow_symlinks=False)


def _trace(entry: os.DirEntry[str]) -> Trace | None:
    """Give the trace of a file; None where it has gone meanwhile."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Trace(found.st_size, found.st_mtime_ns)


def _size(name: str, folder: int) -> int | None:
    """Give the bytes of a file; None where there is none."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    except FileNotFoundError:
        return None


def _free_name(name: str, folder: int) -> str:
    candidates = chain([name], (numbered(name, number) for number in count(2)))
    return next(candidate for candidate in candidates if _size(candidate, folder) is None)
