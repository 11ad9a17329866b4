"""Who uses a file? Rows of entities that name it, runs that were started with it, and the run that stored it.

Not known are files that stand only in the result of a step or a run, or in a JSON value of a row, and the arguments of runs that
code started and not a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, MetaData, Table, select
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.engine.core.model import ENDED
from planar.engine.store.tables import Workflow
from planar.files.columns import FileColumn
from planar.files.models import PlanarFileMetadata, PlanarFileUse
from planar.files.statements import rows
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

MOST_REFERENCES = 100
"""Of each kind; more are not looked for."""


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
        name: the entity's table, or the run's workflow.
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
    """What is tied to *file*, up to `MOST_REFERENCES` of each kind and column.

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
    run = (col(Workflow.id), col(Workflow.function_name), col(Workflow.status))
    started = (
        select(*run, col(PlanarFileUse.place))
        .join(PlanarFileUse, col(PlanarFileUse.run_id) == col(Workflow.id))
        .where(col(PlanarFileUse.file_id) == file.id)
        .order_by(col(Workflow.id).desc())
        .limit(MOST_REFERENCES)
    )
    found = [
        Reference(ReferenceKind.RUN, name, str(run_id), place, in_use=status not in ENDED)
        for run_id, name, status, place in await rows(session, started)
    ]
    if file.run_id is not None:
        place = "" if file.step_id is None else f"step {file.step_id}"
        for run_id, name, _ in await rows(session, select(*run).where(col(Workflow.id) == file.run_id)):
            found.append(Reference(ReferenceKind.MADE_BY, name, str(run_id), place, in_use=False))
    return found
