"""Which version does a run use, with all that it started? The one that was active when the first of them asked; written down then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from planar.clock import utc_now
from planar.db.session import PlanarSession
from planar.object_config.reading import ActiveVersion, find_active
from planar.object_config.statements import PINS, USES, first, rows
from planar.object_config.storing import ObjectKey

_ROOT: Final = """
with recursive above(id, height) as (
    select cast(:run_id as {uuid}), 0
    union all
    select r.parent_id, above.height + 1 from above join {planar}workflow_run r on r.id = above.id where r.parent_id is not null
)
select id from above order by height desc limit 1
"""
"""The run at the top. The row of one that is gone is not needed to know it."""

_PIN: Final = """
insert into {planar}object_configuration_use
    (id, root_run_id, run_id, step_id, object_type, object_name, config_id, version, pins, used_at)
values (:id, :root_run_id, :run_id, :step_id, :object_type, :object_name, :config_id, :version, :pins, :used_at)
on conflict (root_run_id, object_type, object_name) where pins do nothing
"""

_LOCK_NOT_AVAILABLE: Final = "55P03"

_PARAMETERS: Final = [bindparam(column.name, type_=column.type) for column in USES.c]


async def root_of(session: PlanarSession, run_id: UUID) -> UUID:
    """The run at the top of those that started the one named; that itself, if none did."""
    is_sqlite = session.dialect.name == "sqlite"
    words = _ROOT.format(planar="" if is_sqlite else "planar.", uuid="char(32)" if is_sqlite else "uuid")
    statement = text(words).bindparams(bindparam("run_id", run_id, Uuid())).columns(id=Uuid())
    return (await first(session, statement))[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """A run, below the run *root_id* at the top, asks in its step *step_id* for the version of an object."""

    root_id: UUID
    run_id: UUID
    step_id: int | None
    key: ObjectKey

    @property
    def pin(self) -> tuple[UUID, ObjectKey]:
        """What is decided once."""
        return self.root_id, self.key


async def pinned_versions(
    session: PlanarSession, asked: Sequence[Asked], lock_milliseconds: int | None = None
) -> list[ActiveVersion | None]:
    """The version that each of *asked* gets: what is written down for the run at the top, else what is active, which is then written.

    Of several at once, here or in other processes, all get the first one's. A handful of statements, however many ask.

    Args:
        session: where to look and write.
        asked: who asks for what.
        lock_milliseconds: for how long to wait on PostgreSQL for somebody who has written the same and has not committed; by default
            until the end of that transaction.

    Raises:
        DBAPIError: as `is_held` tells: it took longer.
    """
    found = await _written(session, asked)
    missing = {each.pin: each for each in reversed(asked) if each.pin not in found}
    if missing:
        active = {key: await find_active(session, key.object_type, key.object_name) for key in {each.key for each in missing.values()}}
        # In one order everywhere, so that two processes that write the same ones do not wait for each other.
        rows = [use_of(each, active[each.key], pins=True) for _, each in sorted(missing.items(), key=lambda item: _order(item[1]))]
        connection = await session.connection()
        planar = "" if session.dialect.name == "sqlite" else "planar."
        if planar and lock_milliseconds is not None:
            await connection.execute(text(f"set local lock_timeout = {lock_milliseconds:d}"))
        await connection.execute(text(_PIN.format(planar=planar)).bindparams(*_PARAMETERS), rows)
        # Somebody else may have been first, and has committed: on PostgreSQL the insert has waited for that.
        found |= await _written(session, list(missing.values()))
    return [found[each.pin] for each in asked]


def is_held(error: BaseException) -> bool:
    """Whether *error* says that somebody has written the same and takes too long to commit."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def use_of(asked: Asked, version: ActiveVersion | None, *, pins: bool) -> dict[str, Any]:
    """A row of ``object_configuration_use``."""
    return {
        "id": uuid7(),
        "root_run_id": asked.root_id,
        "run_id": asked.run_id,
        "step_id": asked.step_id,
        "object_type": asked.key.object_type,
        "object_name": asked.key.object_name,
        "config_id": version.id if version is not None else None,
        "version": version.version if version is not None else 0,
        "pins": pins,
        "used_at": utc_now(),
    }


async def _written(session: PlanarSession, asked: Sequence[Asked]) -> dict[tuple[UUID, ObjectKey], ActiveVersion | None]:
    columns = (USES.c.root_run_id, USES.c.object_type, USES.c.object_name, USES.c.config_id, USES.c.version)
    roots = {each.root_id for each in asked}
    names = {each.key.object_name for each in asked}
    query = select(*columns).where(USES.c.root_run_id.in_(roots), USES.c.object_name.in_(names), PINS)
    return {
        (row.root_run_id, ObjectKey(row.object_type, row.object_name)): None
        if row.config_id is None
        else ActiveVersion(row.config_id, row.version)
        for row in await rows(session, query)
    }


def _order(asked: Asked) -> tuple[UUID, str, str]:
    return asked.root_id, asked.key.object_type, asked.key.object_name
