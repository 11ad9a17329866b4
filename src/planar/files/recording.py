"""How does a file become known? Its record is added to the caller's transaction, when its bytes lie safe."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col
from uuid_utils.compat import uuid7

from planar.db.session import PlanarSession
from planar.engine.current import find_frame
from planar.files.errors import FileNotKnown, UploadInterrupted
from planar.files.models import PlanarFileBlob, PlanarFileMetadata
from planar.files.statements import scalars
from planar.files.storage.base import Storage
from planar.files.storing import Arrived


async def record(
    session: PlanarSession, storage: Storage, arrived: Arrived, *, file_id: UUID | None = None, deduplicate: bool = False
) -> PlanarFileMetadata:
    """Add a record of *arrived* to *session*, which the caller commits.

    Args:
        session: whose transaction it belongs to.
        storage: where the bytes lie.
        arrived: the bytes.
        file_id: the id to give it; by default a new one.
        deduplicate: whether to use bytes that are there already, and to remove these.
    """
    stored = arrived.stored
    ref = await _same_bytes(session, stored.sha256, stored.size) if deduplicate else None
    if ref is not None:
        # Nothing will ever refer to the new ones, whatever becomes of this transaction.
        await storage.delete(stored.ref)
    frame = find_frame()
    row = PlanarFileMetadata(
        id=file_id or uuid7(),
        filename=arrived.filename,
        content_type=arrived.content_type,
        size=stored.size,
        storage_ref=ref or stored.ref,
        sha256=stored.sha256,
        run_id=frame.run.id if frame is not None else None,
        step_id=frame.step_id if frame is not None else None,
    )
    # Not flushed: on SQLite the first write takes the lock, which a step should take as late as it can.
    session.add(row)
    return row


async def flush_records(session: PlanarSession) -> None:
    """Write what was added, and do not commit: whatever is wrong shows while it is certain that nothing is kept.

    Raises:
        UploadInterrupted: somebody collected the bytes meanwhile, or those that were to be shared. *session* was rolled back.
    """
    try:
        await session.flush()
    except (IntegrityError, FileNotKnown):
        await session.rollback()
        raise UploadInterrupted from None


async def commit_records(session: PlanarSession) -> None:
    """Commit what `flush_records` wrote.

    Raises:
        UploadInterrupted: the database refused it, so that nothing is kept. After any other error, a lost connection or a
            cancellation, it may be kept all the same: then the bytes must stay.
    """
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        raise UploadInterrupted from None


async def _same_bytes(session: PlanarSession, sha256: str, size: int) -> str | None:
    """Where such bytes lie already; on PostgreSQL they stay there until this transaction ends."""
    query = (
        select(col(PlanarFileBlob.ref))
        .where(col(PlanarFileBlob.sha256) == sha256, col(PlanarFileBlob.size) == size, col(PlanarFileBlob.is_removed).is_(False))
        .limit(1)
        .with_for_update(read=True, key_share=True)
    )
    found = await scalars(session, query)
    return found[0] if found else None
