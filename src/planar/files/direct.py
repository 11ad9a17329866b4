"""How does a client send a file past this process? It announces the file, sends the bytes to a signed address, and says that it did.

The bytes are then copied under a reference that nobody outside knows, and counted and hashed on the way: whoever has the signed
address could change what lies there for as long as it is valid.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col
from uuid_utils.compat import uuid7

from planar.clock import Clock
from planar.context import current_services
from planar.db.session import get_session
from planar.files.content_types import normal_type
from planar.files.errors import FileChecksumMismatch, FileSizeMismatch, UploadIncomplete, UploadInterrupted, UploadNotKnown
from planar.files.filenames import clean_filename
from planar.files.models import PlanarFileMetadata, PlanarFileUpload
from planar.files.recording import commit_records, flush_records, record
from planar.files.service import FileService
from planar.files.statements import changed
from planar.files.storage.errors import FileTooLarge, StoredFileNotFound
from planar.files.storing import Arrived, store
from planar.modeling.mixins.auditable import actor_name
from planar.security.actions import FileAction
from planar.security.authorization import is_allowed
from planar.security.resources import FileResource


@dataclass(frozen=True, slots=True)
class Announced:
    """An upload that is expected, and the storage's own signed address for it, if it has one."""

    upload: PlanarFileUpload
    url: str | None


async def announce(files: FileService, filename: str, content_type: str | None, size: int, sha256: str | None) -> Announced:
    """Expect a file. Commits.

    Raises:
        FileTooLarge, FileTypeRefused: such a file would not be taken.
        FilesNotAvailable: the app has no storage.
    """
    storage, accepts = files.storage, files.accepts
    name = clean_filename(filename)
    kind = normal_type(content_type, name)
    if accepts.check is not None:
        accepts.check(kind, kind)
    if accepts.max_bytes is not None and size > accepts.max_bytes:
        raise FileTooLarge(f"{size} bytes are more than the {accepts.max_bytes} that are allowed (files.max_file_bytes).")
    seconds = files.config.upload_ttl_seconds
    upload = PlanarFileUpload(
        filename=name, content_type=kind, size=size, sha256=sha256, ref=str(uuid7()), expires_at=_now() + timedelta(seconds=seconds)
    )
    session = get_session()
    session.add(upload)
    await session.commit()
    return Announced(upload, await storage.upload_url(upload.ref, ttl_seconds=seconds, content_type=kind, size=size))


async def receive(files: FileService, upload_id: UUID, stream: AsyncIterable[bytes]) -> None:
    """Store the bytes of an expected upload, once.

    Raises:
        UploadNotKnown: it is not expected.
        FileSizeMismatch: there are more or fewer bytes than announced; others may be sent.
        StoredFileExists: they have arrived already.
    """
    upload = await _expected(upload_id)
    try:
        stored = await files.storage.write(stream, ref=upload.ref, mime_type=upload.content_type, max_bytes=upload.size)
    except FileTooLarge:
        raise FileSizeMismatch(f"There are more than the {upload.size} bytes that were announced.") from None
    if stored.size != upload.size:
        await files.storage.delete(upload.ref)
        raise FileSizeMismatch(f"There are {stored.size} bytes, {upload.size} were announced.")


async def complete(files: FileService, upload_id: UUID) -> PlanarFileMetadata:
    """Make a file of an upload whose bytes have arrived. Commits. Asked again, it answers the same.

    Raises:
        UploadNotKnown: it is not expected, or somebody else announced it; or it is a file that is not for whoever acts to see.
        UploadIncomplete: the bytes have not arrived.
        UploadInterrupted: the storage was cleaned meanwhile; ask again.
        FileSizeMismatch, FileChecksumMismatch, FileTypeRefused: it is not what was announced; its bytes are removed, and others may be
            sent until the time is over.
    """
    done = await files.find(upload_id)
    if done is not None:
        return _shown(done)
    upload = await _expected(upload_id)
    if upload.created_by != actor_name():
        raise UploadNotKnown
    arrived = await _taken(files, upload)
    session = get_session()
    # Whoever deletes the row makes the file.
    if not await changed(session, delete(PlanarFileUpload).where(col(PlanarFileUpload.id) == upload_id)):
        await session.rollback()
        await files.storage.delete(arrived.stored.ref)
        done = await files.find(upload_id)
        if done is None:
            raise UploadNotKnown
        return _shown(done)
    try:
        row = await record(session, files.storage, arrived, file_id=upload_id, deduplicate=files.config.deduplicate)
        await flush_records(session)
    except BaseException:
        await _forget(files, arrived.stored.ref)
        raise
    try:
        await commit_records(session)
    except UploadInterrupted:
        await _forget(files, arrived.stored.ref)
        raise
    await _forget(files, upload.ref)
    return row


async def _forget(files: FileService, ref: str) -> None:
    """Remove bytes; what cannot be removed now is collected later."""
    with suppress(OSError):
        await files.storage.delete(ref)


def _shown(file: PlanarFileMetadata) -> PlanarFileMetadata:
    """*file*, if whoever acts may see it: its id may be that of any file."""
    if not is_allowed(FileResource(str(file.id)), FileAction.VIEW_DETAILS):
        raise UploadNotKnown
    return file


async def _taken(files: FileService, upload: PlanarFileUpload) -> Arrived:
    """The bytes of *upload* under a reference of their own, found to be what was announced."""
    storage = files.storage
    try:
        stream = await storage.read(upload.ref)
    except StoredFileNotFound:
        raise UploadIncomplete from None
    try:
        arrived = await store(storage, stream, upload.filename, upload.content_type, accept=files.accepts, size=upload.size)
        if upload.sha256 is not None and arrived.stored.sha256 != upload.sha256:
            await storage.delete(arrived.stored.ref)
            raise FileChecksumMismatch(f"The bytes have the SHA-256 {arrived.stored.sha256}, {upload.sha256} was announced.")
    except OSError:
        raise
    except Exception:
        await storage.delete(upload.ref)
        raise
    return arrived


async def _expected(upload_id: UUID) -> PlanarFileUpload:
    upload = await get_session().get(PlanarFileUpload, upload_id)
    # Bytes may take long to come, and no transaction is to stay open meanwhile.
    await get_session().commit()
    if upload is None or upload.expires_at <= _now():
        raise UploadNotKnown
    return upload


def _now() -> datetime:
    return current_services().get(Clock).now()
