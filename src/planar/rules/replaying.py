"""What would a draft have decided? The newest recorded decisions of a rule, decided again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy
from pydantic import BaseModel
from sqlalchemy import Result, Table

from planar.clock import SYSTEM_CLOCK
from planar.db.session import get_session
from planar.engine.errors import EngineError
from planar.rules.case_service import LONGEST_SECONDS, json_of, refusal_of
from planar.rules.compiled import CompiledGraph
from planar.rules.deciding import Permit, compiled_draft, evaluate_compiled
from planar.rules.errors import RuleError, RuleSandboxBusy, RuleTimeout
from planar.rules.graph import JDMGraph
from planar.rules.outcomes import Difference, differences
from planar.rules.registration import RuleDefinition
from planar.rules.schemas import ReplayChange, ReplayReport
from planar.workflows.models import StepStatus, StepType, WorkflowStep

SEARCHED: Final = 100_000
"""How many of the newest steps of all runs are looked through for decisions of a rule."""

YIELD_EACH: Final = 20
"""After so many decisions others have their turn."""

_STEPS: Final[Table] = getattr(WorkflowStep, "__table__")  # noqa: B009 - the class does not declare it
_NAMES: Final = ("workflow_id", "step_id", "step_type", "qualname", "status", "args", "kwargs", "result", "updated_at")
_COLUMNS: Final = tuple(_STEPS.c[name] for name in _NAMES)


@dataclass(frozen=True, slots=True)
class Decision:
    """A recorded decision: where, what came in and what went out (None if it failed)."""

    workflow_id: UUID
    step_id: int
    decided_at: datetime
    value: BaseModel
    result: BaseModel | None


async def replay(definition: RuleDefinition, graph: JDMGraph, last: int, permit: Permit) -> ReplayReport:
    """Decide the *last* recorded decisions of a rule again, with *graph*; *permit* as for `compiled_draft`.

    Raises:
        RuleEvaluationFailed: *graph* asks a rule that has no graph.
        RuleSandboxBusy: too many wait for their turn.
    """
    draft = await compiled_draft(definition, graph, permit)
    rows, complete = await _recorded(definition, last)
    decisions = [decision for row in rows if (decision := _decision(definition, row)) is not None]
    changes: list[ReplayChange] = []
    replayed, began = 0, SYSTEM_CLOCK.monotonic()
    for decision in decisions:
        if SYSTEM_CLOCK.monotonic() - began > LONGEST_SECONDS:
            complete = False
            break
        replayed += 1
        if replayed % YIELD_EACH == 0:
            await asyncio.sleep(0)
        change = await _change(definition, draft, decision)
        if change is not None:
            changes.append(change)
            if change.error is not None and change.error.code == RuleTimeout.code:
                complete = False  # each further one would take as long
                break
    return ReplayReport(replayed=replayed, changed=len(changes), unreadable=len(rows) - len(decisions), complete=complete, changes=changes)


async def _change(definition: RuleDefinition, draft: CompiledGraph, decision: Decision) -> ReplayChange | None:
    """How the draft decides otherwise; None if it does not."""
    before = json_of(decision.result) if decision.result is not None else None
    change = ReplayChange(
        workflow_id=decision.workflow_id,
        step_id=decision.step_id,
        decided_at=decision.decided_at,
        input=json_of(decision.value),
        before=before,
        after=None,
    )
    try:
        result, _ = await evaluate_compiled(definition, draft, decision.value)
    except RuleSandboxBusy:
        raise  # it says nothing of the draft
    except RuleError as error:
        return None if decision.result is None else change.model_copy(update={"error": refusal_of(error)})
    if decision.result is None:
        return change.model_copy(update={"after": json_of(result)})
    found = [
        Difference(field=each.field, expected=each.actual, actual=each.expected) for each in differences(decision.result, json_of(result))
    ]
    return change.model_copy(update={"after": json_of(result), "differences": found}) if found else None


async def _recorded(definition: RuleDefinition, last: int) -> tuple[Sequence[Any], bool]:
    """The newest steps of the rule, and whether all that were asked for were found, or there are no more."""
    # The newest runs have the highest ids, and steps stand in the order of these: only so many are looked at.
    newest = sqlalchemy.select(*_COLUMNS).order_by(_STEPS.c.workflow_id.desc()).limit(SEARCHED).subquery()
    qualname = definition.source.partition(":")[2]
    query = (
        sqlalchemy.select(newest)
        .where(newest.c.step_type == StepType.RULE, newest.c.qualname == qualname, newest.c.status != StepStatus.RUNNING)
        .order_by(newest.c.workflow_id.desc(), newest.c.step_id.desc())
        .limit(last)
    )
    session = get_session()
    found = cast("Result[Any]", await session.exec(cast("Any", query))).all()
    if len(found) == last:
        return found, True
    beyond = sqlalchemy.select(_STEPS.c.step_id).order_by(_STEPS.c.workflow_id.desc()).offset(SEARCHED).limit(1)
    return found, cast("Result[Any]", await session.exec(cast("Any", beyond))).first() is None


def _decision(definition: RuleDefinition, row: Any) -> Decision | None:
    """A step as a decision; None if it does not fit the code any more."""
    codec = definition.function.codec
    try:
        args, kwargs = codec.load_call(json.dumps(row.args or []), json.dumps(row.kwargs or {}))
        (value,) = codec.signature.bind(*args, **kwargs).arguments.values()
        result = codec.load_result(json.dumps(row.result)) if row.status == StepStatus.SUCCEEDED else None
    except (EngineError, TypeError, ValueError):
        return None
    return Decision(row.workflow_id, row.step_id, row.updated_at, value, result)
