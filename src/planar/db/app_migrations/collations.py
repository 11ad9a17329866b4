"""Which collation has a column of SQLite? Reflection does not tell, and a table that is rebuilt would lose it.

An exact decimal without its collation would be compared as a text.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Inspector, String, Table, event, text

_COLUMN = r'(?:^|[(,])\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))\s+\w+(?:\s*\([^()]*\))?[^,()]*?\bCOLLATE\s+"?(?P<collation>\w+)"?'


def collations_in(statement: str) -> dict[str, str]:
    """The collations of the columns in *statement*, a CREATE TABLE as SQLite keeps it."""
    found = re.finditer(_COLUMN, statement, re.IGNORECASE)
    return {(match["quoted"] or match["plain"]).replace('""', '"'): match["collation"] for match in found}


@contextmanager
def kept_collations(connection: Connection) -> Generator[None]:
    """Tables that are reflected in the block have their collations; only on SQLite."""
    if connection.dialect.name != "sqlite":
        yield
        return
    event.listen(Table, "column_reflect", _restore)
    try:
        yield
    finally:
        event.remove(Table, "column_reflect", _restore)


def _restore(inspector: Inspector, table: Table, column: Mapping[str, Any]) -> None:
    if inspector.dialect.name != "sqlite" or not isinstance(column["type"], String):
        return
    bind = inspector.bind
    if not isinstance(bind, Connection):
        return
    query = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    statement = bind.execute(query, {"name": table.name}).scalar()
    collation = collations_in(statement or "").get(column["name"])
    if collation is not None:
        kind = column["type"]
        cast("dict[str, Any]", column)["type"] = type(kind)(length=kind.length, collation=collation)
