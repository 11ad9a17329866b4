"""SQLAlchemy's queries through a SQLModel session, with types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, Result

from planar.db.session import PlanarSession


async def rows(session: PlanarSession, query: Any) -> Sequence[Any]:
    """The rows of *query*, by the names of their columns."""
    found = cast("Result[Any]", await session.exec(query))
    return found.all()


async def scalars(session: PlanarSession, query: Any) -> list[Any]:
    """The first column of *query*'s rows."""
    found = cast("Result[Any]", await session.exec(query))
    return list(found.scalars())


async def changed(session: PlanarSession, statement: Any) -> int:
    """Execute *statement*; how many rows it changed."""
    return cast("CursorResult[Any]", await session.exec(statement)).rowcount
