"""`@workflow`, `@step` and `as_step`: from a function to a durable one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from planar.engine.catalog import CATALOGUE
from planar.engine.core.retry import RetryPolicy
from planar.workflows.arguments import check_function, check_step_function, check_step_options, check_workflow_name, retry_policy
from planar.workflows.models import StepType
from planar.workflows.wrappers import StepOptions, StepWrapper, WorkflowWrapper

P = ParamSpec("P")
R = TypeVar("R")

AsyncFunction = Callable[P, Coroutine[Any, Any, R]]


def workflow(*, name: str | None = None) -> Callable[[AsyncFunction[P, R]], WorkflowWrapper[P, R]]:
    """Make an ``async def`` a durable workflow.

    Args:
        name: what rows and routes call it; by default the function's own name. One app serves one workflow of a name.

    Raises:
        TypeError: the function is not a coroutine function.
        ValueError: the name cannot be a segment of a route.
    """
    if name is not None:
        check_workflow_name(name)

    def decorate(function: AsyncFunction[P, R]) -> WorkflowWrapper[P, R]:
        check_function(function, "Workflow")
        wrapper = WorkflowWrapper(function, name=name)
        CATALOGUE.add(wrapper.definition)
        return wrapper

    return decorate


class StepDecorator(Protocol):
    """Makes a function a step: an ``async def``, or a plain one, which then runs in a thread."""

    @overload
    def __call__(self, function: AsyncFunction[P, R], /) -> StepWrapper[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> StepWrapper[P, R]: ...


def step(
    *,
    max_retries: int = 0,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    at_most_once: bool = False,
    step_type: StepType = StepType.COMPUTE,
    return_type: type | None = None,
    display_name: str | None = None,
) -> StepDecorator:
    """Make a function a durable step: recorded in a run, a plain call outside. It is awaited in both.

    A plain ``def`` runs in a thread, with the session (`get_sync_session`) and the context of the step.

    Args:
        max_retries: how often it is tried again after a failure, 5 seconds apart; negative: for ever.
        retry: all that can be said of retries; in place of *max_retries*.
        timeout: how long one attempt may take, in seconds or as a timedelta; a plain ``def`` is left behind then, not stopped.
        at_most_once: never repeat the body, also not after a crash: what it was doing then is an error, `StepInterrupted`.
        step_type: what it does, for people and for features that describe their steps.
        return_type: how its result is restored, where the function's annotation does not say.
        display_name: what people see instead of the function's name.

    Raises:
        TypeError: the function cannot be a step, or an option is not of its type.
        ValueError: options contradict each other.
    """
    check_step_options(max_retries, step_type, display_name)
    policy = retry_policy(max_retries, retry, timeout, at_most_once=at_most_once)

    def decorate(function: Callable[..., Any]) -> StepWrapper[..., Any]:
        check_step_function(function)
        options = StepOptions(policy, at_most_once, step_type, display_name)
        return StepWrapper(function, options, return_type=return_type)

    return cast("StepDecorator", decorate)


_wrapped: WeakKeyDictionary[Callable[..., Any], dict[tuple[Any, ...], StepWrapper[..., Any]]] = WeakKeyDictionary()


def as_step(
    func: AsyncFunction[P, R] | Callable[P, R],
    step_type: StepType,
    display_name: str | None = None,
    return_type: type | None = None,
) -> StepWrapper[P, R]:
    """A function that is not ours to decorate, as a step. The same function with the same options gives the same wrapper.

    Raises:
        TypeError: the function cannot be a step.
    """
    if isinstance(func, StepWrapper):
        return cast("StepWrapper[P, R]", func)
    check_step_function(func)
    wrappers = _wrapped.setdefault(func, {})
    options = (step_type, display_name, return_type)
    found = wrappers.get(options)
    if found is None:
        found = wrappers[options] = step(step_type=step_type, display_name=display_name, return_type=return_type)(func)
    return cast("StepWrapper[P, R]", found)
