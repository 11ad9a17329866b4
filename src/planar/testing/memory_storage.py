"""Where are a test's files? In this process. It does what a file storage does, and nothing is left of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["MemoryStorage"]

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Stored:
    data: bytes
    mime_type: str | None


class MemoryStorage:
    """Keeps blobs in memory, under references that it gives. Any number of tasks may use it at once."""

    def __init__(self) -> None:
        self._stored: dict[UUID, _Stored] = {}

    def __len__(self) -> int:
        """How many blobs there are."""
        return len(self._stored)

    async def put(self, stream: AsyncIterable[bytes], mime_type: str | None = None) -> str:
        """Keep what *stream* gives; a stream that fails leaves nothing.

        Returns:
            The reference under which it is found.
        """
        data = b"".join([chunk async for chunk in stream])
        ref = uuid7()
        self._stored[ref] = _Stored(data, mime_type)
        return str(ref)

    async def get(self, ref: str) -> tuple[AsyncGenerator[bytes], str | None]:
        """A blob as a stream of chunks, and its type.

        Raises:
            FileNotFoundError: there is none.
            ValueError: *ref* is not a reference.
        """
        stored = self._find(ref)
        return _chunks(stored.data), stored.mime_type

    async def delete(self, ref: str) -> None:
        """Forget a blob; one that is not there is forgotten already.

        Raises:
            ValueError: *ref* is not a reference.
        """
        self._stored.pop(UUID(ref), None)

    async def external_url(self, ref: str) -> str | None:
        """Where the blob could be fetched without this process: nowhere, so None."""
        return None

    # -- whole values -------------------------------------------------------------------------------------------------

    async def put_bytes(self, data: bytes, mime_type: str | None = None) -> str:
        """Keep *data*; its reference."""
        return await self.put(_chunks(data), mime_type)

    async def get_bytes(self, ref: str) -> tuple[bytes, str | None]:
        """A blob as one value, and its type.

        Raises:
            FileNotFoundError: there is none.
            ValueError: *ref* is not a reference.
        """
        stored = self._find(ref)
        return stored.data, stored.mime_type

    async def put_string(self, data: str, encoding: str = "utf-8", mime_type: str | None = None) -> str:
        """Keep *data* as text in *encoding*, which a text type without a charset is told as well; its reference."""
        if mime_type is not None and mime_type.startswith("text/") and "charset=" not in mime_type.lower():
            mime_type = f"{mime_type}; charset={encoding}"
        return await self.put_bytes(data.encode(encoding), mime_type)

    async def get_string(self, ref: str, encoding: str = "utf-8") -> tuple[str, str | None]:
        """A blob as text in *encoding*, and its type.

        Raises:
            FileNotFoundError: there is none.
            ValueError: *ref* is not a reference, or the blob is not such text.
        """
        data, mime_type = await self.get_bytes(ref)
        return data.decode(encoding), mime_type

    def _find(self, ref: str) -> _Stored:
        stored = self._stored.get(UUID(ref))
        if stored is None:
            raise FileNotFoundError(f"There is no blob {ref}.")
        return stored


async def _chunks(data: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]
