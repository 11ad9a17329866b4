"""How do bytes and names get onto a disk, so that a power failure does not take them away? Everything here blocks."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from planar.files.storage.errors import StoredFileExists

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
"""How a file is opened that nobody else has."""

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def move_new(source: Path, target: Path) -> None:
    """Give the file at *source* the name *target*, which nobody else has; it is there whole from the first moment."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise StoredFileExists from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # Without hard links the look that the caller had just before is all that refuses a name that is taken.
        source.rename(target)
    else:
        source.unlink()


def write_new(path: Path, data: bytes) -> None:
    """Write a small file that does not exist yet, onto the disk."""
    handle = os.open(path, NEW, 0o666)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes | bytearray) -> None:
    """Write all of *data*, however much of it the system takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def make_folder(folder: Path) -> None:
    """Make *folder* and what is above it, so that a power failure does not take it away with what is put there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in *folder* on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
