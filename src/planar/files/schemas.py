"""The shapes of the bodies of the routes of files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from planar.files.models import PlanarFile, PlanarFileMetadata
from planar.files.uses import Reference, ReferenceKind
from planar.security.problem import Problem


class Shape(BaseModel):
    """What an answer is."""

    model_config = ConfigDict(from_attributes=True)


class FileDetails(Shape):
    """A file and what is recorded of it. ``size`` is in bytes, ``sha256`` in hexadecimal digits."""

    id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str
    created_at: datetime
    created_by: str
    run_id: UUID | None = None
    step_id: int | None = None

    @classmethod
    def of(cls, record: PlanarFileMetadata) -> Self:
        """A file by its record."""
        return cls.model_validate(record)


class FileList(Shape):
    """Part of the files, newest first."""

    items: list[FileDetails]
    total: int | None
    offset: int
    limit: int


class UploadedFile(Shape):
    """What became of one file of an upload, by its place among them: the file, or what was wrong with it."""

    index: int
    filename: str | None
    file: PlanarFile | None
    error: Problem | None


class PartialUpload(Shape):
    """An upload of which some files were not taken; the others are stored."""

    items: list[UploadedFile]


class UploadRequest(BaseModel):
    """A file that is to be sent directly: its name, type, number of bytes, and SHA-256 in hexadecimal digits if it is to be checked."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    content_type: Annotated[str, StringConstraints(max_length=255)] | None = None
    size: Annotated[int, Field(ge=0, le=2**63 - 1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None


class ExpectedUpload(Shape):
    """Where to send the bytes: by ``method`` to ``upload_url`` (of this server if it is a path) with ``headers``, until ``expires_at``."""

    id: UUID
    method: str = "PUT"
    upload_url: str
    headers: dict[str, str]
    complete_url: str
    expires_at: datetime


class FileLink(Shape):
    """A link to the content of one file: whoever has it can download that, until ``expires_at``."""

    url: str
    method: str = "GET"
    expires_at: datetime


class FileReference(Shape):
    """Something that is tied to a file: a row of an entity, a task that it is attached to, a run that was started with it, or the run that
    stored it."""

    kind: ReferenceKind
    name: str
    id: str
    place: str
    in_use: bool

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """A reference as it was found."""
        return cls.model_validate(reference)
