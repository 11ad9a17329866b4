"""What did a statement change that writes many rows at once? `insert`, `update` and `delete` of a table with a history.

An UPDATE or DELETE is executed for the rows that were read and locked before it, and for no other: one that somebody else adds
meanwhile is as if it came a moment later. The changed rows are held in memory until the statement is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Delete, Insert, Result, Update
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm.context import FromStatement

from planar.db.history.flushes import label_of
from planar.db.history.models import ChangeAction
from planar.db.history.recording import Change, described, record, write
from planar.db.history.rows import Row, have_keys, read_matching, read_rows
from planar.db.history.tracking import Key, Tracked, tracked_table


def on_execute(state: ORMExecuteState) -> Result[Any] | None:
    """Execute a statement that writes, and record what it changed; None leaves any other to the session."""
    if state.is_select or not (state.is_insert or state.is_update or state.is_delete):
        return None
    statement = _written_statement(state)
    tracked = tracked_table(statement.table)
    if tracked is None:
        return None
    if state.session.autoflush:
        state.session.flush()
    connection = state.session.connection()
    if isinstance(statement, Insert):
        return _insert(state, connection, tracked, statement)
    return _change(state, connection, tracked, statement)


def _written_statement(state: ORMExecuteState) -> Insert | Update | Delete:
    statement: Any = state.statement
    return cast("Insert | Update | Delete", statement.element if isinstance(statement, FromStatement) else statement)


def _change(state: ORMExecuteState, connection: Connection, tracked: Tracked, statement: Update | Delete) -> Result[Any]:
    before = _before(state, connection, tracked, statement)
    result = state.invoke_statement(_restricted(state, connection, tracked, statement, list(before)))
    after = _after(connection, tracked, statement, before, result)
    record(connection, (Change(tracked, key, row, after.get(key)) for key, row in before.items()), label_of(state.session))
    return result


def _before(state: ORMExecuteState, connection: Connection, tracked: Tracked, statement: Update | Delete) -> dict[Key, Row]:
    if _by_key(state, statement):
        rows = cast("Sequence[Mapping[str, Any]]", state.parameters)
        keys = [tuple(row[name] for name in tracked.key_names) for row in rows if all(name in row for name in tracked.key_names)]
        return read_rows(connection, tracked, set(keys), lock=True)
    found: dict[Key, Row] = {}
    for parameters in state.parameters if isinstance(state.parameters, Sequence) else [state.parameters]:
        found.update(read_matching(connection, tracked, statement.whereclause, parameters))
    return found


def _after(
    connection: Connection, tracked: Tracked, statement: Update | Delete, before: Mapping[Key, Row], result: Result[Any]
) -> dict[Key, Row]:
    """What the rows hold now; a row that is gone is left out."""
    if isinstance(statement, Delete) and getattr(result, "rowcount", -1) == len(before):
        return {}
    return read_rows(connection, tracked, before, lock=False)


def _by_key(state: ORMExecuteState, statement: Update | Delete) -> bool:
    """Whether it is an UPDATE of a list of rows, each with its key."""
    return state.is_orm_statement and isinstance(state.parameters, Sequence) and statement.whereclause is None


def _restricted(state: ORMExecuteState, connection: Connection, tracked: Tracked, statement: Update | Delete, keys: list[Key]) -> Any:
    """The statement for the rows that were read. On SQLite nobody else writes meanwhile, so that it need not say so."""
    if connection.dialect.name == "sqlite" or _by_key(state, statement) or statement is not state.statement:
        return None
    return statement.where(have_keys(tracked, keys))


# -- inserts --------------------------------------------------------------------------------------------------------------


def _insert(state: ORMExecuteState, connection: Connection, tracked: Tracked, statement: Insert) -> Result[Any]:
    conflict = getattr(statement, "_post_values_clause", None)
    rows = _with_keys(state, tracked) if conflict is None and _has_no_values(statement) else None
    if rows is not None:
        result = state.invoke_statement(params=cast("Any", rows))
        names = _key_parameters(state, tracked)
        keys = [tuple(row[name] for name in names) for row in rows]
    else:
        result, keys = _learn_keys(state, tracked, statement)
    after = read_rows(connection, tracked, keys, lock=False)
    described_rows = [described(Change(tracked, key, None, row)) for key, row in after.items()]
    # Which of the rows were there before, and what they held, no database tells.
    action = ChangeAction.CREATE if getattr(conflict, "update_values_to_set", None) is None else ChangeAction.UPDATE
    write(connection, [{**row, "action": action} for row in described_rows if row is not None], label_of(state.session))
    return result


def _has_no_values(statement: Insert) -> bool:
    """Whether all values of its rows are parameters."""
    held: Any = statement
    return not (held._values or held._multi_values) and statement.select is None


def _with_keys(state: ORMExecuteState, tracked: Tracked) -> list[dict[str, Any]] | None:
    """The rows of the statement, each with a key made here; None if the database makes them."""
    given = state.parameters
    if not given:
        return None
    rows = [dict(row) for row in (given if isinstance(given, Sequence) else [given])]
    for name, column in zip(_key_parameters(state, tracked), tracked.keys, strict=True):
        make: Any = column.default
        for row in rows:
            if name not in row:
                if make is None or not make.is_callable:
                    return None
                row[name] = make.arg(None)
    return rows


def _key_parameters(state: ORMExecuteState, tracked: Tracked) -> Sequence[str]:
    """How the statement's rows name the key: an entity's attributes, or a table's columns."""
    return tracked.key_names if state.is_orm_statement else [column.key for column in tracked.keys]


def _learn_keys(state: ORMExecuteState, tracked: Tracked, statement: Insert) -> tuple[Result[Any], list[Key]]:
    """Execute the statement, and have the database tell the keys of its rows beside what it tells anyway."""
    if statement is not state.statement:
        frozen = state.invoke_statement().freeze()
        found = [each for row in frozen().all() for each in row if isinstance(each, tracked.entity)]
        return frozen(), [tuple(getattr(each, name) for name in tracked.key_names) for each in found]
    attributes = [getattr(tracked.entity, name) for name in tracked.key_names] if state.is_orm_statement else tracked.keys
    frozen = state.invoke_statement(statement.returning(*attributes)).freeze()
    rows, width = frozen().all(), len(tracked.keys)
    keys = [tuple(row[-width:]) for row in rows]
    asked = len(frozen().keys()) - width
    result: Any = frozen()
    if not asked:
        result.rowcount = len(rows)
        return result, keys
    return result.columns(*range(asked)), keys
