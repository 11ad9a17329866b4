"""How does a stream of chunks of any size become blocks of one size, within a limit?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from planar.files.storage.base import CHUNK_BYTES
from planar.files.storage.errors import FileTooLarge


async def blocks(stream: AsyncIterable[bytes], size: int, max_bytes: int | None = None) -> AsyncGenerator[bytearray]:
    """What *stream* gives, in blocks of *size* bytes and a last one that is shorter; none if it gives nothing.

    A block is the caller's to keep. Beside the chunk that the stream gave, one block is in memory.

    Raises:
        FileTooLarge: it gave more than *max_bytes*; nothing of the chunk in which that happened is given.
    """
    total = 0
    block = bytearray()
    async for chunk in stream:
        total += len(chunk)
        if max_bytes is not None and total > max_bytes:
            raise FileTooLarge(f"The file is larger than the {max_bytes} bytes that are allowed.", max_bytes=max_bytes)
        rest = memoryview(chunk)
        while rest:
            taken = rest[: size - len(block)]
            block += taken
            rest = rest[len(taken) :]
            if len(block) == size:
                yield block
                block = bytearray()
    if block:
        yield block


def pieces(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """*data* in chunks that a storage may give."""
    view = memoryview(data)
    for start in range(0, len(view), CHUNK_BYTES):
        yield bytes(view[start : start + CHUNK_BYTES])
