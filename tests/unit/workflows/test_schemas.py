"""What may be sent to workflow routes, and what their answers tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from planar.engine.core.model import Reason
from planar.workflows.models import WorkflowStatus
from planar.workflows.queries import Durations, RunStats
from planar.workflows.schemas import (
    MAX_DEPTH,
    CancelRequest,
    DurationStats,
    EventEmitRequest,
    RunError,
    RunReason,
    WorkflowDefinition,
    WorkflowRun,
    WorkflowRunStatusCounts,
    WorkflowStepInfo,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_every_reason_of_the_engine_can_be_told() -> None:
    assert {reason.value for reason in Reason} | {"running", "unknown_workflow"} == {reason.value for reason in RunReason}


def test_every_status_has_a_count() -> None:
    assert set(WorkflowRunStatusCounts.model_fields) == {status.value for status in WorkflowStatus}


@pytest.mark.parametrize("payload", [None, 1, 1.5, "text ☃", [], {"a": [1, {"b": None}]}, nested(MAX_DEPTH)])
def test_json_is_a_payload(payload: Any) -> None:
    assert EventEmitRequest(event_key="k", payload=payload).payload == payload


@pytest.mark.parametrize("payload", ["\ud800", {"\ud800": 1}, [float("nan")], {"a": float("inf")}, nested(MAX_DEPTH + 1), object()])
def test_what_could_not_be_shown_again_is_no_payload(payload: Any) -> None:
    with pytest.raises(ValidationError):
        EventEmitRequest(event_key="k", payload=payload)


@pytest.mark.parametrize("key", ["", "a\0", "\udfff", "x" * 501])
def test_an_event_key_can_be_stored_in_every_database(key: str) -> None:
    with pytest.raises(ValidationError):
        EventEmitRequest(event_key=key)


def test_a_cancellation_has_a_reason_even_if_nobody_gives_one() -> None:
    assert CancelRequest().reason == "cancelled"


def test_an_error_is_told_without_statements_values_and_traceback() -> None:
    stored = {"type": "IntegrityError", "message": "UNIQUE failed\n[SQL: INSERT ...]\n[parameters: (1,)]", "path": "a:B", "args": "[]"}
    assert RunError.of(stored) == RunError(type="IntegrityError", message="UNIQUE failed", traceback=None)
    assert RunError.of(None) is None


def test_durations_are_told_to_the_millisecond_and_never_negative() -> None:
    told = DurationStats.of(Durations(-0.00002, 1.23456, 9.9999))
    assert (told.min_seconds, told.avg_seconds, told.max_seconds) == (0.0, 1.235, 10.0)


def test_a_definition_is_named_by_the_last_part_of_its_name() -> None:
    stats = RunStats({WorkflowStatus.RUNNING: 2, WorkflowStatus.FAILED: 1}, None)
    told = WorkflowDefinition.of("shop.orders.ship", "Ship it.", {}, {}, stats)
    assert (told.fully_qualified_name, told.name, told.total_runs, told.durations) == ("shop.orders.ship", "ship", 3, None)
    assert (told.run_statuses.running, told.run_statuses.failed, told.run_statuses.pending) == (2, 1, 0)


def test_a_run_without_payload_has_none_in_its_answer() -> None:
    row = {"id": UUID(int=1), "function_name": "ship", "status": WorkflowStatus.FAILED, "created_at": NOW, "updated_at": NOW}
    assert not {"args", "kwargs", "result", "error"} & WorkflowRun.of(row).model_dump(exclude_unset=True).keys()
    told = WorkflowRun.of({**row, "args": [], "kwargs": {}, "result": None, "error": {"type": "E", "message": "m", "path": None}})
    assert told.model_dump(exclude_unset=True)["error"] == {"type": "E", "message": "m", "traceback": None}
    assert told.model_dump(mode="json")["created_at"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("function_name", "display_name", "told", "internal"),
    [
        ("shop.orders.ship", None, "ship", False),
        ("shop.orders.ship", "Ship the order", "Ship the order", False),
        ("planar.workflows.suspend", None, "suspend", True),
        ("planarity.ship", None, "ship", False),
    ],
)
def test_a_step_is_shown_under_its_own_name_or_the_last_part_of_its_function(
    function_name: str, display_name: str | None, told: str, internal: bool
) -> None:
    step = WorkflowStepInfo.of(
        {
            "step_id": 1,
            "workflow_id": UUID(int=1),
            "path": "1",
            "function_name": function_name,
            "display_name": display_name,
            "step_type": "compute",
            "status": "running",
            "retry_count": 0,
            "created_at": NOW,
            "updated_at": NOW,
        }
    )
    assert (step.display_name, step.is_internal_step, step.meta) == (told, internal, None)
