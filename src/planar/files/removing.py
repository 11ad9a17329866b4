"""How does a file end? Its record goes first, then the row of its bytes if nobody else needs them, and after the commit the bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.files.models import PlanarFileBlob, PlanarFileMetadata, PlanarFileUse
from planar.files.statements import changed, scalars
from planar.files.storage.base import Storage
from planar.logging import get_logger

logger = get_logger(__name__)

Refuse: TypeAlias = Callable[[], Awaitable[object]]
"""Raises if somebody uses a file."""


async def remove(session: PlanarSession, storage: Storage, file_id: UUID, refuse: Refuse | None = None) -> None:
    """Delete the record of a file, commit, and remove the bytes unless another file shares them.

    Args:
        session: has nothing uncommitted.
        storage: where the bytes are.
        file_id: of the file.
        refuse: awaited once nobody can begin to use the file any more; what it raises keeps the file.
    """
    try:
        ref = await _forget(session, file_id, refuse)
        await session.commit()
    except BaseException:
        await session.rollback()
        raise
    if ref is not None:
        try:
            await storage.delete(ref)
        except OSError:
            # They belong to nobody now: the collection of orphans takes them.
            logger.exception("the bytes of a deleted file could not be removed", file=file_id, ref=ref)


async def forget_unused(session: PlanarSession, ref: str) -> bool:
    """Delete the row of these bytes if no record needs it. Returns whether it was deleted."""
    # Locked first: whoever is about to share them has done so, or will find them gone.
    locked = await scalars(session, select(col(PlanarFileBlob.ref)).where(col(PlanarFileBlob.ref) == ref).with_for_update())
    needed = exists(select(col(PlanarFileMetadata.id)).where(col(PlanarFileMetadata.storage_ref) == ref))
    return bool(locked) and await changed(session, delete(PlanarFileBlob).where(col(PlanarFileBlob.ref) == ref, ~needed)) > 0


async def _forget(session: PlanarSession, file_id: UUID, refuse: Refuse | None) -> str | None:
    """Delete a file's rows; the reference of its bytes, if those are to go."""
    # Whoever writes that it uses the file holds the record: it has done so, and each statement after this one sees it, or finds no record.
    mine = select(col(PlanarFileMetadata.storage_ref)).where(col(PlanarFileMetadata.id) == file_id).with_for_update()
    found = await scalars(session, mine)
    if not found:
        return None
    if refuse is not None:
        await refuse()
    await changed(session, delete(PlanarFileUse).where(col(PlanarFileUse.file_id) == file_id))
    await changed(session, delete(PlanarFileMetadata).where(col(PlanarFileMetadata.id) == file_id))
    return found[0] if await forget_unused(session, found[0]) else None
