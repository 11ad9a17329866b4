"""Where are files that many machines share? In a bucket: what S3, Google Cloud and Azure have in common, through obstore.

A file is one object, whose key is its reference. Nothing of a service's own error text is passed on: it carries addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from planar.files.storage.base import CHUNK_BYTES, ByteRange, Storage, StoredBytes, StoredObject
from planar.files.storage.blocks import blocks, pieces
from planar.files.storage.checks import checked_mime_type, checked_moment, checked_ref, checked_ttl, is_ref, missing, new_ref
from planar.files.storage.errors import StorageFailed, StoredFileExists, StoredFileNotFound
from planar.files.storage.finishing import to_the_end
from planar.files.storage.translation import library, translated
from planar.logging import get_logger

logger = get_logger(__name__)

PART_BYTES = 8 * 1024 * 1024
"""A file of up to one part is one request. S3 takes 10,000 parts, so that 78 GiB is the largest file."""

PARTS_AT_ONCE = 3

READING = {"connect_timeout": timedelta(seconds=5), "read_timeout": timedelta(seconds=30), "timeout": timedelta(hours=24)}
"""A download lasts as long as its reader takes; only silence ends it."""

WRITING = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=10)}
"""One request sends one part at most; but a service may take minutes to put many parts together."""

RETRIES = {
    "max_retries": 5,
    "retry_timeout": timedelta(minutes=1),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}

NO_TYPE = "binary/octet-stream"
"""What S3 answers for an object that was stored without a type."""


class ObjectStorage(Storage):
    """Keeps files as objects in a bucket. The service's own durability and atomicity are a file's.

    A reference that the caller chose is refused if it is taken: for a file of up to `PART_BYTES` by the service itself, in one
    act; for a larger one by a look before the first part and another after the last, so that of two large files that are finished
    under one reference in the same moment the later one stays.

    Args:
        open_store: makes the object of obstore with which requests are made, given options of its HTTP client.
        signs: whether the service signs addresses.
    """

    def __init__(self, open_store: Callable[[dict[str, Any]], Any], *, signs: bool = True) -> None:
        self._obstore = library()
        self._reading = open_store(dict(READING))
        self._writing = open_store(dict(WRITING))
        self._signs = signs

    async def write(
        self, stream: AsyncIterable[bytes], *, ref: str | None = None, mime_type: str | None = None, max_bytes: int | None = None
    ) -> StoredBytes:
        chosen = ref is not None
        ref = checked_ref(ref) if ref is not None else new_ref()
        attributes = None if checked_mime_type(mime_type) is None else {"Content-Type": mime_type}
        async with aclosing(blocks(stream, PART_BYTES, max_bytes)) as incoming:
            first = await anext(incoming, bytearray())
            second = await anext(incoming, None)
            if second is None:
                return await self._write_one(ref, first, attributes, chosen)
            return await self._write_parts(ref, (first, second), incoming, attributes, chosen)

    async def read(self, ref: str, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        found = await self._get(checked_ref(ref), byte_range)
        return _streamed(found) if found is not None else _nothing()

    async def get(self, ref: str) -> tuple[AsyncIterator[bytes], str | None]:
        found = await self._get(checked_ref(ref), None)
        return _streamed(found), _type_of(found)

    async def mime_type(self, ref: str) -> str | None:
        with suppress(StoredFileNotFound), translated():
            return _type_of(await self._obstore.get_async(self._reading, checked_ref(ref), options={"head": True}))
        return None

    async def stat(self, ref: str) -> StoredObject | None:
        with suppress(StoredFileNotFound), translated():
            return _described(await self._obstore.head_async(self._reading, checked_ref(ref)))
        return None

    async def list_objects(self) -> AsyncIterator[StoredObject]:
        pages = aiter(self._obstore.list(self._reading, chunk_size=1000))
        while True:
            with translated():
                page = await anext(pages, None)
            if page is None:
                return
            for stored in page:
                if is_ref(stored["path"]):
                    yield _described(stored)

    async def sweep(self, older_than: datetime) -> int:
        checked_moment(older_than)
        return 0  # a rule of the bucket removes unfinished uploads; what is not finished cannot be listed alike everywhere

    async def delete(self, ref: str) -> None:
        with suppress(StoredFileNotFound), translated():
            await self._obstore.delete_async(self._writing, checked_ref(ref))

    async def download_url(self, ref: str, *, ttl_seconds: int, filename: str | None = None, content_type: str | None = None) -> str | None:
        checked_ref(ref)
        if filename is not None or content_type is not None:
            return None  # these services sign them in ways of their own
        return await self._signed("GET", ref, ttl_seconds)

    async def upload_url(self, ref: str, *, ttl_seconds: int, content_type: str | None = None, size: int | None = None) -> str | None:
        checked_ref(ref)
        return await self._signed("PUT", ref, ttl_seconds)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _write_one(self, ref: str, data: bytearray, attributes: dict[str, Any] | None, chosen: bool) -> StoredBytes:
        """One request. A new reference is nobody else's, so that this one may be repeated after an answer that was lost."""
        digest = sha256()
        await _update(digest, data)
        mode = "create" if chosen else "overwrite"
        put = self._obstore.put_async(self._writing, ref, data, attributes=attributes, mode=mode, use_multipart=False)
        stored = StoredBytes(ref, len(data), digest.hexdigest())
        await self._finish(stored, put, chosen)
        return stored

    async def _write_parts(
        self, ref: str, begun: Sequence[bytearray], rest: AsyncIterable[bytearray], attributes: dict[str, Any] | None, chosen: bool
    ) -> StoredBytes:
        if chosen:
            await self._refuse_taken(ref)
        digest, size = sha256(), 0
        writer = self._obstore.open_writer_async(
            self._writing, ref, attributes=attributes, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )
        try:
            async for block in _chained(begun, rest):
                await _update(digest, block)
                size += len(block)
                with translated(writing=True):
                    await to_the_end(writer.write(block))  # given up half-way, the name of the upload would be lost
            if chosen:
                await self._refuse_taken(ref)
        except BaseException as error:
            await to_the_end(_abandon(writer, error))
            raise
        stored = StoredBytes(ref, size, digest.hexdigest())
        await self._finish(stored, writer.close(), chosen)
        return stored

    async def _finish(self, stored: StoredBytes, request: Awaitable[Any], chosen: bool) -> None:
        """Wait for *request*, with which the file is there. If it fails, or nobody wants the file any more, it shall not be there.

        The answer may have been lost, or be that to a second request. A file under a new reference can only be this one then; one
        under a reference that the caller chose could be somebody else's, so that nothing is concluded from it, and it stays.
        """
        task = asyncio.ensure_future(request)
        try:
            with translated(writing=True):
                await to_the_end(task)
        except asyncio.CancelledError:
            if not task.cancelled() and task.exception() is None:
                await self._forget(stored.ref)
            raise
        except StorageFailed:
            if chosen:
                raise
            if not await self._is_there(stored):
                await self._forget(stored.ref)
                raise

    async def _is_there(self, stored: StoredBytes) -> bool:
        with suppress(StorageFailed):
            found = await self.stat(stored.ref)
            return found is not None and found.size == stored.size
        return False

    async def _forget(self, ref: str) -> None:
        with suppress(StorageFailed):
            await to_the_end(self.delete(ref))

    async def _refuse_taken(self, ref: str) -> None:
        if await self.stat(ref) is not None:
            raise StoredFileExists

    async def _get(self, ref: str, wanted: ByteRange | None) -> Any:
        """What the service answers; None for a range in which there is nothing, which services call an error."""
        if wanted is not None and wanted.start == wanted.end:
            if await self.stat(ref) is None:
                raise missing(ref)
            return None
        try:
            with translated(ref):
                return await self._obstore.get_async(self._reading, ref, options=_range_options(wanted))
        except StorageFailed:
            known = None if wanted is None else await self.stat(ref)
            if wanted is None or known is None or wanted.start < known.size:
                raise
            return None

    async def _signed(self, method: str, ref: str, ttl_seconds: int) -> str | None:
        checked_ttl(ttl_seconds)
        if not self._signs:
            return None
        try:
            with translated():
                return await self._obstore.sign_async(self._reading, method, ref, timedelta(seconds=ttl_seconds))
        except StorageFailed as error:
            logger.warning("cannot sign addresses of files; this process serves them itself", reason=str(error))
            return None


