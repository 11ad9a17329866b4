"""What is kept of a change to one of the application's rows? Who, when, in which run, from what to what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Index, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Field
from uuid_utils.compat import uuid7

from planar.db.base import PlanarInternalBase
from planar.db.types import UTCDateTime


class ChangeAction(StrEnum):
    """What happened to a row. A row that is deleted softly, or taken back, says so."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTORE = "restore"


class statement_time(FunctionElement[datetime]):  # noqa: N801 - it is read as a function of SQL
    """The database's time at this statement; the start of its transaction would put changes of one row in the wrong order."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(statement_time)
def _clock_timestamp(_element: statement_time, _compiler: SQLCompiler, **_kw: Any) -> str:
    return "clock_timestamp()"


@compiles(statement_time, "sqlite")
def _strftime(_element: statement_time, _compiler: SQLCompiler, **_kw: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


class PlanarEntityChange(PlanarInternalBase, table=True):
    """One change of one row, written in the transaction that made it.

    ``before`` and ``after`` are JSON objects as text, by the names of the entity's fields: of an update, the fields that changed; of
    a creation the whole row after it, of a deletion the whole row before it. `planar.db.history.values.restored` reads them. A row's
    changes are in the order of ``at`` and ``id``.
    """

    __table_args__: ClassVar[Any] = (
        Index("ix_planar_planar_entity_change_row", "table_name", "row_key", "at", "id"),
        Index("ix_planar_planar_entity_change_table", "table_name", "at", "id"),
        Index("ix_planar_planar_entity_change_run", "run_id", info={"partial": "run_id is not null"}),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(sa_column=Column(UTCDateTime(), nullable=False, server_default=statement_time()))
    entity: str = Field(sa_type=String)
    """The name of the class."""
    table_name: str = Field(sa_type=String)
    row_key: str = Field(sa_type=String)
    """The primary key as text; of several columns, a JSON array."""
    action: str = Field(sa_type=String)
    changed_by: str = Field(sa_type=String)
    """The subject of the principal, else ``system``."""
    changed_by_email: str | None = Field(default=None, sa_type=String)
    run_id: UUID | None = None
    workflow: str | None = Field(default=None, sa_type=String)
    step_id: int | None = None
    step: str | None = Field(default=None, sa_type=String)
    label: str | None = Field(default=None, sa_type=String)
    """What the session was for: the request, the step, the script."""
    before: str | None = Field(default=None, sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)
