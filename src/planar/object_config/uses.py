"""Which versions did a run use, and which one did a step of it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select

from planar.db.session import PlanarSession
from planar.object_config.pinning import root_of
from planar.object_config.statements import PINS, USES, first, rows
from planar.object_config.storing import ObjectKey

MOST_SHOWN = 1000


async def uses_of(session: PlanarSession, run_id: UUID) -> Sequence[Any]:
    """The rows of ``object_configuration_use`` that say what a run uses: those of its root, and those of its own steps; oldest first."""
    root_id = await root_of(session, run_id)
    query = select(*USES.c).where(_concern(root_id, run_id)).order_by(USES.c.id).limit(MOST_SHOWN)
    return await rows(session, query)


async def version_used(session: PlanarSession, run_id: UUID, step_id: int, key: ObjectKey) -> int | None:
    """The version of an object that a step used, which is known to have used one: what it recorded itself, else what its run uses.

    Returns:
        Its number, 0 for the code's own; None if nothing was ever recorded.
    """
    root_id = await root_of(session, run_id)
    query = (
        select(USES.c.version)
        .where(
            _concern(root_id, run_id),
            or_(PINS, USES.c.step_id == step_id),
            USES.c.object_type == key.object_type,
            USES.c.object_name == key.object_name,
        )
        .order_by(USES.c.pins, USES.c.id.desc())
        .limit(1)
    )
    row = await first(session, query)
    return None if row is None else row.version


def _concern(root_id: UUID, run_id: UUID) -> Any:
    return or_(and_(USES.c.root_run_id == root_id, PINS), and_(USES.c.run_id == run_id, USES.c.pins.is_(False)))
