"""Are these the bytes that were stored? Told while they pass by, before the last of them is given away."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from hashlib import sha256

from planar.files.errors import FileDamaged


async def verified(stream: AsyncIterable[bytes], size: int, digest: str) -> AsyncIterator[bytes]:
    """The chunks of *stream*; the last one is kept back until the whole is known to be right.

    So whoever reads on to the end has the right bytes, and a client of whom the length is known sees a broken answer, not a wrong
    one.

    Raises:
        FileDamaged: they are not *size* bytes, or have another SHA-256 than *digest*.
    """
    seen, length = sha256(), 0
    held = b""
    async for chunk in stream:
        seen.update(chunk)
        length += len(chunk)
        if length > size:
            break
        if held:
            yield held
        held = chunk
    if length != size or seen.hexdigest() != digest:
        raise FileDamaged
    if held:
        yield held


async def peeked(stream: AsyncIterable[bytes], length: int) -> tuple[bytes, AsyncIterator[bytes]]:
    """At least *length* bytes from the beginning of *stream* (fewer if it is shorter), and the whole stream again."""
    source = aiter(stream)
    head = b""
    async for chunk in source:
        head += chunk
        if len(head) >= length:
            break
    return head, _again(head, source)


async def _again(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in rest:
        yield chunk
