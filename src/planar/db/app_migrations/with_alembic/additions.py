"""What does a revision need beside what Alembic finds? Enum types and schemas for PostgreSQL, and remarks where a person has to think."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import Dialect, MetaData

from planar.db.app_migrations.labels import Labels, added_labels, labels_of_classes, removed_labels
from planar.db.app_migrations.with_alembic.rendering import Note, OnPostgreSQL


def complete(script: ops.MigrationScript, metadata: Sequence[MetaData], known: Labels, dialect: Dialect) -> None:
    """Add to *script* what its tables need; *known* are the enums of the history."""
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    assert upgrade is not None
    assert downgrade is not None
    wanted = labels_of_classes(metadata)
    quoted = dialect.identifier_preparer.quote
    before = [*_schemas(upgrade.ops, quoted), *_new_enums(known, wanted, quoted), *_new_labels(known, wanted, quoted)]
    after = _old_enums(known, wanted, quoted)
    if not (before or upgrade.ops or after):
        return
    upgrade.ops[:] = [*_notes_of_labels(known, wanted, quoted), *before, *_with_notes(list(upgrade.ops)), *after]
    back = [
        *(each.reverse() for each in reversed(after)),
        *_with_notes(list(downgrade.ops)),
        *(each.reverse() for each in reversed(before)),
    ]
    downgrade.ops[:] = back


def _schemas(operations: Sequence[ops.MigrateOperation], quoted: Any) -> Iterator[OnPostgreSQL]:
    schemas = {each.schema for each in operations if isinstance(each, ops.CreateTableOp) and each.schema}
    return (OnPostgreSQL(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}", None) for schema in sorted(schemas))


def _new_enums(known: Labels, wanted: Labels, quoted: Any) -> list[OnPostgreSQL]:
    return [_enum(name, labels, quoted) for name, labels in wanted.items() if name not in known]


def _old_enums(known: Labels, wanted: Labels, quoted: Any) -> list[OnPostgreSQL]:
    made = [_enum(name, labels, quoted) for name, labels in known.items() if name not in wanted]
    return [OnPostgreSQL(each.back, each.forward) for each in made]


def _enum(name: str, labels: Sequence[str], quoted: Any) -> OnPostgreSQL:
    whole = _name(name, quoted)
    return OnPostgreSQL(f"CREATE TYPE {whole} AS ENUM ({', '.join(_literal(label) for label in labels)})", f"DROP TYPE {whole}")


def _new_labels(known: Labels, wanted: Labels, quoted: Any) -> Iterator[OnPostgreSQL]:
    for name, labels in added_labels(known, wanted).items():
        for label in labels:
            yield OnPostgreSQL(f"ALTER TYPE {_name(name, quoted)} ADD VALUE IF NOT EXISTS {_literal(label)}", None)


def _notes_of_labels(known: Labels, wanted: Labels, quoted: Any) -> Iterator[Note]:
    for name, labels in removed_labels(known, wanted).items():
        yield Note(
            f"{name} keeps {', '.join(labels)} in PostgreSQL, which cannot take a value from an enum. If a value was renamed:\n"
            f"op.execute(\"ALTER TYPE {_name(name, quoted)} RENAME VALUE 'old' TO 'new'\") on PostgreSQL, an UPDATE on SQLite."
        )


def _name(name: str, quoted: Any) -> str:
    return ".".join(quoted(part) for part in name.split("."))


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def _with_notes(operations: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    dropped = [each.table_name for each in operations if isinstance(each, ops.DropTableOp)]
    made = [each.table_name for each in operations if isinstance(each, ops.CreateTableOp)]
    if dropped and made:
        yield Note(
            f"Was {' or '.join(dropped)} renamed to {' or '.join(made)}? Dropping loses the rows. For a rename write instead:\n"
            f"op.rename_table({dropped[0]!r}, {made[0]!r})"
        )
    for each in operations:
        if isinstance(each, ops.ModifyTableOps):
            yield from _notes_of(each)
        yield each


def _notes_of(table: ops.ModifyTableOps) -> Iterator[Note]:
    dropped = [each.column_name for each in table.ops if isinstance(each, ops.DropColumnOp)]
    added = [each.column for each in table.ops if isinstance(each, ops.AddColumnOp)]
    if dropped and added:
        yield Note(
            f"Was {' or '.join(dropped)} of {table.table_name} renamed to {' or '.join(str(each.name) for each in added)}? "
            "Dropping loses the values. For a rename write instead:\n"
            f"batch_op.alter_column({dropped[0]!r}, new_column_name={added[0].name!r})"
        )
    for column in added:
        if not column.nullable and column.server_default is None:
            yield Note(
                f"{table.table_name}.{column.name} must not be null, and rows that exist have no value for it. Give the column a\n"
                "server_default here; or add it with nullable=True, fill it with op.execute, and then alter it to nullable=False."
            )
