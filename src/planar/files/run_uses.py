"""Which runs use a file? Those that were started with it over HTTP, those in progress that hold it, and the one that stored it.

What steps and code hand on is recorded nowhere: that would cost each step that has no file. It is looked for when somebody asks, in the
journals of the runs in progress. An event holds nothing until a run has taken it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, or_, select, type_coerce
from sqlmodel import col

from planar.clock import utc_now
from planar.db.session import PlanarSession
from planar.engine.core.model import ENDED
from planar.engine.store.tables import WORKFLOW_CLAIM, WORKFLOW_RUN, Workflow, WorkflowStep
from planar.files.models import PlanarFileMetadata, PlanarFileUse
from planar.files.statements import rows
from planar.files.uses import MOST_REFERENCES, Permission, Reference, ReferenceKind
from planar.security.actions import WorkflowAction
from planar.security.resources import WorkflowResource

COMING: Final = timedelta(hours=1)
"""For how long a run that is about to start is believed to come."""
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""By how much the clocks of two processes may differ."""


async def uses_by_runs(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    """The runs that were started with *file* over HTTP, first those that need it still, and the one that stored it."""
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


async def uses_by_journals(session: PlanarSession, file: PlanarFileMetadata, since: datetime | None = None) -> list[Reference]:
    """The runs in progress in whose arguments, or in whose recorded results, the id of *file* stands; all of these are looked at.

    With *since* only runs that were started since then and steps that were recorded since then.
    """
    file_id = file.id
    claim, run = WORKFLOW_CLAIM.c, WORKFLOW_RUN.c
    who = (claim.run_id, claim.function_name)
    started = select(*who).join(WORKFLOW_RUN, run.id == claim.run_id).where(or_(_names(run.args, file_id), _names(run.kwargs, file_id)))
    stepped = (
        select(*who, col(WorkflowStep.step_id))
        .join(WorkflowStep, col(WorkflowStep.workflow_id) == claim.run_id)
        .where(_names(col(WorkflowStep.result), file_id))
    )
    if since is not None:
        # The moments are those of the processes that wrote.
        begun = since - CLOCKS_DIFFER
        started = started.where(claim.run_id >= _first_id(begun))
        stepped = stepped.where(col(WorkflowStep.updated_at) >= begun)
    places: dict[tuple[UUID, str], str] = {}
    for run_id, name in await rows(session, started.limit(MOST_REFERENCES)):
        places[run_id, name] = "arguments"
    for run_id, name, step in await rows(session, stepped.limit(MOST_REFERENCES)):
        places.setdefault((run_id, name), f"step {step}")
    return [
        Reference(ReferenceKind.RUN, name, str(run_id), place, in_use=True, needs=_to_see(name)) for (run_id, name), place in places.items()
    ]


def _names(column: Any, file_id: UUID) -> ColumnElement[bool]:
    """Whether the id stands in a JSON value."""
    return type_coerce(column, Text).like(f'%"{file_id}"%')


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
