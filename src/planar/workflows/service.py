"""What can be done with workflows from outside: start, look, cancel, announce. One function an intention; HTTP is the router's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from planar.context import current_services
from planar.db.session import get_session
from planar.engine.catalog import Definition, Registry
from planar.engine.client import Client
from planar.engine.errors import RunNotFound, WorkflowNotRegistered
from planar.security.actions import EventAction, WorkflowAction
from planar.security.authorization import is_allowed, validate_authorization_for
from planar.security.resources import EventResource, WorkflowResource
from planar.workflows import queries
from planar.workflows.argument_checks import ArgumentChecks, Note
from planar.workflows.errors import StepNotFound, check_not_reserved
from planar.workflows.models import StepStatus, StepType, WorkflowEvent, WorkflowStatus
from planar.workflows.queries import Page, PageRequest, Record, RunFilter, RunStats
from planar.workflows.registration import Signature, signature_of
from planar.workflows.step_details import StepDetails
from planar.workflows.waiting import emit_event

UNKNOWN_WORKFLOW: Final = "unknown_workflow"
"""The reason of a run that waits for a worker that knows its workflow: this process does not."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A workflow that the app serves, and how its runs fare."""

    name: str
    signature: Signature
    stats: RunStats


# -- workflows ------------------------------------------------------------------------------------------------------------


async def list_workflows(page: PageRequest[str], seconds_ago: int | None) -> tuple[list[Overview], int]:
    """Part of what the app serves, by name, and how much that is in all.

    Args:
        page: which part.
        seconds_ago: count only runs that were started so many seconds ago, or later.
    """
    served = sorted(_registry().registered(), key=lambda definition: definition.name)
    beyond = [definition for definition in served if page.after is None or definition.name > page.after]
    return await _overviews(beyond[page.offset : page.offset + page.limit], seconds_ago), len(served)


async def describe_workflow(name: str) -> Overview:
    """One workflow that the app serves.

    Raises:
        WorkflowNotRegistered: it serves none of that name.
    """
    (found,) = await _overviews([_served(name)], None)
    return found


async def _overviews(definitions: Sequence[Definition], seconds_ago: int | None) -> list[Overview]:
    since = None if seconds_ago is None else _client().now() - timedelta(seconds=seconds_ago)
    names = [definition.name for definition in definitions]
    stats = await queries.run_stats(get_session(), names, queries.started_since(since))
    return [Overview(definition.name, signature_of(definition), stats[definition.name]) for definition in definitions]


# -- runs -----------------------------------------------------------------------------------------------------------------


async def start(name: str, arguments: bytes, idempotency_key: str | None) -> UUID:
    """Start a run; durable on return. With *idempotency_key* a second start is the first one's run.

    Args:
        name: a workflow that the app serves.
        arguments: its parameters as a JSON object.
        idempotency_key: what tells a repeated request from a new one.

    Raises:
        WorkflowNotRegistered: the app serves none of that name.
        pydantic.ValidationError: the arguments do not fit.
        ArgumentsRefused: they fit, and are refused all the same, such as a file that does not exist.
        ArgumentNotStorable, PayloadTooLarge: they cannot be written down, or are too large.
    """
    definition = _served(name)
    signature = signature_of(definition)
    args, kwargs = signature.read(arguments)
    notes = await _checked(signature, args, kwargs)
    client = _client()
    run = client.new_run(definition, args, kwargs, idempotency_key=idempotency_key)
    for note in notes:
        await note(run.id)
    return (await client.start(run)).run_id


async def _checked(signature: Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Note]:
    checks = current_services().find(ArgumentChecks)
    if checks is None:
        return []
    # Positional ones come first, in the order of the parameters.
    positional = (name for name in signature.fields if name in signature.positional)
    return await checks.check(
        signature.pydantic_model, signature.input_schema, lambda: {**dict(zip(positional, args, strict=True)), **kwargs}
    )


async def ended_run(run_id: UUID, seconds: float) -> Record | None:
    """The run, if it ends within *seconds*."""
    try:
        await _client().ended(run_id, timeout=seconds)
    except TimeoutError:
        return None
    return await _find(run_id)


async def list_runs(name: str, which: RunFilter, page: PageRequest[UUID]) -> Page:
    """Runs of a workflow that the app serves, or that ever ran here.

    Raises:
        WorkflowNotRegistered: there is no such workflow.
    """
    found = await queries.list_runs(get_session(), name, which, page)
    if not found.items and not _is_served(name) and not await queries.has_runs(get_session(), name):
        raise _unknown(name)
    return Page([_explained(run) for run in found.items], found.total)


