"""Which versions did a run use, and which one did a step of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select

from planar.db.session import PlanarSession
from planar.object_config.pinning import root_of
from planar.object_config.statements import PINS, USES, rows
from planar.object_config.storing import ObjectKey

MOST_SHOWN = 1000


async def uses_of(session: PlanarSession, run_id: UUID) -> Sequence[Any]:
    """The rows of ``object_configuration_use`` that say what a run uses: those of its root, and those of its own steps; oldest first."""
    root_id = await root_of(session, run_id)
    query = select(*USES.c).where(_concern(root_id, run_id)).order_by(USES.c.id).limit(MOST_SHOWN)
    return await rows(session, query)


@dataclass(frozen=True, slots=True)
class VersionsUsed:
    """Which versions a run's steps used; 0 is the code's own."""

    pinned: Mapping[ObjectKey, int]
    by_step: Mapping[tuple[int, ObjectKey], int]

    def of_step(self, step_id: int, object_type: str, object_name: str) -> int | None:
        """The version that a step, which is known to have used the object, used; None if nothing was ever recorded."""
        key = ObjectKey(object_type, object_name)
        return self.by_step.get((step_id, key), self.pinned.get(key))


async def versions_used(session: PlanarSession, run_id: UUID) -> VersionsUsed:
    """Which versions the steps of a run used: one look for all of them."""
    pinned: dict[ObjectKey, int] = {}
    by_step: dict[tuple[int, ObjectKey], int] = {}
    for row in await uses_of(session, run_id):
        key = ObjectKey(row.object_type, row.object_name)
        if row.pins:
            pinned[key] = row.version
        else:
            by_step[row.step_id, key] = row.version
    return VersionsUsed(pinned, by_step)


def _concern(root_id: UUID, run_id: UUID) -> Any:
    return or_(and_(USES.c.root_run_id == root_id, PINS), and_(USES.c.run_id == run_id, USES.c.pins.is_(False)))
