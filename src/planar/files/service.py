"""The files of an app: where their bytes are, what may be uploaded, and what values and routes ask for."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from uuid import UUID

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
    """The files of one app. The storage is opened when it is first needed.

    Args:
        config: limits on what clients upload, and times of links.
        open_storage: opens the storage; None if the settings have none.
    """

    def __init__(self, config: FilesConfig, open_storage: Callable[[], Storage] | None) -> None:
        self.config = config
        self._open_storage = open_storage
        self._storage: Storage | None = None

    @property
    def storage(self) -> Storage:
        """Where the bytes are.

        Raises:
            FilesNotAvailable: the app has no storage.
        """
        if self._storage is None:
            if self._open_storage is None:
                raise FilesNotAvailable
            self._storage = self._open_storage()
        return self._storage

    def use_storage(self, storage: Storage | None) -> None:
        """Keep bytes in *storage* from now on; None goes back to the settings."""
        self._storage = storage

    async def close(self) -> None:
        """Close the storage; it is opened again if it is needed again."""
        storage, self._storage = self._storage, None
        if storage is not None:
            await storage.close()

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
