"""What is a file, as code passes it on; and what is recorded of it?

A record never exists without its bytes: these are written first, under a reference that is used once, and `PlanarFileBlob` has a
row for each such reference. A record needs that row, and whoever removes bytes claims it first, so of the two only one succeeds.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import BigInteger, Connection, ForeignKey, Index, String, event, insert, select
from sqlalchemy.orm import Mapper
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from planar.db.base import PlanarInternalBase
from planar.files.access import current_files
from planar.files.errors import FileNotKnown, PathNotText
from planar.files.storage.base import ByteRange
from planar.files.streams import stream_of
from planar.modeling.mixins.auditable import actor_name
from planar.modeling.mixins.timestamp import TimestampMixin, timestamp_column

FILE_PRESENTATION: Final[dict[str, Any]] = {"x-planar-presentation": {"inputType": "file"}}
"""How a form shows a file: as something to upload."""
UNKNOWN_SIZE: Final = -1


class PlanarFile(SQLModel):
    """A file, as workflows, agents and the API pass it on: four fields that say which one it is. The bytes are read when asked for.

    ``size`` is in bytes; -1 if it is not known.
    """

    model_config: ClassVar[Any] = ConfigDict(json_schema_extra=FILE_PRESENTATION)

    id: UUID
    filename: str = Field(sa_type=String(255), max_length=255)
    content_type: str = Field(sa_type=String(255), max_length=255)
    size: int = Field(default=UNKNOWN_SIZE, sa_type=BigInteger, ge=UNKNOWN_SIZE)

    @classmethod
    async def upload(
        cls,
        content: bytes | AsyncIterable[bytes] | Path,
        filename: str,
        content_type: str | None = None,
        size: int | None = None,
    ) -> PlanarFile:
        """Store a file. Its record belongs to the current session: in a step it is committed with the step, and with nothing else.

        If the step is not committed, its bytes are removed by ``planar files gc``; a step that is tried again stores them anew.

        Args:
            content: the bytes; a stream of them; or the path of a file in this machine's file system.
            filename: what it is called. Parts of a path and what cannot be shown are left out of it.
            content_type: by default what *filename* suggests, else ``application/octet-stream``. What the bytes contradict is not kept.
            size: how many bytes are to come, if that is to be checked.

        Returns:
            The file, with the size and the type that it really has.

        Raises:
            PathNotText: (a TypeError) *content* is a text. For a file give ``Path(...)``, for text its bytes.
            TypeError: *content* is something else.
            FileNotFoundError: there is no file at that path.
            FileSizeMismatch: (a ValueError) there were more or fewer bytes than *size*.
            SessionNotBound: this is workflow code, not a step.
            FilesNotAvailable: the app has no storage.
        """
        if isinstance(content, str):
            raise PathNotText("To store the file at a path, give Path(...); to store a text, give its bytes: text.encode().")
        return await current_files().upload(stream_of(content), filename, content_type, size)

    @classmethod
    async def upload_stream(cls, stream: AsyncIterable[bytes], filename: str, content_type: str | None = None) -> PlanarFile:
        """Store what *stream* gives, in bounded memory. As `upload`."""
        return await cls.upload(stream, filename, content_type)

    @classmethod
    async def load(cls, file_id: UUID) -> PlanarFile:
        """The file of that id, such as the one that an entity's file column names.

        Raises:
            FileNotKnown: (a ValueError) there is none.
        """
        return (await _found(file_id)).value()

    async def get_metadata(self) -> PlanarFileMetadata:
        """What is recorded of this file.

        Raises:
            FileNotKnown: (a ValueError) nothing is: it was deleted, or never was.
        """
        return await _found(self.id)

    async def get_content(self) -> bytes:
        """All its bytes at once, checked against their checksum; for a large file use `open`.

        Raises:
            FileNotKnown: (a ValueError) there is no such file.
            FileContentMissing: its bytes are gone from the storage.
            FileDamaged: they are not those that were stored.
        """
        return b"".join([chunk async for chunk in await self.open()])

    async def open(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes in chunks of at most 1 MiB, checked against their checksum if all are read: ``async for chunk in await file.open()``.

        Args:
            start: the first byte.
            end: the byte after the last one; None is the end of the file.

        Raises:
            ValueError: no such part can be.
            FileNotKnown, FileContentMissing, FileDamaged: as for `get_content`.
        """
        part = None if start == 0 and end is None else ByteRange(start, end)
        return await current_files().read(await self.get_metadata(), part)


