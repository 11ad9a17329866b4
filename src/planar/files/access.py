"""Who keeps the files of this app? What a `PlanarFile` asks for, found among the app's services."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

from planar.context import current_services

if TYPE_CHECKING:
    from planar.files.models import PlanarFile, PlanarFileMetadata
    from planar.files.storage.base import ByteRange


class FileAccess(ABC):
    """What value objects do with files. `planar.files.service.FileService` is the one of an app."""

    @abstractmethod
    async def upload(self, stream: AsyncIterable[bytes], filename: str, content_type: str | None, size: int | None) -> PlanarFile:
        """Store a file in the current session; see `PlanarFile.upload`."""

    @abstractmethod
    async def find(self, file_id: UUID) -> PlanarFileMetadata | None:
        """The record of a file."""

    @abstractmethod
    async def read(self, record: PlanarFileMetadata, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file, or a part of them."""


def current_files() -> FileAccess:
    """The files of the app that this task belongs to.

    Raises:
        ServiceNotFound: the code runs outside a request, a run and ``app.run_standalone``.
    """
    return current_services().get(FileAccess)
