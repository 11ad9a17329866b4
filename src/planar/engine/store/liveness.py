"""Is that worker alive? On one host a locked file tells, at once and without a clock: the lock ends with the process.

A lease could not tell on SQLite, where a user's long transaction keeps heartbeats from being written.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from uuid import UUID
from weakref import WeakSet


def lock_folder(database: Path) -> Path:
    """Where the workers of the file *database* prove that they live: the same folder by whatever link the file is known."""
    file = database.resolve()
    return file.with_name(f"{file.name}-workers")


class LockFiles:
    """One file a worker in *folder*, locked as long as the worker lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[UUID, int] = {}
        _HOLDING.add(self)

    def hold(self, worker_id: UUID) -> None:
        """Prove from now on that *worker_id* lives, until `release` or the end of the process."""
        handle = self._create(worker_id)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        self._held[worker_id] = handle

    def release(self, worker_id: UUID) -> None:
        """*worker_id* has stopped."""
        handle = self._held.pop(worker_id, None)
        if handle is not None:
            self._path(worker_id).unlink(missing_ok=True)
            os.close(handle)
            self._remove_folder()

    def release_all(self) -> None:
        """Everything that this object holds has stopped."""
        for worker_id in list(self._held):
            self.release(worker_id)

    def forget(self) -> None:
        """This process is a copy of the one that holds the files: close them without a word, or they would outlive their owner."""
        for handle in self._held.values():
            os.close(handle)
        self._held.clear()

    def is_dead(self, worker_id: UUID) -> bool:
        """Whether nobody holds the file of *worker_id* any more; the remains are removed."""
        if worker_id in self._held:
            return False
        try:
            handle = os.open(self._path(worker_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except PermissionError:
            # Another user's worker: whoever may look at its file will tell.
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            self._path(worker_id).unlink(missing_ok=True)
            return True
        finally:
            os.close(handle)

    def is_held(self, worker_id: UUID) -> bool:
        """Whether somebody holds the file of *worker_id*, or may do so. For those who only look: nothing is removed."""
        try:
            handle = os.open(self._path(worker_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except PermissionError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def _create(self, worker_id: UUID) -> int:
        while True:
            self._folder.mkdir(exist_ok=True)
            try:
                return os.open(self._path(worker_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # the last other worker has just stopped and removed the empty folder

    def _path(self, worker_id: UUID) -> Path:
        return self._folder / f"{worker_id.hex}.lock"

    def _remove_folder(self) -> None:
        try:
            self._folder.rmdir()
        except OSError:
            return  # other workers' files are in it


_HOLDING: WeakSet[LockFiles] = WeakSet()


def _forget_in_child() -> None:
    # A lock belongs to every process that has inherited its file: a forked helper (a process pool of a step) that survives
    # its parent would make a dead worker look alive, and its runs would never go on.
    for files in list(_HOLDING):
        files.forget()


os.register_at_fork(after_in_child=_forget_in_child)