class PlanarFileBlob(PlanarInternalBase, table=True):
    """Bytes that a storage keeps for records, or those that nobody may refer to any more because they are being removed."""

    __table_args__: ClassVar[Any] = (Index("ix_planar_file_blob_sha256", "sha256", "size"),)

    ref: str = Field(primary_key=True, sa_type=String(64))
    size: int = Field(sa_type=BigInteger)
    sha256: str = Field(sa_type=String(64))
    is_removed: bool = False
    """Whether the bytes are gone, or about to be. Then the row only keeps a late record from referring to them."""
    created_at: datetime = timestamp_column()


class PlanarFileMetadata(TimestampMixin, PlanarFile, PlanarInternalBase, table=True):
    """What is recorded of a file. It is a `PlanarFile` too."""

    __table_args__: ClassVar[Any] = (
        Index("ix_planar_file_metadata_storage_ref", "storage_ref"),
        Index("ix_planar_file_metadata_run_id", "run_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    storage_ref: str = Field(sa_type=String(64), sa_column_args=[ForeignKey(PlanarFileBlob.ref)])
    sha256: str = Field(sa_type=String(64))
    created_by: str = Field(default_factory=actor_name)
    run_id: UUID | None = None
    """The run that stored it, if one did."""
    step_id: int | None = None
    """The number of the step that did."""

    def value(self) -> PlanarFile:
        """The file without its record."""
        return PlanarFile(id=self.id, filename=self.filename, content_type=self.content_type, size=self.size)


class PlanarFileUpload(PlanarInternalBase, table=True):
    """A file that a client announced and sends to the storage directly; it becomes a file when it is complete."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    filename: str = Field(sa_type=String(255))
    content_type: str = Field(sa_type=String(255))
    size: int = Field(sa_type=BigInteger)
    sha256: str | None = Field(default=None, sa_type=String(64))
    ref: str = Field(sa_type=String(64))
    """Where the bytes are expected. They are copied from there: whoever has the signed address could change them later."""
    created_by: str = Field(default_factory=actor_name)
    created_at: datetime = timestamp_column()
    expires_at: datetime = timestamp_column(default=None)


class PlanarFileUse(PlanarInternalBase, table=True):
    """A run that was started with a file among its arguments."""

    file_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    place: str = ""
    """Where in the arguments it stands."""


class PlanarFileKey(PlanarInternalBase, table=True):
    """What links are signed with, the same for all processes of an app."""

    name: str = Field(primary_key=True, sa_type=String(64))
    secret: str = Field(sa_type=String(128))
    created_at: datetime = timestamp_column()


@event.listens_for(PlanarFileMetadata, "before_insert")
def _keep_bytes(_mapper: Mapper[Any], connection: Connection, target: PlanarFileMetadata) -> None:
    """The bytes of a record get their row just before it, in the same transaction, whoever adds the record.

    If they were removed meanwhile, their row is there and says so; if that happens at this moment, its key is taken.
    """
    blob: Any = getattr(PlanarFileBlob, "__table__")  # noqa: B009 - the class does not declare it
    removed = connection.execute(select(blob.c.is_removed).where(blob.c.ref == target.storage_ref)).scalar()
    if removed:
        raise FileNotKnown(f"The bytes of {target.filename!r} were removed before they were recorded. Store the file again.")
    if removed is None:
        connection.execute(insert(blob).values(ref=target.storage_ref, size=target.size, sha256=target.sha256))


async def _found(file_id: UUID) -> PlanarFileMetadata:
    record = await current_files().find(file_id)
    if record is None:
        raise FileNotKnown(f"There is no file {file_id}.")
    return record
