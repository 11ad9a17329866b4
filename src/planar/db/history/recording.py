"""What is written of a change, and who signs it? Decided from values; one statement for all changes of a flush."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Connection, Table, insert
from uuid_utils.compat import uuid7

from planar.context import current_actor, current_run_place
from planar.db.history.models import ChangeAction, PlanarEntityChange
from planar.db.history.rows import Row
from planar.db.history.tracking import Key, Tracked
from planar.db.history.values import written
from planar.modeling.mixins.auditable import SYSTEM_USER
from planar.modeling.mixins.soft_delete import DELETED_AT

_TABLE: Final = cast("Table", vars(PlanarEntityChange)["__table__"])


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a table, and what became of it: ``before`` is None for a new one, ``after`` for one that is gone."""

    tracked: Tracked
    key: Key
    before: Row | None
    after: Row | None


def described(change: Change) -> dict[str, Any] | None:
    """The columns of a `PlanarEntityChange` that the change itself decides; None if nothing changed."""
    before, after = change.before, change.after
    if before is not None and after is not None:
        before, after = changed_values(change.tracked, before, after)
        if not after:
            return None
    masked = change.tracked.masked
    return {
        "entity": change.tracked.entity.__name__,
        "table_name": change.tracked.table_name,
        "row_key": change.tracked.key_text(change.key),
        "action": action_of(change.tracked, before, after),
        "before": None if before is None else written(before, masked),
        "after": None if after is None else written(after, masked),
    }


def changed_values(tracked: Tracked, before: Row, after: Row) -> tuple[Row, Row]:
    """What differs between two states of a row; nothing if only what every UPDATE renews does."""
    names = [name for name, value in after.items() if name not in before or not _same(before[name], value)]
    if tracked.automatic.issuperset(names):
        return {}, {}
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def action_of(tracked: Tracked, before: Row | None, after: Row | None) -> ChangeAction:
    """What happened, from the values that changed."""
    if after is None:
        return ChangeAction.DELETE
    if before is None:
        return ChangeAction.CREATE
    if tracked.soft and DELETED_AT in after:
        if before[DELETED_AT] is None:
            return ChangeAction.DELETE
        if after[DELETED_AT] is None:
            return ChangeAction.RESTORE
    return ChangeAction.UPDATE


def record(connection: Connection, changes: Iterable[Change], label: str | None) -> None:
    """Write *changes* in the transaction of *connection*, signed by whoever acts. Nothing changed, nothing is sent.

    Args:
        connection: where the changes were made.
        changes: them.
        label: what the session is for.
    """
    rows = [row for change in changes if (row := described(change)) is not None]
    write(connection, rows, label)


def write(connection: Connection, rows: Sequence[dict[str, Any]], label: str | None) -> None:
    """Insert what `described` gave, signed."""
    if not rows:
        return
    signature = _signature(label)
    connection.execute(insert(_TABLE), [{"id": uuid7(), **row, **signature} for row in rows])


def _signature(label: str | None) -> dict[str, Any]:
    actor, place = current_actor(), current_run_place()
    return {
        "changed_by": SYSTEM_USER if actor is None else actor.sub or SYSTEM_USER,
        "changed_by_email": None if actor is None else actor.user_email,
        "run_id": None if place is None else place.run_id,
        "workflow": None if place is None else place.workflow,
        "step_id": None if place is None else place.step_id,
        "step": None if place is None else place.step,
        "label": label,
    }


def _same(one: Any, other: Any) -> bool:
    # 1 == True and 1 == 1.0, but in JSON they are not the same; and two moments may be equal with different offsets.
    return one == other and (type(one) is type(other) or not isinstance(one, bool | int) or not isinstance(other, bool | int))
