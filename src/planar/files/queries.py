"""What files are there? The read side of lists: a page, its total, and the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.files.models import PlanarFileMetadata
from planar.files.statements import scalars


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files: whose name contains *name*, in any case; of the type *content_type* (``image/png``, ``image/*``); stored by
    *created_by*, or by the run *run_id*."""

    name: str | None = None
    content_type: str | None = None
    created_by: str | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """Part of a list, newest first. *total* counts the whole of it; None if nobody asked."""

    items: list[PlanarFileMetadata]
    total: int | None


async def list_files(
    session: PlanarSession, which: FileFilter, *, limit: int, offset: int = 0, after: UUID | None = None, total: bool = True
) -> FilePage:
    """*limit* files older than the one named *after*, leaving out *offset*."""
    conditions = _conditions(which)
    beyond = [] if after is None else [col(PlanarFileMetadata.id) < after]
    # An id holds the time of its making: the order of ids is the order of uploads.
    query = select(PlanarFileMetadata).where(*conditions, *beyond).order_by(col(PlanarFileMetadata.id).desc()).limit(limit).offset(offset)
    found = await scalars(session, query)
    count = None
    if total:
        (count,) = await scalars(session, select(func.count()).select_from(PlanarFileMetadata).where(*conditions))
    return FilePage(found, count)


def _conditions(which: FileFilter) -> list[ColumnElement[bool]]:
    conditions: list[Any] = []
    if which.name is not None:
        conditions.append(func.lower(col(PlanarFileMetadata.filename)).contains(which.name.lower(), autoescape=True))
    if which.content_type is not None:
        conditions.append(_of_type(which.content_type.lower()))
    if which.created_by is not None:
        conditions.append(col(PlanarFileMetadata.created_by) == which.created_by)
    if which.run_id is not None:
        conditions.append(col(PlanarFileMetadata.run_id) == which.run_id)
    return conditions


def _of_type(content_type: str) -> Any:
    column = col(PlanarFileMetadata.content_type)
    if content_type.endswith("/*"):
        return column.startswith(content_type[:-1], autoescape=True)
    return or_(column == content_type, column.startswith(f"{content_type};", autoescape=True))
