"""SQLAlchemy's queries through a SQLModel session, with types; and the one statement that locks an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import ColumnElement, CursorResult, Result, Table, literal_column, text

from planar.db.session import PlanarSession
from planar.object_config.models import (
    ConfiguredObject,
    ObjectConfiguration,
    ObjectConfigurationPromotion,
    ObjectConfigurationUse,
)


def _table(cls: type[Any]) -> Table:
    return getattr(cls, "__table__")  # noqa: B009 - the class does not declare it


OBJECTS: Final = _table(ConfiguredObject)
VERSIONS: Final = _table(ObjectConfiguration)
PROMOTIONS: Final = _table(ObjectConfigurationPromotion)
USES: Final = _table(ObjectConfigurationUse)

IS_ACTIVE: Final = cast("ColumnElement[bool]", literal_column("active"))
"""As the partial index says it: SQLite uses one only for its own words."""
PINS: Final = cast("ColumnElement[bool]", literal_column("pins"))

_LOCK: Final = """
insert into {planar}configured_object as o (object_type, object_name, last_version, last_promotion)
values (:object_type, :object_name, :versions, :promotions)
on conflict (object_type, object_name)
do update set last_version = o.last_version + :versions, last_promotion = o.last_promotion + :promotions
returning last_version, last_promotion
"""


class Numbers(NamedTuple):
    """The highest number ever given to a version of an object, and to a promotion."""

    version: int
    promotion: int


async def rows(session: PlanarSession, query: Any) -> Sequence[Any]:
    """The rows of *query*, by the names of their columns."""
    found = cast("Result[Any]", await session.exec(query))
    return found.all()


async def first(session: PlanarSession, query: Any) -> Any:
    """The first row of *query*, or None."""
    found = cast("Result[Any]", await session.exec(query))
    return found.first()


async def changed(session: PlanarSession, statement: Any) -> int:
    """Execute *statement*; how many rows it changed."""
    return cast("CursorResult[Any]", await session.exec(statement)).rowcount


async def lock_object(session: PlanarSession, object_type: str, object_name: str, *, versions: int = 0, promotions: int = 0) -> Numbers:
    """Take the object's lock until the transaction ends; the highest numbers ever given, those asked for included.

    One statement, so that what is read after it is what the last holder of the lock has left.
    """
    planar = "" if session.dialect.name == "sqlite" else "planar."
    given = {"object_type": object_type, "object_name": object_name, "versions": versions, "promotions": promotions}
    return Numbers(*await first(session, text(_LOCK.format(planar=planar)).bindparams(**given)))
