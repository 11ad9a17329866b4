"""Where are files on one machine, or on a disk that machines share? In a directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from planar.errors import PlanarError
from planar.files.storage import blob_files
from planar.files.storage.base import CHUNK_BYTES, ByteRange, Storage, StoredBytes, StoredObject
from planar.files.storage.blob_files import Layout, Reading, Writing
from planar.files.storage.blocks import blocks
from planar.files.storage.checks import checked_mime_type, checked_moment, checked_ref, new_ref
from planar.files.storage.errors import StorageFailed
from planar.files.storage.finishing import to_the_end
from planar.files.storage.threads import Threads

P = ParamSpec("P")
R = TypeVar("R")

LISTED_AT_ONCE = 1000


class LocalDirectoryStorage(Storage):
    """Keeps files in a directory, which is made when the first one comes.

    A file is written beside its place, forced to the disk and then given its name, which no file can have twice. Threads do the
    work, one hop a mebibyte. `planar.files.storage.blob_files` draws the layout; the layout of the reference product is read, too.

    Args:
        directory: where. Everything in it belongs to this storage.
    """

    def __init__(self, directory: str | Path) -> None:
        self._layout = Layout(Path(directory))
        self._threads = Threads()

    def __repr__(self) -> str:
        return f"LocalDirectoryStorage({str(self._layout.root)!r})"

    async def write(
        self, stream: AsyncIterable[bytes], *, ref: str | None = None, mime_type: str | None = None, max_bytes: int | None = None
    ) -> StoredBytes:
        ref = new_ref() if ref is None else checked_ref(ref)
        checked_mime_type(mime_type)
        writing = Writing(self._layout)
        try:
            last = await self._append_all_but_last(writing, blocks(stream, CHUNK_BYTES, max_bytes))
            return await self._run(writing.publish, last, ref, mime_type)
        except BaseException:
            await self._run(writing.discard)
            raise

    async def read(self, ref: str, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        reading, chunk = await self._run(_open, self._layout, checked_ref(ref), byte_range or ByteRange(0, None))
        return self._chunks(reading, chunk)

    async def stat(self, ref: str) -> StoredObject | None:
        return await self._run(blob_files.look, self._layout, checked_ref(ref))

    async def list_objects(self) -> AsyncIterator[StoredObject]:
        found = blob_files.walk(self._layout)
        try:
            while page := await self._run(lambda: list(islice(found, LISTED_AT_ONCE))):
                for stored in page:
                    yield stored
        finally:
            await self._run(found.close)

    async def sweep(self, older_than: datetime) -> int:
        return await self._run(blob_files.sweep, self._layout, checked_moment(older_than))

    async def delete(self, ref: str) -> None:
        await self._run(blob_files.remove, self._layout, checked_ref(ref))

    async def mime_type(self, ref: str) -> str | None:
        return await self._run(blob_files.read_type, self._layout, checked_ref(ref))

    async def close(self) -> None:
        await self._threads.close()

    async def _append_all_but_last(self, writing: Writing, incoming: AsyncGenerator[bytearray]) -> bytearray:
        """Append each block while the next one arrives. The last one is given back: a file of one block is one hop in all."""
        last = bytearray()
        appending: asyncio.Future[None] | None = None
        try:
            async with aclosing(incoming):
                async for block in incoming:
                    if last:
                        if appending is not None:
                            await appending
                        appending = asyncio.ensure_future(self._run(writing.append, last))
                    last = block
        finally:
            if appending is not None:
                await to_the_end(appending)
        return last

    async def _chunks(self, reading: Reading, chunk: bytes) -> AsyncGenerator[bytes]:
        try:
            while chunk:
                yield chunk
                chunk = await self._run(reading.next_chunk) if reading.goes_on else b""
        finally:
            reading.close()

    async def _run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await self._threads.run(job, *args, **kwargs)
        except PlanarError:
            raise
        except OSError as error:
            raise StorageFailed(f"The directory of files failed: {error.strerror or type(error).__name__}.") from error


def _open(layout: Layout, ref: str, wanted: ByteRange) -> tuple[Reading, bytes]:
    """An open file and its first chunk, at one go."""
    reading = Reading(layout, ref, wanted)
    return reading, reading.next_chunk()
