"""How does a file get onto this disk whole or not at all, and how is it found again? Everything here blocks.

::

    directory/
    ├── blob/a7/<ref>         a file; the folder is the end of its reference
    ├── blob/a7/<ref>.type    its content type, where one was told
    ├── blob/<ref>            a file as the reference product stored it: read, listed and deleted, never written
    ├── mime/<ref>            its content type
    └── tmp/<uuid>            a write in progress
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from planar.files.storage.base import CHUNK_BYTES, ByteRange, StoredBytes, StoredObject
from planar.files.storage.checks import is_ref, missing, new_ref
from planar.files.storage.disk import NEW, make_folder, move_new, sync_folder, write_all, write_new
from planar.files.storage.errors import StorageFailed, StoredFileExists

TYPE_SUFFIX = ".type"
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class Layout:
    """Where what stands under *root*. References are checked before they come here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blob"
        self.unfinished = root / "tmp"
        self._old_types = root / "mime"

    def blob(self, ref: str) -> Path:
        """Where a new file goes. A reference begins with a time, so its end spreads files over folders."""
        return self.blobs / ref[-2:] / ref

    def places(self, ref: str) -> tuple[Path, Path]:
        """Where a file may be."""
        return self.blob(ref), self.blobs / ref

    def type_places(self, ref: str) -> tuple[Path, Path]:
        """Where its content type may be."""
        return type_of(self.blob(ref)), self._old_types / ref


def type_of(blob: Path) -> Path:
    """Where the content type of a file is that stands at *blob*."""
    return blob.with_name(blob.name + TYPE_SUFFIX)


class Writing:
    """A file on its way: `append` its blocks, then `publish` it, or `discard` what there is."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._temporary = layout.unfinished / new_ref()
        self._handle: int | None = None
        self._digest = sha256()
        self._size = 0
        self._made: list[Path] = []

    def append(self, block: bytes | bytearray) -> None:
        """Write one more block."""
        if self._handle is None:
            make_folder(self._layout.unfinished)
            self._handle = os.open(self._temporary, NEW, 0o666)
        self._digest.update(block)
        self._size += len(block)
        write_all(self._handle, block)

    def publish(self, block: bytes | bytearray, ref: str, mime_type: str | None) -> StoredBytes:
        """Write the last block, and make the file the one under *ref*, on disk when this returns.

        Raises:
            StoredFileExists: *ref* is taken.
        """
        self.append(block)
        assert self._handle is not None
        os.fsync(self._handle)
        target = self._layout.blob(ref)
        make_folder(target.parent)
        if any(os.path.lexists(place) for place in self._layout.places(ref)):
            raise StoredFileExists
        move_new(self._temporary, target)
        self._made.append(target)
        if mime_type is not None:
            self._made.append(type_of(target))
            write_new(type_of(target), mime_type.encode("ascii"))
        sync_folder(target.parent)
        self._close()
        return StoredBytes(ref, self._size, self._digest.hexdigest())

    def discard(self) -> None:
        """Leave nothing behind, neither the part nor what it became."""
        self._close()
        for path in (self._temporary, *self._made):
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


class Reading:
    """An open file, and what of it is still to be read. A file that is deleted meanwhile is read to its end."""

    def __init__(self, layout: Layout, ref: str, wanted: ByteRange) -> None:
        self._handle: int | None = open_blob(layout, ref)
        size = os.fstat(self._handle).st_size
        self._at = min(wanted.start, size)
        self._end = size if wanted.end is None else min(wanted.end, size)
        if self._at >= self._end:
            self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def goes_on(self) -> bool:
        """Is there more to read?"""
        return self._handle is not None

    def next_chunk(self) -> bytes:
        """The next bytes; none at the end, where the file is closed."""
        if self._handle is None:
            return b""
        chunk = os.pread(self._handle, min(CHUNK_BYTES, self._end - self._at), self._at)
        if not chunk:
            raise StorageFailed("The stored file became shorter while it was read.")
        self._at += len(chunk)
        if self._at >= self._end:
            self.close()
        return chunk

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            os.close(handle)


def open_blob(layout: Layout, ref: str) -> int:
    """A handle of the file under *ref*. Only a regular file is one, never what a symbolic link points to.

    Raises:
        StoredFileNotFound: there is none.
    """
    for place in layout.places(ref):
        try:
            handle = os.open(place, _READ | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.ELOOP:
                continue
            raise
        if S_ISREG(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
    raise missing(ref)


def look(layout: Layout, ref: str) -> StoredObject | None:
    """What is stored under *ref*."""
    return next((found for place in layout.places(ref) if (found := _described(place)) is not None), None)


def read_type(layout: Layout, ref: str) -> str | None:
    """The content type that was written beside the file under *ref*."""
    for place in layout.type_places(ref):
        with suppress(FileNotFoundError):
            return place.read_text("ascii", "replace").strip() or None
    return None


def remove(layout: Layout, ref: str) -> None:
    """Remove the file under *ref*, and then what stands beside it."""
    for place in (*layout.places(ref), *layout.type_places(ref)):
        with suppress(FileNotFoundError):
            place.unlink()
            sync_folder(place.parent)


def walk(layout: Layout) -> Generator[StoredObject]:
    """Every stored file."""
    for path in _files_of_blobs(layout):
        if is_ref(path.name) and (found := _described(path)) is not None:
            yield found


def sweep(layout: Layout, older_than: datetime) -> int:
    """Remove parts of writes that never ended, and content types of files that are not there."""
    leftovers = [*_files_in(layout.unfinished)]
    leftovers += [path for path in _files_of_blobs(layout) if path.name.endswith(TYPE_SUFFIX) and not path.with_suffix("").exists()]
    removed = 0
    for path in leftovers:
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < older_than.timestamp():
                path.unlink()
                removed += 1
    return removed


def _files_of_blobs(layout: Layout) -> Iterator[Path]:
    yield from _files_in(layout.blobs)
    for number in range(256):
        yield from _files_in(layout.blobs / f"{number:02x}")


def _files_in(folder: Path) -> Iterator[Path]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        yield from (Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False))


def _described(path: Path) -> StoredObject | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not S_ISREG(found.st_mode):
        return None
    return StoredObject(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
