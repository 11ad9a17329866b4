"""What does a decorated function become? A callable that knows whether it is called in a run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from planar.context import current_services
from planar.db.session import current_scope
from planar.engine.catalog import Definition
from planar.engine.client import Client, outcome_of
from planar.engine.codec import CallCodec
from planar.engine.core.model import StepKind, StepStatus
from planar.engine.core.replay import StepIdentity
from planar.engine.core.retry import RetryPolicy
from planar.engine.current import Frame, find_frame
from planar.engine.execution.steps import OpenStep, StepCall, perform, record_at_once
from planar.engine.execution.threads import in_thread
from planar.engine.execution.waits import await_run, patiently
from planar.engine.store.port import StartRun
from planar.workflows.arguments import check_run_id
from planar.workflows.models import Workflow
from planar.workflows.rows import workflow_of

P = ParamSpec("P")
R = TypeVar("R")


async def _nothing(run_id: UUID) -> UUID:
    """A start of a run: its arguments are the workflow's, its result is the run's id."""
    return run_id


_START_CODEC = CallCodec(_nothing)


class Wrapper(Generic[P, R]):
    """What workflows and steps have in common: the function, and the name that rows and routes use."""

    def __init__(self, function: Callable[P, Any], codec: CallCodec) -> None:
        functools.update_wrapper(self, function)
        self.original_fn = function
        self.codec = codec
        self.function_name = f"{function.__module__}.{function.__qualname__}"

    @property
    def wrapped_fn(self) -> Callable[P, Awaitable[R]]:
        """The durable form of the function."""
        return self.__call__

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        raise NotImplementedError


class StepOptions(NamedTuple):
    """How a step behaves, and what people see of it."""

    retry: RetryPolicy
    at_most_once: bool
    kind: StepKind
    display_name: str | None


class StepWrapper(Wrapper[P, R]):
    """A durable step: recorded in a run, a plain call outside."""

    def __init__(
        self, function: Callable[P, Coroutine[Any, Any, R]] | Callable[P, R], options: StepOptions, *, return_type: type | None
    ) -> None:
        super().__init__(function, CallCodec(function, return_type=return_type))
        self.retry = options.retry
        self.at_most_once = options.at_most_once
        self.name = self.function_name
        self.identity = StepIdentity(self.function_name, function.__qualname__, options.kind, options.display_name)
        self._awaitable = _awaitable(function)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the step. In a run its result is recorded once and handed out from the record ever after."""
        frame = find_frame()
        if frame is None:
            return await self._awaitable(*args, **kwargs)
        args_text, kwargs_text = self.codec.dump_call(args, kwargs)

        def body(_: OpenStep) -> Awaitable[R]:
            return self._awaitable(*args, **kwargs)

        call = StepCall(self.identity, args_text, kwargs_text, body, self.codec, self.retry, self.at_most_once)
        return await perform(frame, call)


def _awaitable(function: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    """*function* as something to await; a plain one runs in a thread, where `get_sync_session` finds the session."""
    if inspect.iscoroutinefunction(function):
        return function
    threaded = in_thread(function)

    async def with_session(*args: P.args, **kwargs: P.kwargs) -> Any:
        scope = current_scope()
        if scope is not None:
            scope.bind_loop()
        return await threaded(*args, **kwargs)

    return with_session


class WorkflowWrapper(Wrapper[P, R]):
    """A durable workflow: call it to have its result, `start` it to have a run that goes on by itself."""

    def __init__(self, function: Callable[P, Coroutine[Any, Any, R]], *, name: str | None) -> None:
        super().__init__(function, CallCodec(function))
        self.name = name or function.__name__
        self.definition = Definition(self.name, function, self.codec, f"{function.__module__}:{function.__qualname__}")

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the workflow to its end and return its result: as a child of the run that calls, else as a run of its own.

        Raises:
            Exception: what the workflow raised, as the class that it was.
            RunCancelled: the run was cancelled.
        """
        frame = find_frame()
        client = _client()
        if frame is None:
            run = client.new_run(self.definition, args, kwargs)
            return outcome_of(await client.run_to_end(run), self.codec.load_result)
        return await self._call_child(frame, client, args, kwargs)

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> Workflow:
        """Start a run and return its row. Durable on return; in a session that has written, with that session's commit."""
        frame = find_frame()
        client = _client()
        if frame is not None:
            run_id = await self._start_in_run(frame, client, args, kwargs)
            return workflow_of(client.new_run(self.definition, args, kwargs), run_id)
        run = client.new_run(self.definition, args, kwargs)
        started = await client.start(run)
        return workflow_of(run, started.run_id)

    async def start_step(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Start a run from a run, once, without waiting for it; its id.

        Raises:
            RuntimeError: called outside a run, where `start` is meant.
        """
        frame = find_frame()
        if frame is None:
            raise RuntimeError(f"start_step is for workflow code; outside a run use `await {self.original_fn.__name__}.start(...)`.")
        return await self._start_in_run(frame, _client(), args, kwargs)

    async def wait_for_completion(self, workflow_id: UUID) -> R:
        """Wait for the end of a run of this workflow and return its result; in a run, durably.

        Raises:
            RunNotFound: there is no such run.
            Exception: what the run raised.
            RunCancelled: it was cancelled.
            TypeError: *workflow_id* is not a UUID.
        """
        check_run_id(workflow_id, "workflow_id")
        frame = find_frame()
        if frame is None:
            return outcome_of(await _client().ended(workflow_id), self.codec.load_result)

        async def body(step: OpenStep) -> R:
            await patiently(step, lambda: _client().must_exist(workflow_id))
            return outcome_of(await await_run(step, workflow_id), self.codec.load_result)

        args_text, kwargs_text = _START_CODEC.dump_call((workflow_id,), {})
        return await perform(frame, StepCall(self._identity("wait"), args_text, kwargs_text, body, self.codec))

    async def _call_child(self, frame: Frame, client: Client, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        args_text, kwargs_text = self.codec.dump_call(args, kwargs)

        async def body(step: OpenStep) -> R:
            if step.child_id is None:
                run = client.new_run(self.definition, args, kwargs, parent_id=step.live.id)
                step.child_id = run.id
                step.set_marked()
                # The child exists if and only if the parent's journal names it.
                step.live.save(step.record(StepStatus.RUNNING), start=StartRun(run))
            return outcome_of(await await_run(step, step.child_id), self.codec.load_result)

        return await perform(frame, StepCall(self._identity("call"), args_text, kwargs_text, body, self.codec))

    async def _start_in_run(self, frame: Frame, client: Client, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
        if frame.step_id is not None:
            # In a step's body: keyed by its place, so that a body that runs again starts nothing again.
            key = f"{frame.run.id}/{frame.next_path()}"
            return (await client.start(client.new_run(self.definition, args, kwargs, idempotency_key=key))).run_id
        args_text, kwargs_text = self.codec.dump_call(args, kwargs)

        def prepare() -> tuple[UUID, dict[str, Any]]:
            run = client.new_run(self.definition, args, kwargs)
            return run.id, {"start": StartRun(run)}

        async def no_body(_: OpenStep) -> None:
            return None

        return await record_at_once(frame, StepCall(self._identity("start"), args_text, kwargs_text, no_body, _START_CODEC), prepare)

    def _identity(self, verb: str) -> StepIdentity:
        return StepIdentity(self.function_name, f"{verb} {self.name}", StepKind.COMPUTE, self.name)


def _client() -> Client:
    return current_services().get(Client)
