"""How is a query that selects objects asked, whatever its columns are?"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Result

from planar.db.planar_session import PlanarSession


async def ask(session: PlanarSession, query: Any) -> Result[Any]:
    """The rows of *query*, through the session, which keeps the objects in them."""
    return cast("Result[Any]", await session.exec(query))
