"""Is there what a row chooses by `EntityField`? Such a field holds a key without a foreign key, so that no database would ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from planar.context import current_services
from planar.db.planar_session import PlanarSession
from planar.entities.errors import MissingReference
from planar.entities.keys import find_key
from planar.entities.registration import EntityRegistry, RegisteredEntity
from planar.entities.relations import relations_of
from planar.entities.targets import Written
from planar.entities.validation import BadRows, Location, entry
from planar.modeling.errors import Misfits
from planar.modeling.mixins.soft_delete import DELETED_AT

CHUNK: Final = 5000
"""How many keys one statement asks for."""


def choosing(entity: RegisteredEntity) -> dict[str, RegisteredEntity]:
    """The fields of *entity* that hold a chosen key, each with the entity that it is of; those of entities that the app serves."""
    if not any(field.chosen_entity for field in entity.fields.values()):
        return {}
    relations = relations_of(entity, current_services().get(EntityRegistry)).values()
    return {relation.local: relation.target for relation in relations if relation.chosen}


async def refuse_unknown_choices(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[Written], loc: Location) -> None:
    """Make sure that what *rows* choose exists, and is not marked as deleted; one statement for each entity that they choose from.

    New rows may choose each other, if they are given with their keys.

    Raises:
        Misfits: some do not; each entry names the field.
    """
    chosen = choosing(entity) if rows else {}
    if not chosen:
        return
    held = [{name: find_key(target, row[name]) for name, target in chosen.items() if row.get(name) is not None} for row in rows]
    known: dict[RegisteredEntity, set[Any]] = {}
    for target in set(chosen.values()):
        keys = {key for choices in held for name, key in choices.items() if chosen[name] is target and key is not None}
        known[target] = await _existing(session, target, keys)
    if entity in known:
        known[entity].update(row[entity.key] for row in rows if entity.key in row)
    bad = BadRows(loc)
    for index, (row, choices) in enumerate(zip(rows, held, strict=True)):
        wrong = [
            entry(MissingReference.code, (name,), f"There is no {chosen[name].name} {row[name]}", input=row[name])
            for name, key in choices.items()
            if key not in known[chosen[name]]
        ]
        with bad.at(index):
            if wrong:
                raise Misfits(wrong)
    bad.raise_if_any()


async def _existing(session: PlanarSession, target: RegisteredEntity, keys: set[Any]) -> set[Any]:
    """Those of *keys* that are of rows which are there."""
    found: set[Any] = set()
    key, in_order = target.fields[target.key].column, list(keys)
    for start in range(0, len(in_order), CHUNK):
        query = select(key).where(key.in_(in_order[start : start + CHUNK]))
        if target.options.soft_delete:
            query = query.where(target.fields[DELETED_AT].column.is_(None))
        found.update((await (await session.connection()).execute(query)).scalars())
    return found
