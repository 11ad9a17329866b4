"""What does a place for the bytes of files promise? The port; each adapter passes one contract suite.

A stored file is named by a reference (the text of a UUID), is written once and never changes. The storage knows nothing of
names, types, owners and records: `planar.files` keeps those in the database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime

CHUNK_BYTES = 1024 * 1024
"""No chunk that a storage gives is larger."""

DEFAULT_URL_TTL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What a write gave.

    Attributes:
        ref: the reference under which the bytes are found.
        size: how many bytes.
        sha256: their digest in lower-case hexadecimal, computed while they passed by.
    """

    ref: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a look at a stored file says.

    Attributes:
        ref: its reference.
        size: how many bytes.
        modified_at: when it was written, aware, in UTC, by the clock of the storage.
    """

    ref: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from *start* up to, not including, *end*; None is the end of the file.

    Raises:
        ValueError: *start* is negative, or *end* before *start*.
    """

    start: int
    end: int | None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end < self.start):
            raise ValueError(f"A range of bytes begins at 0 or later and does not end before it begins, not {self.start} to {self.end}.")


class Storage(ABC):
    """A place for the bytes of files. Any number of tasks may use one at once.

    Every method that takes a *ref* raises `planar.files.storage.errors.InvalidStorageRef` (a ``ValueError``) for a text that is
    no reference, and every method raises `StorageFailed` (an ``OSError``) when the place itself fails.
    """

    url_ttl_seconds: int = DEFAULT_URL_TTL_SECONDS
    """How long what `external_url` gives is valid."""

    @abstractmethod
    async def write(
        self, stream: AsyncIterable[bytes], *, ref: str | None = None, mime_type: str | None = None, max_bytes: int | None = None
    ) -> StoredBytes:
        """Store what *stream* gives, in bounded memory. The file is there whole when this returns, and not at all if it raises.

        Args:
            stream: the bytes, in chunks of any size.
            ref: the reference to store them under; by default a new one.
            mime_type: their type, for `mime_type` to tell.
            max_bytes: more than that is refused.

        Raises:
            FileTooLarge: *stream* gave more than *max_bytes*.
            StoredFileExists: *ref* is taken.
        """

    @abstractmethod
    async def read(self, ref: str, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The bytes under *ref*, or those of *byte_range* that exist, in chunks of at most `CHUNK_BYTES`.

        Raises:
            StoredFileNotFound: there are none. Raised here, not at the first chunk.
        """

    @abstractmethod
    async def stat(self, ref: str) -> StoredObject | None:
        """Size and age of what is stored under *ref*; None if nothing is."""

    @abstractmethod
    def list_objects(self) -> AsyncIterator[StoredObject]:
        """Everything that is stored here, in no order, for whoever looks for what nobody refers to."""

    @abstractmethod
    async def sweep(self, older_than: datetime) -> int:
        """Remove what writes left behind that never ended, such as those of a process that died.

        Args:
            older_than: leave alone what is newer; further back than the longest upload takes. Aware.

        Returns:
            How many leftovers were removed.
        """

    @abstractmethod
    async def delete(self, ref: str) -> None:
        """Remove what is stored under *ref*; nothing is also fine."""

    async def mime_type(self, ref: str) -> str | None:
        """The type that `write` was told; None if it was told none or the place does not keep it."""
        return None

    async def download_url(self, ref: str, *, ttl_seconds: int, filename: str | None = None, content_type: str | None = None) -> str | None:
        """An address from which anybody can download the file for a while, without this process.

        Args:
            ref: its reference. Whether something is stored there is not looked at.
            ttl_seconds: for how long.
            filename: the name that the browser saves it under.
            content_type: the type that the answer states.

        Returns:
            None if the place signs no addresses, or none with what is asked: the file is then served by this process.
        """
        return None

    async def upload_url(self, ref: str, *, ttl_seconds: int, content_type: str | None = None, size: int | None = None) -> str | None:
        """An address to which a PUT stores a file under *ref*, for a while.

        Args:
            ref: its reference.
            ttl_seconds: for how long.
            content_type: the type that the PUT states.
            size: how many bytes it brings. Only S3 with a key holds the sender to it; elsewhere it is ignored, and whoever takes the
                file counts its bytes.

        Returns:
            None if the place has no such addresses.
        """
        return None

    async def close(self) -> None:  # noqa: B027  most adapters hold nothing open
        """Let go of threads and connections. Safe to repeat."""

    # -- by the names that applications know --------------------------------------------------------------------------

    async def put(self, stream: AsyncIterable[bytes], mime_type: str | None = None) -> str:
        """Store what *stream* gives; its reference. As `write`."""
        return (await self.write(stream, mime_type=mime_type)).ref

    async def get(self, ref: str) -> tuple[AsyncIterator[bytes], str | None]:
        """The bytes under *ref* as a stream, and their type if it is known. As `read`."""
        return await self.read(ref), await self.mime_type(ref)

    async def external_url(self, ref: str) -> str | None:
        """Where the file can be downloaded without this process, for `url_ttl_seconds`. As `download_url`."""
        return await self.download_url(ref, ttl_seconds=self.url_ttl_seconds)

    async def put_bytes(self, data: bytes, mime_type: str | None = None) -> str:
        """Store *data*; its reference."""
        return await self.put(_chunks(data), mime_type)

    async def get_bytes(self, ref: str) -> tuple[bytes, str | None]:
        """Everything under *ref* as one value, and its type. Holds the whole file in memory."""
        stream, mime_type = await self.get(ref)
        return b"".join([chunk async for chunk in stream]), mime_type

    async def put_string(self, data: str, encoding: str = "utf-8", mime_type: str | None = None) -> str:
        """Store *data* as text in *encoding*, which a text type without a charset is told as well; its reference."""
        if mime_type is not None and mime_type.startswith("text/") and "charset=" not in mime_type.lower():
            mime_type = f"{mime_type}; charset={encoding}"
        return await self.put_bytes(data.encode(encoding), mime_type)

    async def get_string(self, ref: str, encoding: str = "utf-8") -> tuple[str, str | None]:
        """Everything under *ref* as text in *encoding*, and its type.

        Raises:
            UnicodeDecodeError: it is not such text.
        """
        data, mime_type = await self.get_bytes(ref)
        return data.decode(encoding), mime_type


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]
