"""Which version does a run use, with all that it started? The one that was active when the first of them asked; written down then."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Integer, String, Uuid, bindparam, select, text
from uuid_utils.compat import uuid7

from planar.clock import utc_now
from planar.db.session import PlanarSession
from planar.db.types import UTCDateTime
from planar.engine.core.model import Run
from planar.object_config.reading import ActiveVersion, find_active
from planar.object_config.statements import PINS, USES, changed, first
from planar.object_config.storing import ObjectKey

_ROOT: Final = """
with recursive above(id, height) as (
    select cast(:parent_id as {uuid}), 0
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

_TYPES: Final[dict[str, Any]] = {
    "id": Uuid(),
    "root_run_id": Uuid(),
    "run_id": Uuid(),
    "step_id": Integer(),
    "object_type": String(),
    "object_name": String(),
    "config_id": Uuid(),
    "version": Integer(),
    "pins": Boolean(),
    "used_at": UTCDateTime(),
}


async def root_of(session: PlanarSession, run: Run) -> UUID:
    """The run at the top of those that started *run*; *run* itself, if none did."""
    if run.parent_id is None:
        return run.id
    is_sqlite = session.dialect.name == "sqlite"
    words = _ROOT.format(planar="" if is_sqlite else "planar.", uuid="char(32)" if is_sqlite else "uuid")
    statement = text(words).bindparams(bindparam("parent_id", run.parent_id, Uuid())).columns(id=Uuid())
    return (await first(session, statement))[0]


async def find_pin(session: PlanarSession, root_id: UUID, key: ObjectKey) -> tuple[ActiveVersion | None] | None:
    """What is written down for the run at the top, in a tuple, for it may be the code's own; None if nothing is."""
    query = select(USES.c.config_id, USES.c.version).where(
        USES.c.root_run_id == root_id, USES.c.object_type == key.object_type, USES.c.object_name == key.object_name, PINS
    )
    row = await first(session, query)
    return None if row is None else (None if row.config_id is None else ActiveVersion(row.config_id, row.version),)


async def pin(session: PlanarSession, root_id: UUID, run_id: UUID, step_id: int | None, key: ObjectKey) -> ActiveVersion | None:
    """What is written down for the run at the top; if nothing is, what is active now is. Of two at once, both get the first one's."""
    pinned = await find_pin(session, root_id, key)
    if pinned is None:
        active = await find_active(session, key.object_type, key.object_name)
        if await changed(session, _pin_statement(session, use_of(root_id, run_id, step_id, key, active, pins=True))):
            return active
        # Somebody else was first, and has committed: on PostgreSQL the insert has waited for that.
        pinned = await find_pin(session, root_id, key)
    return active_of(pinned)


def active_of(pinned: tuple[ActiveVersion | None] | None) -> ActiveVersion | None:
    """The version in what `find_pin` gave."""
    if pinned is None:
        raise LookupError("a use that was written down is gone")
    return pinned[0]


def use_of(
    root_id: UUID, run_id: UUID, step_id: int | None, key: ObjectKey, version: ActiveVersion | None, *, pins: bool
) -> dict[str, Any]:
    """A row of ``object_configuration_use``."""
    return {
        "id": uuid7(),
        "root_run_id": root_id,
        "run_id": run_id,
        "step_id": step_id,
        "object_type": key.object_type,
        "object_name": key.object_name,
        "config_id": version.id if version is not None else None,
        "version": version.version if version is not None else 0,
        "pins": pins,
        "used_at": utc_now(),
    }


def _pin_statement(session: PlanarSession, row: dict[str, Any]) -> Any:
    planar = "" if session.dialect.name == "sqlite" else "planar."
    return text(_PIN.format(planar=planar)).bindparams(*(bindparam(name, value, _TYPES[name]) for name, value in row.items()))