async def _update(digest: Any, block: bytearray) -> None:
    """Add *block* to *digest*; a large one in a thread, since it takes milliseconds."""
    if len(block) > CHUNK_BYTES:
        await asyncio.to_thread(digest.update, block)
    else:
        digest.update(block)


async def _abandon(writer: Any, error: BaseException) -> None:
    """Have the service forget the parts. What it cannot forget now, `sweep` or a rule of the bucket removes."""
    with suppress(StorageFailed, StoredFileExists), translated(writing=True):
        await writer.__aexit__(type(error), error, None)


async def _chained(begun: Sequence[bytearray], rest: AsyncIterable[bytearray]) -> AsyncGenerator[bytearray]:
    for block in begun:
        yield block
    async for block in rest:
        yield block


async def _streamed(found: Any) -> AsyncGenerator[bytes]:
    chunks = aiter(found.stream(min_chunk_size=CHUNK_BYTES))
    while True:
        with translated():
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        for piece in pieces(memoryview(chunk)):
            yield piece


async def _nothing() -> AsyncGenerator[bytes]:
    for chunk in ():
        yield chunk


def _range_options(wanted: ByteRange | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    return {"range": {"offset": wanted.start} if wanted.end is None else (wanted.start, wanted.end)}


def _described(found: Any) -> StoredObject:
    return StoredObject(found["path"], found["size"], found["last_modified"])


def _type_of(found: Any) -> str | None:
    mime_type = found.attributes.get("Content-Type")
    return None if mime_type == NO_TYPE else mime_type
