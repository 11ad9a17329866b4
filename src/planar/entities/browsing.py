"""What may a caller look at, and in which form? Lists, single rows, groups and choices, from the text of a request to shown rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from pydantic_core import to_jsonable_python
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from planar.db.session import get_session
from planar.db.unfit_tables import lacks_declared, present_columns
from planar.entities.cursors import read_cursor
from planar.entities.describing import Description, describe
from planar.entities.etags import etag_of
from planar.entities.filters import Scope, parse_expand, parse_fields, parse_filters, parse_groups, parse_sort
from planar.entities.listing import Rows, count_all, count_groups, count_rows, find_place, select_groups, select_page
from planar.entities.querying import Deleted, Selection, by_key
from planar.entities.references import Ties, expand, label_of, references_of
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.entities.service import all_relations, visible_entities, visible_relations
from planar.entities.shaping import shape_of
from planar.entities.validation import entry
from planar.modeling.errors import Misfits
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA
from planar.modeling.texts import text_misfit

DEFAULT_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class View:
    """In which form rows are shown.

    Args:
        fields: names separated by commas; None shows all.
        expand: relations separated by commas.
        expand_limit: how many rows of each are shown at most.
        references: whether what rows refer to is shown with labels.
    """

    fields: str | None = None
    expand: str | None = None
    expand_limit: int = 20
    references: bool = True


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list as it is asked for.

    Args:
        filters: as `planar.entities.filters` reads them.
        sort: names separated by commas, each with a minus for the largest first.
        search: words that some text of a row has to hold.
        deleted: whether rows count that are marked as deleted.
        after: the cursor of the page before.
        offset: how many to leave out.
        limit: how many at most; None for 100, or fewer if the entity says so.
        total: whether to count them all.
    """

    filters: Sequence[str] = ()
    sort: str | None = None
    search: str | None = None
    deleted: Deleted = Deleted.EXCLUDE
    after: str | None = None
    offset: int = 0
    limit: int | None = None
    total: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, in the form that is shown."""

    items: list[dict[str, Any]]
    total: int | None
    offset: int
    limit: int
    next: str | None = None

    def shown(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


_described: WeakKeyDictionary[RegisteredEntity, tuple[tuple[str, ...], Description]] = WeakKeyDictionary()


def description_of(entity: RegisteredEntity) -> Description:
    """The entity's schemas; made again only when there is another entity that it is tied to."""
    relations = all_relations(entity)
    known = _described.get(entity)
    if known is None or known[0] != tuple(relations):
        known = _described[entity] = (tuple(relations), describe(entity, relations))
    return known[1]


async def overview(*, counts: bool) -> list[tuple[RegisteredEntity, int | None]]:
    """The entities that the caller may list, by name, each with the number of its rows if *counts*; one statement for all.

    One that cannot be counted, as its table is not as its class says, has no number.
    """
    entities = visible_entities()
    found = await _counts(entities) if counts else {}
    return [(entity, found.get(entity.name)) for entity in entities]


async def count_of(entity: RegisteredEntity) -> int | None:
    """How many rows the entity has; None if its table is not as its class says, so that they cannot be counted."""
    return (await _counts([entity])).get(entity.name)


async def _counts(entities: Sequence[RegisteredEntity]) -> dict[str, int]:
    session = get_session()
    try:
        return await count_all(session, entities)
    except DBAPIError as error:
        if not lacks_declared(error, PLANAR_APPLICATION_METADATA):
            raise
    await session.rollback()
    there = await present_columns(session, [entity.table for entity in entities])
    whole = [entity for entity in entities if {(entity.table.fullname, column.name) for column in entity.table.columns} <= there]
    return await count_all(session, whole)


async def list_instances(entity: RegisteredEntity, asked: ListRequest, view: View) -> Page:
    """A page of rows.

    Raises:
        Misfits: something in the request names what there is not; the entries say what there is.
    """
    limit = _limit(entity, asked.limit)
    relations = visible_relations(entity)
    selection = _selection(entity, relations, asked)
    # All that can be wrong is told of before anything is read.
    shower = _Shower(entity, relations, view)
    rows = await _page(entity, relations, selection, asked, limit)
    total = await count_rows(get_session(), entity, selection) if asked.total else None
    return Page(await shower.show(rows.items), total, asked.offset, limit, rows.next)


async def show_instance(entity: RegisteredEntity, row: SQLModel, view: View) -> dict[str, Any]:
    """A row as it is shown.

    Raises:
        Misfits: the view names what there is not.
    """
    (shown,) = await _Shower(entity, visible_relations(entity), view).show([row])
    return shown


async def show_instances(entity: RegisteredEntity, rows: Sequence[SQLModel]) -> list[dict[str, Any]]:
    """Rows as they are shown, without what they refer to."""
    return await _Shower(entity, {}, View(references=False)).show(rows)


