"""How do the bytes of a file come? As one value, as a stream, or from a path: here always as a stream of chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any, cast

CHUNK_BYTES = 1024 * 1024


def stream_of(content: bytes | AsyncIterable[bytes] | Path) -> AsyncIterable[bytes]:
    """*content* as a stream.

    Raises:
        TypeError: it is none of the three.
        FileNotFoundError: there is no file at that path.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _slices(bytes(content))
    if isinstance(content, Path):
        if not content.is_file():
            raise FileNotFoundError(f"There is no file at {content}.")
        return _file(content)
    if isinstance(content, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        return _checked(content)
    raise TypeError(f"The content of a file is bytes, an asynchronous stream of bytes or a Path, not {type(content).__name__}.")


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


async def _file(path: Path) -> AsyncIterator[bytes]:
    # In threads: a disk may be slow, or a network.
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


async def _checked(stream: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise TypeError(f"A stream gives bytes, not {type(chunk).__name__}.")
        yield bytes(cast("bytes", chunk))
