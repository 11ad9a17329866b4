"""What may whoever acts be told of other entities? What an error names is asked of the policies as what a list shows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Table

from planar.context import current_services
from planar.entities.registration import EntityRegistry
from planar.security.actions import EntityAction
from planar.security.authorization import filter_allowed
from planar.security.resources import EntityResource

OTHERS = "Other rows"
"""How rows are spoken of to whoever may not know what they are."""


def may_list(names: Sequence[str | None]) -> list[str | None]:
    """Those of the entities *names* whose rows may be listed; None is whatever there is, served or not."""
    return filter_allowed(names, EntityAction.LIST, EntityResource)


def rows_of(table: Table | None, columns: Sequence[Column[object]] = ()) -> str:
    """How rows of *table* that refer to a row by *columns* are spoken of: "Rows of invoice", or `OTHERS`."""
    entity = current_services().get(EntityRegistry).find_table(table) if table is not None else None
    if table is None or not may_list([entity.name if entity is not None else None]):
        return OTHERS
    hidden = {field.column for field in entity.fields.values() if field.hidden} if entity is not None else set[object]()
    return OTHERS if hidden.intersection(columns) else f"Rows of {table.name}"