async def list_options(entity: RegisteredEntity, asked: ListRequest) -> Page:
    """Rows to choose from: keys and labels, in the order of their labels.

    Raises:
        Misfits: something in the request names what there is not.
    """
    limit = _limit(entity, asked.limit)
    selection = _selection(entity, visible_relations(entity), asked)
    orders = parse_sort(entity.display_field, Scope(entity, {})) if _has_order(entity) else []
    rows = await select_page(get_session(), entity, selection, orders, limit=limit, offset=asked.offset)
    total = await count_rows(get_session(), entity, selection) if asked.total else None
    items = [{"id": str(getattr(row, entity.key)), "label": label_of(entity, row)} for row in rows.items]
    return Page(items, total, asked.offset, limit)


async def list_groups(entity: RegisteredEntity, by: str, asked: ListRequest) -> Page:
    """How many rows there are of each combination of values, the most frequent first.

    Raises:
        Misfits: something in the request names what there is not.
    """
    limit = _limit(entity, asked.limit)
    fields = parse_groups(by, entity)
    selection = _selection(entity, visible_relations(entity), asked)
    session = get_session()
    groups = await select_groups(session, entity, fields, selection, limit=limit, offset=asked.offset)
    total = await count_groups(session, entity, fields, selection) if asked.total else None
    names = [field.name for field in fields]
    items = [{"values": dict(zip(names, to_jsonable_python(group.values), strict=True)), "count": group.count} for group in groups]
    return Page(items, total, asked.offset, limit)


class _Shower:
    """Shows rows of an entity in the form of a view; what is wrong with the view is said when it is made."""

    def __init__(self, entity: RegisteredEntity, relations: dict[str, Relation], view: View) -> None:
        self._entity = entity
        self._view = view
        self._expanded = parse_expand(view.expand, relations)
        self._allowed = {relation.target.name for relation in relations.values()}
        self._fields = parse_fields(view.fields, entity)

    async def show(self, rows: Sequence[SQLModel]) -> list[dict[str, Any]]:
        """*rows* as they are shown."""
        shape = shape_of(self._entity, self._fields)
        shown = [_instance(self._entity, row, shape) for row in rows]
        if self._view.references:
            held = [relation for relation in all_relations(self._entity).values() if relation.holds_key and self._shows(relation)]
            found = await references_of(get_session(), held, rows, self._allowed)
            for item, references in zip(shown, found, strict=True):
                item["references"] = {name: None if tied is None else asdict(tied) for name, tied in references.items()}
        for relation in self._expanded:
            ties = await expand(get_session(), self._entity, relation, rows, self._view.expand_limit if relation.many else 1)
            shape_tied = shape_of(relation.target)
            for item, tied in zip(shown, ties, strict=True):
                item.setdefault("expanded", {})[relation.name] = _tied(relation, tied, shape_tied)
        return shown

    def _shows(self, relation: Relation) -> bool:
        field = self._entity.fields[relation.local]
        return not field.hidden and (self._fields is None or relation.local in self._fields)


def _instance(entity: RegisteredEntity, row: SQLModel, shape: Any) -> dict[str, Any]:
    return {"id": str(getattr(row, entity.key)), "entity_name": entity.name, "data": shape(row), "etag": etag_of(entity, row)}


def _tied(relation: Relation, ties: Ties, shape: Any) -> Any:
    items = [_instance(relation.target, row, shape) for row in ties.rows]
    if relation.many:
        return {"items": items, "more": ties.more}
    return items[0] if items else None


async def _page(entity: RegisteredEntity, relations: dict[str, Relation], selection: Selection, asked: ListRequest, limit: int) -> Rows:
    orders = parse_sort(asked.sort, Scope(entity, relations))
    cursor = None
    if asked.after is not None:
        try:
            cursor = await find_place(get_session(), entity, orders, read_cursor(asked.after, entity.name, by_key(orders, entity)))
        except ValueError as error:
            raise Misfits([entry("value_error", ("query", "after"), str(error))]) from None
    return await select_page(get_session(), entity, selection, orders, limit=limit, offset=asked.offset, cursor=cursor)


def _selection(entity: RegisteredEntity, relations: dict[str, Relation], asked: ListRequest) -> Selection:
    if asked.search is not None:
        message = text_misfit(asked.search)
        if message is not None:
            raise Misfits([entry("value_error", ("query", "search"), message)])
    return Selection(tuple(parse_filters(asked.filters, Scope(entity, relations))), asked.search, asked.deleted)


def _limit(entity: RegisteredEntity, limit: int | None) -> int:
    most = entity.options.max_page
    if limit is None:
        return min(DEFAULT_LIMIT, most)
    if limit > most:
        raise Misfits([entry("less_than_equal", ("query", "limit"), f"Input should be less than or equal to {most}", input=limit)])
    return limit


def _has_order(entity: RegisteredEntity) -> bool:
    return entity.display_field is not None
