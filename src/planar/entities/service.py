"""What can be done with entities from outside: look, make, change, delete. One function an intention; HTTP is the router's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlmodel import SQLModel

from planar.context import current_services
from planar.db.session import get_session
from planar.entities.errors import EntityReadOnly, InstanceNotFound, NotSoftDeleted
from planar.entities.keys import read_key
from planar.entities.listing import find_row
from planar.entities.querying import Deleted
from planar.entities.registration import EntityRegistry, RegisteredEntity
from planar.entities.relations import Relation, relations_of
from planar.entities.stored_rows import Change
from planar.entities.transactions import in_transaction
from planar.entities.visibility import may_list
from planar.entities.writing import create_many, delete_many, restore_one, update_many
from planar.errors import PlanarError
from planar.modeling.errors import Misfits

__all__ = [
    "Change",
    "bulk_create",
    "bulk_delete",
    "bulk_update",
    "create",
    "create_many",
    "delete",
    "delete_many",
    "find",
    "find_entity",
    "read_key",
    "restore",
    "update",
    "update_many",
    "visible_relations",
]

T = TypeVar("T")


# -- entities -------------------------------------------------------------------------------------------------------------


def find_entity(name: str) -> RegisteredEntity:
    """An entity that the app serves.

    Raises:
        EntityNotFound: it serves none of that name.
    """
    return _registry().get(name)


def visible_entities() -> list[RegisteredEntity]:
    """The entities whose rows the caller may list, by name."""
    found = set(may_list([entity.name for entity in _registry()]))
    return sorted((entity for entity in _registry() if entity.name in found), key=lambda entity: entity.name)


def all_relations(entity: RegisteredEntity) -> dict[str, Relation]:
    """The ties of *entity* to entities that the app serves, by name."""
    return relations_of(entity, _registry())


def visible_relations(entity: RegisteredEntity) -> dict[str, Relation]:
    """Those to entities whose rows the caller may list."""
    relations = all_relations(entity)
    allowed = set(may_list(list({relation.target.name for relation in relations.values()})))
    return {name: relation for name, relation in relations.items() if relation.target.name in allowed}


# -- one row --------------------------------------------------------------------------------------------------------------


async def find(entity: RegisteredEntity, instance_id: str, deleted: Deleted = Deleted.EXCLUDE) -> SQLModel:
    """A row.

    Raises:
        InstanceNotFound: there is none of that key.
        Misfits: it is no key.
    """
    row = await find_row(get_session(), entity, read_key(entity, instance_id), deleted)
    if row is None:
        raise InstanceNotFound(f"There is no {entity.name} {instance_id}.")
    return row


async def create(entity: RegisteredEntity, value: Mapping[str, Any]) -> SQLModel:
    """Make a row; durable on return.

    Raises:
        EntityReadOnly: nobody makes rows of it.
        Misfits: *value* does not fit.
        ConstraintViolated: the database refuses it.
    """
    (row,) = await _alone(lambda: bulk_create(entity, [value]))
    return row


async def update(entity: RegisteredEntity, change: Change) -> SQLModel:
    """Change or replace a row; durable on return.

    Raises:
        EntityReadOnly: nobody changes rows of it.
        InstanceNotFound: there is none of that key.
        StaleInstance: it has none of the tags that were asked for.
        Misfits: the values do not fit.
        ConstraintViolated: the database refuses them.
    """
    (row,) = await _alone(lambda: bulk_update(entity, [change]))
    return row


async def delete(entity: RegisteredEntity, change: Change) -> None:
    """Delete a row; durable on return.

    Raises:
        EntityReadOnly, InstanceNotFound, StaleInstance: as for `update`.
        StillReferenced: others refer to it.
    """
    await _alone(lambda: bulk_delete(entity, [change]))


async def restore(entity: RegisteredEntity, change: Change) -> SQLModel:
    """Take back a deletion; durable on return.

    Raises:
        NotSoftDeleted: the entity's rows are gone when they are deleted.
        EntityReadOnly, InstanceNotFound, StaleInstance, ConstraintViolated: as for `update`.
    """
    _must_be_writable(entity)
    if not entity.options.soft_delete:
        raise NotSoftDeleted(f"A {entity.name} that was deleted is gone, and cannot be restored.")
    session = get_session()
    return await _alone(lambda: in_transaction(session, entity, lambda: restore_one(session, entity, change)))


# -- many rows ------------------------------------------------------------------------------------------------------------


async def bulk_create(entity: RegisteredEntity, values: Sequence[Mapping[str, Any]]) -> list[SQLModel]:
    """Make rows, all or none; durable on return. Errors are those of `create_many`, below ``body``."""
    _must_be_writable(entity)
    session = get_session()
    return await in_transaction(session, entity, lambda: create_many(session, entity, values, ("body",)))


async def bulk_update(entity: RegisteredEntity, changes: Sequence[Change]) -> list[SQLModel]:
    """Change rows, all or none; durable on return. Errors are those of `update_many`, below ``body``."""
    _must_be_writable(entity)
    session = get_session()
    return await in_transaction(session, entity, lambda: update_many(session, entity, changes, ("body",)))


async def bulk_delete(entity: RegisteredEntity, changes: Sequence[Change]) -> None:
    """Delete rows, all or none; durable on return. Errors are those of `delete_many`, below ``body``."""
    _must_be_writable(entity)
    session = get_session()
    await in_transaction(session, entity, lambda: delete_many(session, entity, changes, ("body",)))


# -- parts ----------------------------------------------------------------------------------------------------------------


def _registry() -> EntityRegistry:
    return current_services().get(EntityRegistry)


def _must_be_writable(entity: RegisteredEntity) -> None:
    if entity.options.read_only:
        raise EntityReadOnly(f"{entity.name} is read-only over HTTP.")


async def _alone(work: Callable[[], Awaitable[T]]) -> T:
    """*work* on a list of one row, which its caller gave without a list: errors tell of the row itself."""
    try:
        return await work()
    except Misfits as error:
        raise Misfits([_unlisted(found) for found in error.entries]) from None
    except PlanarError as error:
        entries = [_unlisted(found) for found in error.details.get("errors", ())]
        if not entries:
            raise
        raise type(error)(str(entries[0]["msg"]), errors=entries) from None


def _unlisted(found: Mapping[str, Any]) -> dict[str, Any]:
    loc = found["loc"]
    return {**found, "loc": (*loc[:1], *loc[2:])}
