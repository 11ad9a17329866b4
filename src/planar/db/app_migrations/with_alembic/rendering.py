"""How are our column types and our own operations written in a revision? So that it is right on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import sqlalchemy
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations.ops import MigrateOperation
from sqlalchemy import DefaultClause, Enum
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel.sql.sqltypes import AutoString

from planar.db.app_migrations.labels import native_enum
from planar.modeling.column_types import UTCDateTime
from planar.modeling.mixins.timestamp import DatabaseNow

OUR_TYPES = "planar.modeling.column_types"
"""Where users find our column types; that of moments is made elsewhere."""

_DIALECTS = "sqlalchemy.dialects."
_TYPE_NAME = re.compile(r"(?<![\w.'])[A-Z]\w*(?=\()")


class Note(MigrateOperation):
    """A comment for whoever reads the revision, and edits it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def reverse(self) -> MigrateOperation:
        """Nothing to say on the way back."""
        return Note("")

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """A comment is no difference."""
        return ("note", self.text)


class OnPostgreSQL(MigrateOperation):
    """A statement for PostgreSQL alone.

    Args:
        forward: the statement.
        back: what undoes it; None if nothing does.
    """

    def __init__(self, forward: str | None, back: str | None) -> None:
        self.forward = forward
        self.back = back

    def reverse(self) -> MigrateOperation:
        """The one that undoes it."""
        return OnPostgreSQL(self.back, self.forward)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """For `describe`."""
        return ("on_postgresql", self.forward)


@renderers.dispatch_for(Note)
def _render_note(_context: AutogenContext, note: Note) -> list[str]:
    return [f"# {line}" for line in note.text.splitlines()]


@renderers.dispatch_for(OnPostgreSQL)
def _render_statement(_context: AutogenContext, operation: OnPostgreSQL) -> list[str]:
    if operation.forward is None:
        return []
    # The empty line ends the block.
    return ['if op.get_context().dialect.name == "postgresql":', f"op.execute({operation.forward!r})", ""]


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """How *item* is written; False leaves it to Alembic."""
    if kind == "type":
        return _rendered_type(item, context)
    if kind == "server_default" and isinstance(item, DefaultClause) and isinstance(item.arg, DatabaseNow):
        context.imports.add("from planar.modeling.mixins.timestamp import DatabaseNow")
        return "DatabaseNow()"
    return False


def _rendered_type(kind: TypeEngine[Any], context: AutogenContext) -> str | Literal[False]:
    enum = native_enum(kind)
    if enum is not None:
        return _rendered_enum(enum)
    if isinstance(kind, AutoString):
        return f"sa.String(length={kind.length})" if kind.length else "sa.String()"
    module = type(kind).__module__
    if module.startswith(_DIALECTS):
        return _rendered_dialect_type(kind, module.removeprefix(_DIALECTS).partition(".")[0], context)
    if module.startswith("sqlalchemy."):
        return False
    if isinstance(kind, TypeDecorator) and getattr(kind, "plain_in_revisions", False):
        return f"sa.{kind.impl!r}"
    if isinstance(kind, UTCDateTime):
        module = OUR_TYPES
    if module == OUR_TYPES:
        context.imports.add(f"from {module} import {type(kind).__name__}")
        return repr(kind)
    context.imports.add(f"import {module}")
    return f"{module}.{kind!r}"


def _rendered_dialect_type(kind: TypeEngine[Any], dialect: str, context: AutogenContext) -> str:
    """A type of one database, with the types that it takes as arguments: Alembic writes those only when it speaks to that database."""
    context.imports.add(f"from sqlalchemy.dialects import {dialect}")
    name, parenthesis, arguments = repr(kind).partition("(")
    return f"{dialect}.{name}{parenthesis}{_TYPE_NAME.sub(_with_prefix, arguments)}"


def _with_prefix(found: re.Match[str]) -> str:
    return f"sa.{found[0]}" if hasattr(sqlalchemy, found[0]) else found[0]


def _rendered_enum(enum: Enum) -> str:
    """Its type is made and dropped by statements of their own: columns of several tables may share it."""
    labels = ", ".join(repr(label) for label in enum.enums)
    in_schema = cast("str | None", getattr(enum, "schema", None))
    schema = f", schema={in_schema!r}" if in_schema else ""
    return f"sa.Enum({labels}, name={enum.name!r}{schema}, create_type=False)"
