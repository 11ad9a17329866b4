"""Who uses a file? Rows of entities that name it, runs that were started with it, and the run that stored it.

Not known are files that stand only in the result of a step or a run, or in a JSON value of a row, and the arguments of runs that
code started and not a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, and_, case, or_, select
from sqlmodel import col

from planar.clock import utc_now
from planar.db.session import PlanarSession
from planar.engine.core.model import ENDED
from planar.engine.store.tables import Workflow
from planar.files.columns import FileColumn
from planar.files.models import PlanarFileMetadata, PlanarFileUse
from planar.files.statements import rows
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

MOST_REFERENCES: Final = 100
"""Of each kind; more are not looked for."""
COMING: Final = timedelta(hours=1)
"""For how long a run that is about to start is believed to come."""


class ReferenceKind(StrEnum):
    """How something is tied to a file."""

    ENTITY = "entity"
    RUN = "run"
    MADE_BY = "made_by"


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that is tied to a file.

    Attributes:
        kind: how.
        name: the entity's table, or the run's workflow; empty if the run is about to start.
        id: the row's key, or the run's id.
        place: the column, or where in the arguments the file stands.
        in_use: whether it needs the file still. A run that has ended does not.
    """

    kind: ReferenceKind
    name: str
    id: str
    place: str
    in_use: bool


async def references(session: PlanarSession, file: PlanarFileMetadata, metadata: MetaData = PLANAR_APPLICATION_METADATA) -> list[Reference]:
    """What is tied to *file*, up to `MOST_REFERENCES` of each kind and column; of runs, first those that need it still.

    Args:
        session: where to look.
        file: the file.
        metadata: the tables of the application's entities.
    """
    found: list[Reference] = []
    for table, column in file_columns(metadata):
        keys: list[Column[Any]] = list(table.primary_key.columns)
        for row in await rows(session, select(*keys).where(column == file.id).order_by(*keys).limit(MOST_REFERENCES)):
            key = ",".join(str(part) for part in row)
            found.append(Reference(ReferenceKind.ENTITY, table.name, key, column.name, in_use=True))
    return [*found, *await _runs(session, file)]


def file_columns(metadata: MetaData) -> Iterator[tuple[Table, Column[Any]]]:
    """The columns of *metadata*'s tables that name files."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, FileColumn):
                yield table, column


async def _runs(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    run_id, name, status = col(Workflow.id), col(Workflow.function_name), col(Workflow.status)
    used_by = col(PlanarFileUse.run_id)
    # A use is written before its run; one whose run never came is forgotten in time.
    is_coming = and_(run_id.is_(None), used_by >= _first_id(utc_now() - COMING))
    in_use = or_(is_coming, status.not_in(ENDED))
    started = (
        select(used_by, name, col(PlanarFileUse.place), in_use)
        .join(Workflow, run_id == used_by, isouter=True)
        .where(col(PlanarFileUse.file_id) == file.id, or_(is_coming, run_id.is_not(None)))
        # Those that have ended must not crowd out one that has not.
        .order_by(case((in_use, 0), else_=1), used_by.desc())
        .limit(MOST_REFERENCES)
    )
    found = [
        Reference(ReferenceKind.RUN, name or "", str(run_id), place, in_use=bool(needed))
        for run_id, name, place, needed in await rows(session, started)
    ]
    if file.run_id is not None:
        place = "" if file.step_id is None else f"step {file.step_id}"
        for maker, made_by in await rows(session, select(run_id, name).where(run_id == file.run_id)):
            found.append(Reference(ReferenceKind.MADE_BY, made_by, str(maker), place, in_use=False))
    return found


def _first_id(moment: datetime) -> UUID:
    """The lowest id that a run can have which was made at *moment*: ids begin with the milliseconds."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
