"""What do rows hold, in this transaction? Read for a change that is about to be made, or was just made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar, cast

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, any_, bindparam, select, tuple_

from planar.db.history.tracking import Key, Tracked

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]
"""The values of a row, by the names of attributes."""

PORTION: Final = 500
"""How many keys one statement looks for."""
MOST_LISTED: Final = 10_000
"""How many keys can be listed in a statement; more go as one array, which only PostgreSQL has."""


def read_rows(connection: Connection, tracked: Tracked, keys: Iterable[Key], *, lock: bool) -> dict[Key, Row]:
    """The rows with these keys; those that are not there are left out.

    Args:
        connection: where the change is made.
        tracked: the table.
        keys: which rows.
        lock: whether nobody else may change them until the transaction ends.
    """
    found: dict[Key, Row] = {}
    for portion in portions(sorted(keys, key=repr), PORTION):
        found.update(_rows(connection, tracked, _select(tracked, lock=lock).where(have_keys(tracked, portion)), None))
    return found


def read_matching(connection: Connection, tracked: Tracked, where: ColumnElement[bool] | None, parameters: Any) -> dict[Key, Row]:
    """The rows that meet *where*, locked; *parameters* are those of the statement that is about to change them."""
    query = _select(tracked, lock=True)
    return _rows(connection, tracked, query if where is None else query.where(where), parameters)


def have_keys(tracked: Tracked, keys: Sequence[Key]) -> ColumnElement[bool]:
    """The condition that a row has one of *keys*."""
    if len(tracked.keys) > 1:
        return tuple_(*tracked.keys).in_(keys)
    column = next(iter(tracked.keys))
    values = [key[0] for key in keys]
    if len(values) > MOST_LISTED:
        return column == any_(cast("Any", bindparam(None, values, ARRAY(column.type))))
    return column.in_(values)


def portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """*items* in lists of *size*."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def _select(tracked: Tracked, *, lock: bool) -> Select[*tuple[Any, ...]]:
    columns = [*(column.label(f"key_{place}") for place, column in enumerate(tracked.keys))]
    columns += [column.label(f"value_{place}") for place, column in enumerate(tracked.columns.values())]
    query = cast("Select[*tuple[Any, ...]]", select(*columns).select_from(tracked.table))
    # In the order of keys, so that two who lock the same rows do not wait for each other in a circle. A row whose key is not
    # changed may be referred to meanwhile, as with an UPDATE.
    return query.order_by(*tracked.keys).with_for_update(key_share=True, of=tracked.table) if lock else query


def _rows(connection: Connection, tracked: Tracked, query: Select[*tuple[Any, ...]], parameters: Any) -> dict[Key, Row]:
    names, width = tuple(tracked.columns), len(tracked.keys)
    rows = connection.execute(query, parameters)
    return {tuple(row[:width]): dict(zip(names, row[width:], strict=True)) for row in rows}
