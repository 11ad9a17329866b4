"""Which runs use a file? Those that were started with it over HTTP, and the one that stored it.

Not known are files that stand only in the result of a step or a run, and the arguments of runs that code started and not a request.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, case, or_, select
from sqlmodel import col

from planar.clock import utc_now
from planar.db.session import PlanarSession
from planar.engine.core.model import ENDED
from planar.engine.store.tables import Workflow
from planar.files.models import PlanarFileMetadata, PlanarFileUse
from planar.files.statements import rows
from planar.files.uses import MOST_REFERENCES, Permission, Reference, ReferenceKind
from planar.security.actions import WorkflowAction
from planar.security.resources import WorkflowResource

COMING: Final = timedelta(hours=1)
"""For how long a run that is about to start is believed to come."""


async def uses_by_runs(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    """The runs that are tied to *file*, first those that need it still."""
    run_id, name, status = col(Workflow.id), col(Workflow.function_name), col(Workflow.status)
    used_by = col(PlanarFileUse.run_id)
    # A use is written before its run; one whose run never came is forgotten in time.
    is_coming = and_(run_id.is_(None), used_by >= _first_id(utc_now() - COMING))
    in_use = or_(is_coming, status.not_in(ENDED))
    started = (
        select(used_by, name, col(PlanarFileUse.place), in_use)
        .join(Workflow, run_id == used_by, isouter=True)
        .where(col(PlanarFileUse.file_id) == file.id, or_(is_coming, run_id.is_not(None)))
        # Those that have ended must not crowd out one that has not.
        .order_by(case((in_use, 0), else_=1), used_by.desc())
        .limit(MOST_REFERENCES)
    )
    found = [
        Reference(ReferenceKind.RUN, name or "", str(run_id), place, bool(needed), _to_see(name))
        for run_id, name, place, needed in await rows(session, started)
    ]
    return [*found, *await _maker(session, file)]


async def _maker(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    """The run that stored *file*, if one did."""
    if file.run_id is None:
        return []
    place = "" if file.step_id is None else f"step {file.step_id}"
    query = select(col(Workflow.id), col(Workflow.function_name)).where(col(Workflow.id) == file.run_id)
    return [
        Reference(ReferenceKind.MADE_BY, name, str(maker), place, in_use=False, needs=_to_see(name))
        for maker, name in await rows(session, query)
    ]


def _to_see(workflow: str | None) -> Permission:
    return Permission(WorkflowResource(workflow), WorkflowAction.VIEW_DETAILS)


def _first_id(moment: datetime) -> UUID:
    """The lowest id that a run can have which was made at *moment*: ids begin with the milliseconds."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
