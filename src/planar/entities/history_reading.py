"""Who changed what? The history of an entity and of one of its rows, the newest change first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Result, delete, func, or_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col

from planar.context import current_services
from planar.db.history import ChangeAction, PlanarEntityChange
from planar.db.history.tracking import Tracked, tracked_mapper
from planar.db.session import PlanarSession, get_session
from planar.entities.errors import InstanceNotFound
from planar.entities.history_errors import HistoryNotKept
from planar.entities.history_schemas import EntityChange
from planar.entities.registration import EntityRegistry, RegisteredEntity
from planar.entities.values import integer_misfit
from planar.modeling.texts import text_misfit

PRUNED_AT_ONCE: Final = 10_000
"""How many changes one transaction forgets."""

_Change: TypeAlias = PlanarEntityChange


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes.

    Args:
        who: the subject, or the e-mail address, of whoever made them.
        run_id: the run that made them.
        since, until: when; the first included, the second not. Aware.
        action: what was done.
    """

    who: str | None = None
    run_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: ChangeAction | None = None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Which part of a history: *limit* changes older than *after*, and whether all are counted."""

    limit: int
    after: UUID | None = None
    total: bool = True


@dataclass(frozen=True, slots=True)
class FoundChanges:
    """Part of a history; *next* is where it goes on, None at the end."""

    items: list[EntityChange]
    total: int | None
    next: UUID | None


async def entity_history(name: str, which: ChangeFilter, page: ChangePage) -> FoundChanges:
    """The changes of all rows of an entity.

    Raises:
        EntityNotFound: the app serves none of that name.
        HistoryNotKept: its changes are not kept.
    """
    entity, tracked = _tracked(name)
    return await _changes(get_session(), entity, [col(_Change.table_name) == tracked.table_name, *_conditions(which)], page)


async def row_history(name: str, key: str, page: ChangePage) -> FoundChanges:
    """The changes of one row, also of one that is gone.

    Args:
        name: of the entity.
        key: the row's key as text.
        page: which part.

    Raises:
        EntityNotFound, HistoryNotKept: as for `entity_history`.
        InstanceNotFound: there is no such row, and there never was one that left a history.
    """
    entity, tracked = _tracked(name)
    session, value = get_session(), _key(entity, key)
    conditions = [col(_Change.table_name) == tracked.table_name, col(_Change.row_key) == tracked.key_text((value,))]
    found = await _changes(session, entity, conditions, page)
    if not found.items and page.after is None and not await _exists(session, entity, value):
        raise _no_row(entity, key)
    return found


async def prune_history(session: PlanarSession, older_than: datetime) -> int:
    """Forget changes that were made before *older_than*; committed in portions. Returns how many there were."""
    old = select(col(_Change.id)).where(col(_Change.at) < older_than).limit(PRUNED_AT_ONCE)
    forgotten = 0
    while True:
        result = await session.exec(delete(_Change).where(col(_Change.id).in_(old)))
        await session.commit()
        forgotten += result.rowcount
        if result.rowcount < PRUNED_AT_ONCE:
            return forgotten


def _tracked(name: str) -> tuple[RegisteredEntity, Tracked]:
    entity = current_services().get(EntityRegistry).get(name)
    tracked = tracked_mapper(entity.mapper)
    if tracked is None:
        raise HistoryNotKept(
            f"No history is kept of {name}: it is kept of classes that derive from PlanarBaseEntity and do not say history=False."
        )
    return entity, tracked


def _key(entity: RegisteredEntity, text: str) -> Any:
    try:
        value = entity.key_adapter.validate_strings(text)
    except ValidationError:
        raise _no_row(entity, text) from None
    column_type = entity.fields[entity.key].column.type
    if text_misfit(text) is not None or (isinstance(value, int) and integer_misfit(column_type, value) is not None):
        raise _no_row(entity, text)
    return value


def _no_row(entity: RegisteredEntity, key: str) -> InstanceNotFound:
    return InstanceNotFound(f"There is no {entity.name} {key}, and there was none.")


def _conditions(which: ChangeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.who is not None:
        found.append(or_(col(_Change.changed_by) == which.who, col(_Change.changed_by_email) == which.who))
    if which.run_id is not None:
        found.append(col(_Change.run_id) == which.run_id)
    if which.since is not None:
        found.append(col(_Change.at) >= which.since)
    if which.until is not None:
        found.append(col(_Change.at) < which.until)
    if which.action is not None:
        found.append(col(_Change.action) == which.action.value)
    return found


async def _changes(
    session: PlanarSession, entity: RegisteredEntity, conditions: Sequence[ColumnElement[bool]], page: ChangePage
) -> FoundChanges:
    place = tuple_(col(_Change.at), col(_Change.id))
    query = select(_Change).where(*conditions).order_by(col(_Change.at).desc(), col(_Change.id).desc())
    if page.after is not None:
        last = aliased(_Change)
        query = query.where(place < select(col(last.at), col(last.id)).where(col(last.id) == page.after).scalar_subquery())
    rows = cast("Result[Any]", await session.exec(cast("Any", query.limit(page.limit + 1)))).scalars().all()
    items = [_shown(entity, row) for row in rows[: page.limit]]
    total = await _count(session, conditions) if page.total else None
    return FoundChanges(items, total, items[-1].id if len(rows) > page.limit else None)


async def _count(session: PlanarSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    query: Any = select(func.count()).select_from(_Change).where(*conditions)
    found = cast("Result[Any]", await session.exec(query))
    return int(found.scalar_one())


async def _exists(session: PlanarSession, entity: RegisteredEntity, key: Any) -> bool:
    column = entity.fields[entity.key].column
    query: Any = select(column).where(column == key)
    return cast("Result[Any]", await session.exec(query)).first() is not None


def _shown(entity: RegisteredEntity, change: PlanarEntityChange) -> EntityChange:
    return EntityChange(
        id=change.id,
        at=change.at,
        entity_name=entity.name,
        instance_id=change.row_key,
        action=ChangeAction(change.action),
        changed_by=change.changed_by,
        changed_by_email=change.changed_by_email,
        run_id=change.run_id,
        workflow=change.workflow,
        step_id=change.step_id,
        step=change.step,
        label=change.label,
        before=_visible(entity, change.before),
        after=_visible(entity, change.after),
    )


def _visible(entity: RegisteredEntity, text: str | None) -> dict[str, Any] | None:
    """Without hidden fields; what is no field any more is shown as it was."""
    if text is None:
        return None
    values = cast("dict[str, Any]", from_json(text))
    return {name: value for name, value in values.items() if name not in entity.fields or not entity.fields[name].hidden}
