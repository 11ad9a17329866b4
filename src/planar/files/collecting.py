"""Which bytes belong to nobody, and how do they go without taking any that somebody is about to record?

Bytes without a record are an orphan: of a step that was not committed, of a process that died, of a file that was deleted. The
age only spares work that is still going on. What makes removal safe is a row: whoever removes bytes first writes that they are
removed, under the same key under which a late record would write that they are kept, and only one of the two can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.files.models import PlanarFileBlob, PlanarFileMetadata, PlanarFileUpload
from planar.files.removing import forget_unused
from planar.files.statements import changed, rows, scalars
from planar.files.storage.base import Storage, StoredObject
from planar.logging import get_logger

logger = get_logger(__name__)

DEFAULT_AGE = timedelta(hours=1)
KEPT_MARKS = timedelta(days=30)
"""How long it stays known that bytes were removed: longer than any transaction that could still record them."""
_BATCH = 500


@dataclass(slots=True)
class CollectionReport:
    """What was collected, or would be.

    Attributes:
        kept: stored files that have a record, or are expected; those that are too new are not counted at all.
        orphans: stored files without a record.
        orphan_bytes: how large they are together.
        unused: bytes whose last record was deleted.
        uploads: announced uploads that nobody completed.
        leftovers: pieces of writes that never ended; not counted in a dry run.
        dry_run: whether nothing was changed.
    """

    dry_run: bool
    kept: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    unused: int = 0
    uploads: int = 0
    leftovers: int = 0


async def collect_orphans(
    manager: DatabaseManager, storage: Storage, now: datetime, *, older_than: timedelta = DEFAULT_AGE, dry_run: bool = False
) -> CollectionReport:
    """Remove from *storage* what no record needs. May be interrupted, repeated, and done by several at once.

    Args:
        manager: the database with the records.
        storage: the app's storage, and no other's: what is in it and has no record here is removed.
        now: the time, by the clock of the storage as far as possible.
        older_than: what is newer is left alone.
        dry_run: only count.

    Returns:
        What was removed.
    """
    report, before = CollectionReport(dry_run), now - older_than
    async with manager.get_session(label="files gc") as session:
        await _expired_uploads(session, now, report)
        await _unused(session, storage, before, report)
        async for batch in _batches(storage, before):
            await _orphans(session, storage, batch, report)
        if not dry_run:
            report.leftovers = await storage.sweep(before)
            marks = delete(PlanarFileBlob).where(
                col(PlanarFileBlob.is_removed).is_(True), col(PlanarFileBlob.created_at) < now - max(KEPT_MARKS, older_than)
            )
            await changed(session, marks)
            await session.commit()
    logger.info("files collected", orphans=report.orphans, unused=report.unused, uploads=report.uploads, dry_run=dry_run)
    return report


async def _expired_uploads(session: PlanarSession, now: datetime, report: CollectionReport) -> None:
    expired = col(PlanarFileUpload.expires_at) < now
    if report.dry_run:
        report.uploads = len(await scalars(session, select(col(PlanarFileUpload.id)).where(expired)))
        return
    report.uploads = await changed(session, delete(PlanarFileUpload).where(expired))
    await session.commit()


async def _unused(session: PlanarSession, storage: Storage, before: datetime, report: CollectionReport) -> None:
    """Bytes that are kept for records of which none is left."""
    needed = exists(select(col(PlanarFileMetadata.id)).where(col(PlanarFileMetadata.storage_ref) == col(PlanarFileBlob.ref)))
    unused = (~needed, col(PlanarFileBlob.is_removed).is_(False), col(PlanarFileBlob.created_at) < before)
    query = select(col(PlanarFileBlob.ref)).where(*unused)
    for ref in await scalars(session, query):
        if report.dry_run or await session.run_transaction(forget_unused, session, ref):
            report.unused += 1
            if not report.dry_run:
                await storage.delete(ref)


async def _batches(storage: Storage, before: datetime) -> AsyncIterator[list[StoredObject]]:
    """What is stored and old enough, a few hundred at a time."""
    batch: list[StoredObject] = []
    async for stored in storage.list_objects():
        if stored.modified_at >= before:
            continue
        batch.append(stored)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _orphans(session: PlanarSession, storage: Storage, batch: list[StoredObject], report: CollectionReport) -> None:
    refs = [stored.ref for stored in batch]
    known: dict[str, bool] = {row.ref: row.is_removed for row in await rows(session, _marks(refs))}
    expected = set(await scalars(session, select(col(PlanarFileUpload.ref)).where(col(PlanarFileUpload.ref).in_(refs))))
    await session.commit()  # nothing is open while the storage works
    for stored in batch:
        if known.get(stored.ref, True) is False or stored.ref in expected:
            report.kept += 1
            continue
        if not report.dry_run:
            # Marked already, and still there: whoever marked it died before it went on.
            if stored.ref not in known and not await _mark_removed(session, stored):
                continue
            await storage.delete(stored.ref)
        report.orphans += 1
        report.orphan_bytes += stored.size


def _marks(refs: list[str]) -> Any:
    return select(col(PlanarFileBlob.ref), col(PlanarFileBlob.is_removed)).where(col(PlanarFileBlob.ref).in_(refs))


async def _mark_removed(session: PlanarSession, stored: StoredObject) -> bool:
    """Let no record refer to these bytes any more. False if one does already."""
    try:
        await session.exec(insert(PlanarFileBlob).values(ref=stored.ref, size=stored.size, sha256="", is_removed=True))
        await session.commit()
    except IntegrityError:
        await session.rollback()
        return False
    return True