async def find_run(name: str, run_id: UUID, *, payload: bool = True) -> Record:
    """A run of that workflow.

    Raises:
        RunNotFound: there is none of that id, or it is another workflow's.
    """
    run = await _find(run_id, payload=payload)
    if run is None or run["function_name"] != name:
        raise RunNotFound(f"There is no run {run_id} of workflow '{name}'.")
    return run


async def find_any_run(run_id: UUID) -> Record:
    """A run, whatever its workflow is; as if it were not there, to those who may not see that workflow.

    Raises:
        RunNotFound: there is none.
    """
    run = await _find(run_id)
    if run is None or not is_allowed(WorkflowResource(run["function_name"]), WorkflowAction.VIEW_DETAILS):
        raise RunNotFound(f"There is no run {run_id}.")
    return run


async def cancel_run(name: str, run_id: UUID, reason: str) -> WorkflowStatus:
    """Ask for the end of a run and of its children; the status that this leaves it in.

    Raises:
        RunNotFound: there is none of that id, or it is another workflow's.
        RunAlreadyEnded: it has ended.
    """
    await find_run(name, run_id, payload=False)
    return await _client().cancel(run_id, reason)


async def _find(run_id: UUID, *, payload: bool = True) -> Record | None:
    run = await queries.find_run(get_session(), run_id, payload=payload)
    return None if run is None else _explained(run)


def _explained(run: Record) -> Record:
    """*run* with the reason that only this process can tell."""
    is_stranded = run["status"] is WorkflowStatus.PENDING and _registry().find(run["function_name"]) is None
    return {**run, "reason": UNKNOWN_WORKFLOW} if is_stranded else run


# -- steps ----------------------------------------------------------------------------------------------------------------


async def list_steps(name: str, run_id: UUID, status: StepStatus | None, step_type: StepType | None, page: PageRequest[int]) -> Page:
    """Steps of a run, each with ``meta``.

    Raises:
        RunNotFound: there is no such run of that workflow.
    """
    await find_run(name, run_id, payload=False)
    found = await queries.list_steps(get_session(), run_id, status, step_type, page)
    return Page(await _described(found.items), found.total)


async def find_step(name: str, run_id: UUID, step_id: int) -> Record:
    """A step of a run, with ``meta``.

    Raises:
        RunNotFound: there is no such run of that workflow.
        StepNotFound: the run has no such step.
    """
    await find_run(name, run_id, payload=False)
    step = await queries.find_step(get_session(), run_id, step_id)
    if step is None:
        raise StepNotFound(f"Run {run_id} has no step {step_id}.")
    (described,) = await _described([step])
    return described


async def _described(steps: list[Record]) -> list[Record]:
    details = current_services().find(StepDetails)
    found = await details.describe(steps) if details is not None else {}
    return [{**step, "meta": found.get(step["step_id"])} for step in steps]


# -- events ---------------------------------------------------------------------------------------------------------------


async def emit(event_key: str, payload: object, workflow_id: UUID | None, idempotency_key: str | None) -> tuple[WorkflowEvent, int]:
    """Announce something from outside; the event, and how many runs it woke.

    Raises:
        Unauthenticated, Forbidden: whoever asks may emit events, but not this one.
        ReservedEventKey: events of this key are Planar's own.
        RunNotFound: there is no run *workflow_id*.
    """
    validate_authorization_for(EventResource(event_key), EventAction.EMIT)
    check_not_reserved(event_key)
    if workflow_id is not None:
        await _client().must_exist(workflow_id)
    return await emit_event(event_key, payload, workflow_id, idempotency_key=idempotency_key)


async def list_events(event_key: str | None, page: PageRequest[int]) -> Page:
    """Events, newest first."""
    return await queries.list_events(get_session(), event_key, page)


# -- parts ----------------------------------------------------------------------------------------------------------------


def _client() -> Client:
    return current_services().get(Client)


def _registry() -> Registry:
    return current_services().get(Registry)


def _is_served(name: str) -> bool:
    return any(definition.name == name for definition in _registry().registered())


def _served(name: str) -> Definition:
    """The workflow of that name that the app itself serves: what is only known through the catalogue is not for callers."""
    for definition in _registry().registered():
        if definition.name == name:
            return definition
    raise _unknown(name)


def _unknown(name: str) -> WorkflowNotRegistered:
    return WorkflowNotRegistered(f"Workflow '{name}' not found")
