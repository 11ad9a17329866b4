"""`@workflow`, `@step` and `as_step`: from a function to a durable one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from planar.engine.catalog import CATALOGUE
from planar.engine.core.retry import RetryPolicy
from planar.workflows.arguments import check_function, check_step_options, check_workflow_name
from planar.workflows.models import StepType
from planar.workflows.wrappers import StepWrapper, WorkflowWrapper

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


def step(
    *,
    max_retries: int = 0,
    step_type: StepType = StepType.COMPUTE,
    return_type: type | None = None,
    display_name: str | None = None,
) -> Callable[[AsyncFunction[P, R]], StepWrapper[P, R]]:
    """Make an ``async def`` a durable step: recorded in a run, a plain call outside.

    Args:
        max_retries: how often it is tried again after a failure, 5 seconds apart; negative: for ever.
        step_type: what it does, for people and for features that describe their steps.
        return_type: how its result is restored, where the function's annotation does not say.
        display_name: what people see instead of the function's name.

    Raises:
        TypeError: the function is not a coroutine function, or an option is not of its type.
    """
    check_step_options(max_retries, step_type, display_name)

    def decorate(function: AsyncFunction[P, R]) -> StepWrapper[P, R]:
        check_function(function, "Step")
        retry = RetryPolicy(max_retries)
        return StepWrapper(function, retry=retry, kind=step_type, display_name=display_name, return_type=return_type)

    return decorate


_wrapped: WeakKeyDictionary[Callable[..., Any], dict[tuple[Any, ...], StepWrapper[..., Any]]] = WeakKeyDictionary()


def as_step(
    func: AsyncFunction[P, R],
    step_type: StepType,
    display_name: str | None = None,
    return_type: type | None = None,
) -> StepWrapper[P, R]:
    """A function that is not ours to decorate, as a step. The same function with the same options gives the same wrapper.

    Raises:
        TypeError: the function is not a coroutine function.
    """
    if isinstance(func, StepWrapper):
        return cast("StepWrapper[P, R]", func)
    wrappers = _wrapped.setdefault(func, {})
    options = (step_type, display_name, return_type)
    found = wrappers.get(options)
    if found is None:
        found = wrappers[options] = step(step_type=step_type, display_name=display_name, return_type=return_type)(func)
    return cast("StepWrapper[P, R]", found)
