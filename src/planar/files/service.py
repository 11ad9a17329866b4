"""The files of an app: where their bytes are, what may be uploaded, and what values and routes ask for."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from uuid import UUID

from planar.context import current_services
from planar.db.session import get_session
from planar.files.access import FileAccess
from planar.files.config import FilesConfig
from planar.files.errors import FileContentMissing, FilesNotAvailable
from planar.files.models import PlanarFile, PlanarFileMetadata
from planar.files.recording import record
from planar.files.storage.base import ByteRange, Storage
from planar.files.storage.errors import StoredFileNotFound
from planar.files.storing import Acceptance, acceptance_of, store
from planar.files.verifying import verified


class FileService(FileAccess):
    """The files of one app; their bytes are in the app's `Storage`, which is found when it is needed.

    Args:
        config: limits on what clients upload, and times of links.
    """

    def __init__(self, config: FilesConfig) -> None:
        self.config = config

    @property
    def storage(self) -> Storage:
        """Where the bytes are.

        Raises:
            FilesNotAvailable: the app has no storage.
        """
        storage = current_services().find(Storage)
        if storage is None:
            raise FilesNotAvailable
        return storage

    @property
    def accepts(self) -> Acceptance:
        """What clients may send."""
        return acceptance_of(self.config)

    async def upload(self, stream: AsyncIterable[bytes], filename: str, content_type: str | None, size: int | None) -> PlanarFile:
        # Asked for before a byte is stored: workflow code has none.
        session = get_session()
        arrived = await store(self.storage, stream, filename, content_type, size=size)
        return (await record(session, self.storage, arrived, deduplicate=self.config.deduplicate)).value()

    async def find(self, file_id: UUID) -> PlanarFileMetadata | None:
        return await get_session().get(PlanarFileMetadata, file_id)

    async def read(self, record: PlanarFileMetadata, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        try:
            stream = await self.storage.read(record.storage_ref, byte_range)
        except StoredFileNotFound:
            raise FileContentMissing from None
        return verified(stream, record.size, record.sha256) if byte_range is None else stream
