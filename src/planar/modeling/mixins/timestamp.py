"""When was a row made, and when was it last changed? Aware, in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_attribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Field, SQLModel

from planar.clock import utc_now
from planar.modeling.column_types import UTCDateTime


class DatabaseNow(FunctionElement[datetime]):
    """The database's time, in the format of our columns: for rows that are inserted without us."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(DatabaseNow)
def _standard_now(_element: DatabaseNow, _compiler: SQLCompiler, **_kw: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_kw: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


def timestamp_column(
    index: bool = False,
    nullable: bool = False,
    onupdate: Callable[[], datetime] | bool | None = None,
    default: Callable[[], datetime] | None = utc_now,
) -> Any:
    """A field for a moment, stored in UTC; a naive value is refused.

    Args:
        index: whether rows are searched by it.
        nullable: whether it may be missing.
        onupdate: True for the time of each UPDATE, or a function that gives one; None leaves it alone.
        default: gives the value of a new row, and the database's own clock does where a row is inserted by other means; None for
            no default.
    """
    column: dict[str, Any] = {}
    if onupdate is not None and onupdate is not False:
        column["onupdate"] = utc_now if onupdate is True else onupdate
    if default is utc_now:
        column["server_default"] = DatabaseNow()
    if default is None:
        return Field(default=None, sa_type=UTCDateTime, index=index, nullable=nullable, sa_column_kwargs=column)
    return Field(default_factory=default, sa_type=UTCDateTime, index=index, nullable=nullable, sa_column_kwargs=column)


class TimestampMixin(SQLModel):
    """Adds ``created_at`` and ``updated_at``: equal at first, the second renewed by every UPDATE, also of many rows at once."""

    created_at: datetime = timestamp_column()
    updated_at: datetime = timestamp_column(onupdate=True)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if "updated_at" not in self.model_fields_set:
            # Not an assignment: it would count as given, and a row that is being validated is not yet known to SQLAlchemy.
            vars(self)["updated_at"] = self.created_at


@event.listens_for(TimestampMixin, "before_insert", propagate=True)
def _before_insert(_mapper: Mapper[Any], _connection: Connection, target: TimestampMixin) -> None:
    # A class with a model_post_init of its own may not have called ours. Set as SQLAlchemy does: a checked assignment gives a
    # pydantic model another dictionary than the one that is being written.
    if "updated_at" not in target.model_fields_set:
        set_attribute(target, "updated_at", target.created_at)
