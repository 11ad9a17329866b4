"""How did a run end? Its outcome, from its row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from planar.context import find_services
from planar.engine.catalog import Registry
from planar.engine.client import outcome_of
from planar.engine.core.model import ENDED, Run
from planar.workflows.models import Workflow

__all__ = ["workflow_result"]


def workflow_result(workflow: Workflow) -> Any:
    """What the run *workflow* returned, as the type that its function says where that is known here, else as plain JSON values.

    Args:
        workflow: the row as it was read; what has happened since is not looked at.

    Raises:
        ValueError: when it was read the run had not ended.
        RunCancelled: the run was cancelled.
        Exception: what the run raised.
    """
    if workflow.status not in ENDED:
        raise ValueError(f"Run {workflow.id} had not ended when its row was read: it was {workflow.status.value}. Read it again.")
    run = Run(
        id=workflow.id,
        workflow=workflow.function_name,
        args="[]",
        kwargs="{}",
        created_at=workflow.created_at,
        status=workflow.status,
        result=json.dumps(workflow.result),
        error=json.dumps(workflow.error) if workflow.error is not None else None,
    )
    services = find_services()
    registry = services.find(Registry) if services is not None else None
    return outcome_of(run, result_loader(registry or Registry(), workflow.function_name))


def result_loader(registry: Registry, name: str) -> Callable[[str | None], Any]:
    """How a result of the workflow *name* is read from its JSON text."""
    definition = registry.find(name)
    return definition.codec.load_result if definition is not None else _plain


def _plain(text: str | None) -> Any:
    return None if text is None else json.loads(text)
