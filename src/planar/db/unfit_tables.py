"""Does the database lack a table or a column that a class declares? So it is in development, after a class was changed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, inspect
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import DBAPIError

from planar.db.planar_session import PlanarSession

_LACKING: Final = frozenset({"42P01", "42703"})
"""PostgreSQL's codes: there is no such table, no such column."""
_SQLITE: Final = re.compile(r"no such table: |no such column: |table \S+ has no column named ")
_WORD: Final = re.compile(r"[^\s\"':;,()]+")


def lacks_declared(error: DBAPIError, metadata: MetaData) -> bool:
    """Whether *error* says that a table or a column is missing which *metadata* declares; not one that a query made up."""
    cause: Any = error.orig
    state = getattr(cause, "sqlstate", None)
    said = str(getattr(cause, "__cause__", None) or cause)
    if state not in _LACKING if state is not None else not _SQLITE.search(said):
        return False
    words = {part for word in _WORD.findall(said) for part in (word, *word.split("."))}
    tables = [table for table in metadata.tables.values() if table.name in words or table.fullname in words]
    if state == "42P01" or "no such table" in said:
        return bool(tables)
    # Where the table has an alias only the column is named.
    return any(column.name in words for table in tables or metadata.tables.values() for column in table.columns)


async def present_columns(session: PlanarSession, tables: Iterable[Table]) -> set[tuple[str, str]]:
    """The columns that *tables* have in the database: the name of each table, with its schema if it has one, and of the column."""
    wanted = list(tables)
    return await (await session.connection()).run_sync(_present, wanted) if wanted else set()


def _present(connection: Connection, tables: list[Table]) -> set[tuple[str, str]]:
    by_schema: defaultdict[str | None, list[Table]] = defaultdict(list)
    for table in tables:
        by_schema[table.schema].append(table)
    inspector, found = inspect(connection), set[tuple[str, str]]()
    for schema, those in by_schema.items():
        columns = inspector.get_multi_columns(schema=schema, filter_names=[table.name for table in those], kind=ObjectKind.ANY)
        found.update((table.fullname, column["name"]) for table in those for column in columns.get((schema, table.name), ()))
    return found
