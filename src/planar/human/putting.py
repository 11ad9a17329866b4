"""How is a row written that may be there already?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, text

from planar.db.base import PLANAR_SCHEMA
from planar.db.session import PlanarSession


async def put(session: PlanarSession, table: Any, row: Mapping[str, Any], key: Sequence[str], *, replace: Sequence[str] = ()) -> None:
    """Insert *row*, unless there is one of that *key* already: then write what it has in the columns *replace*, if any, anew."""
    # As text, because the constructs for it are in modules of the dialects, which cost much to load.
    columns: Any = table.__table__.c
    schema = "" if session.dialect.name == "sqlite" else f"{PLANAR_SCHEMA}."
    anew = ", ".join(f"{name} = excluded.{name}" for name in replace)
    adding = (
        f"insert into {schema}{table.__tablename__} ({', '.join(row)}) values ({', '.join(f':{name}' for name in row)})"
        f" on conflict ({', '.join(key)}) do {f'update set {anew}' if anew else 'nothing'}"
    )
    values = [bindparam(name, value, columns[name].type) for name, value in row.items()]
    await (await session.connection()).execute(text(adding).bindparams(*values))
