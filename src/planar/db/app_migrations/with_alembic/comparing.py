"""What leads from the tables of a database to those of the classes? Alembic compares; here is what it may see, and what we add.

A table that is neither the history's nor a class's is nobody's business: the framework's own, or another program's. So it is never
dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Dialect, MetaData, UniqueConstraint, inspect
from sqlalchemy.types import TypeEngine

from planar.db.app_migrations.history_tables import TableName
from planar.db.app_migrations.labels import Labels
from planar.db.app_migrations.version_table import VERSION_TABLE
from planar.db.app_migrations.with_alembic.additions import complete
from planar.db.app_migrations.with_alembic.environment import Alembic
from planar.db.app_migrations.with_alembic.rendering import render_item
from planar.db.tables import plain_type


@dataclass(frozen=True, slots=True)
class Known:
    """What is known without asking the database."""

    metadata: Sequence[MetaData]
    """The tables of the classes."""
    tables: Collection[TableName]
    """Those of the history."""
    labels: Labels
    """The enums of the history."""
    is_first: bool = False
    """Whether there is no revision yet: the first one makes everything, whatever a database of a developer holds."""


def options_of(known: Known, connection: Connection) -> dict[str, Any]:
    """How Alembic's environment is configured to compare, and to write."""
    seen: set[TableName] = set() if known.is_first else {*known.tables, *_tables(known.metadata)}
    schemas = {schema for schema, _ in seen}

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name in schemas
        return kind != "table" or (name != VERSION_TABLE and (parents.get("schema_name"), name) in seen)

    def include_object(thing: Any, _name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
        return kind != "unique_constraint" or reflected or counterpart is not None or not _is_there_without_name(connection, thing)

    return {
        "target_metadata": list(known.metadata),
        "include_schemas": any(schema is not None for schema in schemas),
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": _type_differs,
        "compare_server_default": False,
        "render_item": render_item,
        "dont_mutate": True,
    }


def operations(context: MigrationContext, known: Known) -> ops.MigrationScript:
    """What a revision would do, up and down."""
    script = produce_migrations(context, cast("Any", list(known.metadata)))
    complete(script, known.metadata, known.labels, context.dialect)
    return script


def differences(connection: Connection, alembic: Alembic, known: Known) -> list[str]:
    """A sentence for each thing in which the database differs from the classes; nothing is changed."""
    found: list[str] = []

    def decide(_heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
        upgrade = operations(context, known).upgrade_ops
        found.extend(describe(upgrade.as_diffs() if upgrade is not None else []))
        return []

    alembic.run(connection, decide, **options_of(known, connection))
    return found


def describe(diffs: Iterable[Any]) -> list[str]:
    """What Alembic found, in words: each diff is a tuple, or a list of the changes of one column."""
    flat = [each for diff in diffs for each in (cast("list[Any]", diff) if isinstance(diff, list) else [diff])]
    return [sentence for each in flat if (sentence := _sentence(each))]


def _sentence(diff: tuple[Any, ...]) -> str:
    match diff:
        case ("add_table", table):
            return f"Table {table.fullname} is missing."
        case ("remove_table", table):
            return f"Table {table.fullname} has no class any more."
        case ("add_column", _, table, column):
            return f"Table {table} has no column {column.name}."
        case ("remove_column", _, table, column):
            return f"Table {table} has a column {column.name} that its class does not have."
        case ("modify_type", _, table, column, _, found, wanted):
            return f"Column {column} of table {table} is {found!r}, its class says {wanted!r}."
        case ("modify_nullable", _, table, column, _, _, wanted):
            state = "may be null, and must not be" if wanted else "must not be null, and may be"
            return f"By its class column {column} of table {table} {state} in the database."
        case ("note", _):
            return ""
        case ("on_postgresql", statement):
            return f"PostgreSQL needs: {statement}." if statement else ""
        case (kind, thing, *_):
            verb, _, what = str(kind).partition("_")
            table = getattr(getattr(thing, "table", None), "fullname", "?")
            state = "is missing" if verb == "add" else "has no counterpart in its class"
            columns = ", ".join(str(getattr(column, "name", column)) for column in getattr(thing, "columns", ()))
            return f"{_NAMES.get(what, what)} {getattr(thing, 'name', None) or 'without a name'} ({columns}) of table {table} {state}."
        case _:
            return str(diff)


_NAMES = {"index": "Index", "constraint": "Constraint", "fk": "Foreign key"}


def _type_differs(context: MigrationContext, _column: Any, _wanted_column: Any, found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
    dialect: Dialect = context.dialect
    return plain_type(found.compile(dialect), dialect) != plain_type(wanted.compile(dialect), dialect)


def _is_there_without_name(connection: Connection, wanted: UniqueConstraint) -> bool:
    """SQLite keeps what a class says of one column without a name, where the table was made before we gave names."""
    if connection.dialect.name != "sqlite" or wanted.table.name not in inspect(connection).get_table_names():
        return False
    found = inspect(connection).get_unique_constraints(wanted.table.name)
    return any(each["name"] is None and each["column_names"] == [column.name for column in wanted.columns] for each in found)


def _tables(metadata: Iterable[MetaData]) -> Iterable[TableName]:
    return [(table.schema, table.name) for each in metadata for table in each.tables.values()]
