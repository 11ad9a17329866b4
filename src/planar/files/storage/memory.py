"""Where are the files of a test? In this process, and gone with it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from planar.clock import SYSTEM_CLOCK, Clock
from planar.files.storage.base import CHUNK_BYTES, ByteRange, Storage, StoredBytes, StoredObject
from planar.files.storage.blocks import blocks, pieces
from planar.files.storage.checks import checked_mime_type, checked_moment, checked_ref, missing, new_ref
from planar.files.storage.errors import StoredFileExists


@dataclass(frozen=True, slots=True)
class _Stored:
    data: bytes
    mime_type: str | None
    modified_at: datetime


class MemoryStorage(Storage):
    """Keeps files in memory. Any number of tasks may use it at once.

    Args:
        clock: the time that files are stamped with.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._stored: dict[str, _Stored] = {}

    def __len__(self) -> int:
        """How many files there are."""
        return len(self._stored)

    async def write(
        self, stream: AsyncIterable[bytes], *, ref: str | None = None, mime_type: str | None = None, max_bytes: int | None = None
    ) -> StoredBytes:
        ref = new_ref() if ref is None else checked_ref(ref)
        checked_mime_type(mime_type)
        data = b"".join([bytes(block) async for block in blocks(stream, CHUNK_BYTES, max_bytes)])
        if ref in self._stored:
            raise StoredFileExists
        self._stored[ref] = _Stored(data, mime_type, self._clock.now())
        return StoredBytes(ref, len(data), sha256(data).hexdigest())

    async def read(self, ref: str, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        stored = self._stored.get(checked_ref(ref))
        if stored is None:
            raise missing(ref)
        wanted = byte_range or ByteRange(0, None)
        return _streamed(memoryview(stored.data)[wanted.start : wanted.end])

    async def stat(self, ref: str) -> StoredObject | None:
        stored = self._stored.get(checked_ref(ref))
        return None if stored is None else StoredObject(ref, len(stored.data), stored.modified_at)

    async def list_objects(self) -> AsyncIterator[StoredObject]:
        for ref, stored in list(self._stored.items()):
            yield StoredObject(ref, len(stored.data), stored.modified_at)

    async def sweep(self, older_than: datetime) -> int:
        checked_moment(older_than)
        return 0  # a write that does not end leaves nothing here

    async def delete(self, ref: str) -> None:
        self._stored.pop(checked_ref(ref), None)

    async def mime_type(self, ref: str) -> str | None:
        stored = self._stored.get(checked_ref(ref))
        return None if stored is None else stored.mime_type


async def _streamed(data: memoryview) -> AsyncIterator[bytes]:
    for chunk in pieces(data):
        yield chunk
