"""How is a list asked for? What the database cannot compare is a mistake of whoever asked, not of the server."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Result
from sqlalchemy.exc import DBAPIError

from planar.db.planar_session import PlanarSession
from planar.entities.validation import entry
from planar.entities.violations import Refusal, read_violation, said_by
from planar.modeling.errors import Misfits


async def ask(session: PlanarSession, query: Any) -> Result[Any]:
    """The rows of *query*, through the session, which keeps the objects in them.

    Raises:
        Misfits: the database cannot compare what is stored with what was asked for.
    """
    with _comparable():
        return cast("Result[Any]", await session.exec(query))


async def ask_values(session: PlanarSession, query: Any) -> Result[Any]:
    """The rows of *query*, which selects no objects.

    Raises:
        Misfits: as for `ask`.
    """
    with _comparable():
        return await (await session.connection()).execute(query)


@contextmanager
def _comparable() -> Generator[None]:
    try:
        yield
    except DBAPIError as error:
        violation = read_violation(said_by(error))
        if violation is None or violation.refusal is not Refusal.VALUE:
            raise
        raise Misfits([entry("value_error", ("query",), "The database cannot compare what is stored with what was asked for")]) from None
