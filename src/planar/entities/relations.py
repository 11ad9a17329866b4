"""How are entities tied to each other? By SQLModel's relationships, by foreign keys, and by fields that hold a chosen key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.orm.interfaces import MANYTOMANY, MANYTOONE
from sqlmodel import SQLModel

from planar.entities.fields import Kind, ServedField
from planar.entities.registration import EntityRegistry, RegisteredEntity


@dataclass(frozen=True, eq=False)
class Relation:
    """A tie from the rows of one entity to those of another.

    Args:
        name: of the relationship, or of the field where there is only a foreign key.
        target: the entity at the other end.
        local: the field of this entity that is compared.
        remote: the field of the other that it is compared with.
        many: whether a row may have several.
        link: the table between, where both sides may have several, with its columns for this side and for the other.
        holds_key: whether it is this entity's row that holds the other's key.
        chosen: the key is held as a text, without a foreign key.
    """

    name: str
    target: RegisteredEntity
    local: str
    remote: str
    many: bool
    link: tuple[Table, Column[Any], Column[Any]] | None = None
    holds_key: bool = False
    chosen: bool = False


def relations_of(entity: RegisteredEntity, registry: EntityRegistry) -> dict[str, Relation]:
    """The ties of *entity* to entities that the app serves, by name; not those by more than one column, or by a hidden field."""
    found: dict[str, Relation] = {}
    for property_ in entity.mapper.relationships:
        target = registry.find_class(property_.mapper.class_)
        relation = _by_relationship(entity, target, property_) if target is not None else None
        if relation is not None:
            found[relation.name] = relation
    held = {relation.local for relation in found.values() if relation.holds_key}
    for field in entity.fields.values():
        relation = None if field.name in held or field.hidden else _by_field(entity, field.name, registry)
        if relation is not None:
            found.setdefault(relation.name, relation)
    return found


def _by_relationship(entity: RegisteredEntity, target: RegisteredEntity, property_: RelationshipProperty[Any]) -> Relation | None:
    if property_.direction is MANYTOMANY:
        return _by_link(entity, target, property_)
    pairs = property_.local_remote_pairs or []
    if len(pairs) != 1:
        return None
    ((local, remote),) = pairs
    here, there = _field_at(entity, local), _field_at(target, remote)
    if here is None or there is None:
        return None
    return Relation(property_.key, target, here, there, many=bool(property_.uselist), holds_key=property_.direction is MANYTOONE)


def _by_link(entity: RegisteredEntity, target: RegisteredEntity, property_: RelationshipProperty[Any]) -> Relation | None:
    ours, theirs, table = property_.synchronize_pairs, property_.secondary_synchronize_pairs, property_.secondary
    if len(ours) != 1 or not theirs or len(theirs) != 1 or not isinstance(table, Table):
        return None
    ((local, near),), ((remote, far),) = ours, theirs
    here, there = _field_at(entity, local), _field_at(target, remote)
    if here is None or there is None:
        return None
    return Relation(property_.key, target, here, there, many=True, link=(table, near, far))  # pyright: ignore[reportArgumentType] - columns of a table


def _by_field(entity: RegisteredEntity, name: str, registry: EntityRegistry) -> Relation | None:
    field = entity.fields[name]
    for key in field.column.foreign_keys:
        target = registry.find_table(key.column.table)  # pyright: ignore[reportArgumentType] - a foreign key is to a table
        there = _field_at(target, key.column) if target is not None else None
        if target is not None and there is not None:
            return Relation(name, target, name, there, many=False, holds_key=True)
    # A list of keys is no tie: whatever looks along one compares one value.
    target = _chosen(field, registry) if field.kind is not Kind.JSON else None
    return Relation(name, target, name, target.key, many=False, holds_key=True, chosen=True) if target is not None else None


def _chosen(field: ServedField, registry: EntityRegistry) -> RegisteredEntity | None:
    """The entity that the field offers; None if it is not served, or if the field has only a name that several have."""
    cls, name = field.chosen_class, field.chosen_entity
    if name is None:
        return None
    if cls is not None:
        return registry.find_class(cls)
    named = [other for other in registry if name in (other.cls.__name__, other.name)]
    return named[0] if len(named) == 1 else None


def _field_at(entity: RegisteredEntity, column: object) -> str | None:
    """The field of *column*; None if there is none, or it is for nobody: what it is tied to would tell its value."""
    return next((name for name, field in entity.fields.items() if field.column is column and not field.hidden), None)


def attribute(cls: type[SQLModel], name: str) -> Any:
    """The attribute of *cls*, or of an alias of it, that stands for a column in queries."""
    return getattr(cls, name)
