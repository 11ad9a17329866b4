"""Are the application's own tables what their classes say? Missing ones are made; a different one is an error, never altered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Dialect, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.ext.asyncio import AsyncEngine

from planar.db.errors import TableDiffers
from planar.db.migrate import schema_lock
from planar.logging import get_logger

logger = get_logger(__name__)

Types = Mapping[str, str]
"""The columns of a table and their types, as the database writes them."""

# How PostgreSQL reports types that SQLAlchemy writes differently.
_SYNONYMS = {
    "FLOAT": "DOUBLE PRECISION",
    "TIMESTAMP": "TIMESTAMP WITHOUT TIME ZONE",
    "TIME": "TIME WITHOUT TIME ZONE",
    "DECIMAL": "NUMERIC",
    "CHARACTER VARYING": "VARCHAR",
}


async def create_application_tables(engine: AsyncEngine, metadata: MetaData) -> None:
    """Create the tables of *metadata* that are missing.

    Raises:
        TableDiffers: an existing one has other columns, or columns of another type. Nothing is created then.
    """
    if not metadata.tables:
        return
    async with engine.connect() as connection:
        missing = await connection.run_sync(_missing_tables, metadata)
    if not missing:
        return
    async with schema_lock(engine, "creating the application's tables") as connection:
        # Another process may have made them meanwhile.
        missing = await connection.run_sync(_missing_tables, metadata)
        if missing:
            logger.info("creating tables", tables=[table.fullname for table in missing])
            await connection.run_sync(metadata.create_all, tables=missing, checkfirst=False)


async def compare_application_tables(engine: AsyncEngine, metadata: MetaData) -> tuple[list[Table], list[str]]:
    """Which tables of *metadata* are missing, and a sentence for each difference of those that are not. Nothing is changed."""
    if not metadata.tables:
        return [], []
    async with engine.connect() as connection:
        return await connection.run_sync(compare_tables, metadata)


def compare_tables(connection: Connection, metadata: MetaData, *, may_have_more: bool = False) -> tuple[list[Table], list[str]]:
    """The same on a connection.

    Args:
        may_have_more: whether a column that no class has is no difference, if a row can do without it.
    """
    found = _found_tables(connection, metadata, may_have_more)
    problems: list[str] = []
    missing: list[Table] = []
    for table in metadata.sorted_tables:
        existing = found.get(table.fullname)
        if existing is None:
            missing.append(table)
        else:
            problems.extend(differences(table.fullname, expected_types(table, connection.dialect), existing))
    return missing, problems


def _missing_tables(connection: Connection, metadata: MetaData) -> list[Table]:
    missing, problems = compare_tables(connection, metadata)
    if problems:
        raise TableDiffers("The database and the application's classes differ. " + " ".join(problems) + " " + _REMEDY)
    return missing


_REMEDY = (
    "Planar never alters a table of the application: change the table to fit the class, or the class to fit the table; "
    "a database that holds nothing of value can simply be removed."
)


def _found_tables(connection: Connection, metadata: MetaData, may_have_more: bool) -> dict[str, Types]:
    inspector = inspect(connection)
    found: dict[str, Types] = {}
    for schema in {table.schema for table in metadata.tables.values()}:
        names = [table.name for table in metadata.tables.values() if table.schema == schema]
        for (_, name), columns in inspector.get_multi_columns(schema=schema, filter_names=names).items():
            full_name = f"{schema}.{name}" if schema else str(name)
            known = metadata.tables[full_name].columns
            found[full_name] = {
                column["name"]: plain_type(column["type"].compile(connection.dialect), connection.dialect)
                for column in columns
                if not may_have_more or column["name"] in known or not _can_be_left_out(column)
            }
    return found


def _can_be_left_out(column: ReflectedColumn) -> bool:
    return column["nullable"] or column.get("default") is not None


def expected_types(table: Table, dialect: Dialect) -> dict[str, str]:
    """The columns that *table* should have, with their types."""
    return {column.name: plain_type(column.type.compile(dialect), dialect) for column in table.columns}


def differences(table: str, expected: Types, found: Types) -> Sequence[str]:
    """A sentence for each column of *table* that is missing, too many, or of another type."""
    sentences: list[str] = []
    for name, kind in expected.items():
        if name not in found:
            sentences.append(f"Table {table} has no column {name} ({kind}).")
        elif found[name] != kind:
            sentences.append(f"Column {name} of table {table} is {found[name]}, its class says {kind}.")
    sentences.extend(f"Table {table} has a column {name} that its class does not have." for name in found if name not in expected)
    return sentences


def plain_type(kind: str, dialect: Dialect) -> str:
    """The type *kind*, as *dialect* writes it, without its collation and in one spelling.

    On SQLite also without a text's length, which means nothing there.
    """
    words = re.sub(r"\s+COLLATE\s+\S+", "", kind.upper())
    if dialect.name == "sqlite":
        words = re.sub(r"^VARCHAR\(\d+\)$", "VARCHAR", words)
    return _SYNONYMS.get(words, words)
