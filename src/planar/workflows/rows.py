"""An engine's value as the row that users know."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from planar.clock import utc_now
from planar.engine.core.model import Event, Run, RunStatus, StepRecord
from planar.workflows.models import Workflow, WorkflowEvent, WorkflowStep


def _json(text: str | None) -> Any:
    return json.loads(text) if text is not None else None


def workflow_of(run: Run, run_id: UUID | None = None, status: RunStatus | None = None) -> Workflow:
    """*run* as a row; it is not attached to a session."""
    return Workflow(
        id=run_id or run.id,
        function_name=run.workflow,
        parent_id=run.parent_id,
        status=status or run.status,
        args=_json(run.args),
        kwargs=_json(run.kwargs),
        result=_json(run.result),
        error=_json(run.error),
        principal=_json(run.principal),
        idempotency_key=run.idempotency_key,
        created_at=run.created_at,
        updated_at=run.created_at,
    )


def step_of(run_id: UUID, record: StepRecord) -> WorkflowStep:
    """*record* as a row; it is not attached to a session."""
    created = record.created_at or utc_now()
    return WorkflowStep(
        workflow_id=run_id,
        path=record.path,
        seq=record.seq,
        step_id=record.step_id,
        parent_step_id=record.parent_step_id,
        function_name=record.name,
        qualname=record.qualname,
        display_name=record.display_name,
        status=record.status,
        step_type=record.kind,
        args=_json(record.args),
        kwargs=_json(record.kwargs),
        result=_json(record.result),
        error=_json(record.error),
        sub_step_count=record.sub_step_count,
        retry_count=record.retry_count,
        wakeup_at=record.wakeup_at,
        child_id=record.child_id,
        event_seq=record.event_seq,
        created_at=created,
        updated_at=record.updated_at or created,
    )


def event_of(event: Event) -> WorkflowEvent:
    """*event* as a row; it is not attached to a session."""
    return WorkflowEvent(
        seq=event.seq or None,
        id=event.id,
        event_key=event.key,
        workflow_id=event.run_id,
        payload=_json(event.payload),
        timestamp=event.timestamp,
        idempotency_key=event.idempotency_key,
    )
