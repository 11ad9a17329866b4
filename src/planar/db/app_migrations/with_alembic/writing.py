"""How are the differences written as statements of a revision?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from alembic.autogenerate import render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from planar.db.app_migrations.revision_file import Body
from planar.db.app_migrations.with_alembic.comparing import Known, operations, options_of
from planar.db.app_migrations.with_alembic.environment import Alembic
from planar.db.app_migrations.with_alembic.rendering import render_item

_DECORATION = "# ###"
"""How Alembic frames what it has written."""


def difference(connection: Connection, alembic: Alembic, known: Known) -> Body | None:
    """What leads from the database to the classes, and back; None if there is nothing."""
    found: list[Body] = []

    def decide(_heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
        script = operations(context, known)
        if script.upgrade_ops is not None and script.downgrade_ops is not None and not script.upgrade_ops.is_empty():
            imports: set[str] = set()
            upgrade = _code(script.upgrade_ops, context, imports)
            found.append(Body(upgrade, _code(script.downgrade_ops, context, imports), imports))
        return []

    alembic.run(connection, decide, **options_of(known, connection))
    return found[0] if found else None


def _code(operations: ops.UpgradeOps | ops.DowngradeOps, context: MigrationContext, imports: set[str]) -> str:
    seen: list[AutogenContext] = []

    def render(kind: str, item: Any, rendering: AutogenContext) -> str | Literal[False]:
        seen.append(rendering)
        return render_item(kind, item, rendering)

    # Of the context only what it knows of the database's language: with its environment, Alembic would ask for more.
    plain = MigrationContext.configure(dialect=context.dialect)
    code = render_python_code(operations, render_as_batch=True, render_item=render, migration_context=plain)
    for rendering in seen:
        imports.update(rendering.imports)
    lines = [line.rstrip() for line in code.splitlines() if _DECORATION not in line]
    return "\n".join(lines).strip() or "pass"
