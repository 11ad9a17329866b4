"""What may be decorated, and what does it become?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planar.engine.catalog import CATALOGUE
from planar.workflows import as_step, step, suspend, workflow
from planar.workflows.models import StepType

pytestmark = pytest.mark.anyio


def plain(number: int) -> int:
    return number


async def doubled(number: int) -> int:
    """Twice the number."""
    return 2 * number


def test_only_a_coroutine_function_can_be_a_workflow() -> None:
    with pytest.raises(TypeError, match="Workflow functions must be coroutines"):
        workflow()(plain)  # type: ignore[arg-type]


async def streaming() -> AsyncGenerator[int]:
    yield 1


@pytest.mark.parametrize("decorate", [step(), lambda function: as_step(function, StepType.COMPUTE)])
def test_a_step_is_a_coroutine_function_or_a_plain_one(decorate: Callable[[Any], Any]) -> None:
    assert decorate(plain).original_fn is plain
    for other in (streaming, int, 5):
        with pytest.raises(TypeError, match="Step functions must be coroutines"):
            decorate(other)


def test_a_workflow_is_named_by_its_function_unless_a_name_is_given() -> None:
    assert workflow()(doubled).name == "doubled"
    assert workflow(name="twice")(doubled).name == "twice"


@pytest.mark.parametrize("name", ["", "a/b", " padded", "padded "])
def test_a_name_that_cannot_be_a_segment_of_a_route_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        workflow(name=name)


@pytest.mark.parametrize("decorate", [workflow(), step(max_retries=3, display_name="Double")])
def test_a_decorated_function_still_looks_like_itself(decorate: Callable[[Any], Any]) -> None:
    wrapper = decorate(doubled)
    assert wrapper.original_fn is doubled
    assert wrapper.__name__ == "doubled"
    assert wrapper.__doc__ == "Twice the number."
    assert wrapper.function_name == f"{__name__}.doubled"


async def test_a_step_outside_of_a_run_is_a_plain_call() -> None:
    assert await step(max_retries=3)(doubled)(4) == 8


def test_a_step_stays_the_step_that_it_is() -> None:
    wrapper = step()(doubled)
    assert as_step(wrapper, StepType.TOOL_CALL) is wrapper
    assert as_step(doubled, StepType.COMPUTE) is as_step(doubled, StepType.COMPUTE)


def test_a_step_makes_no_workflow() -> None:
    before = CATALOGUE.names()
    step()(doubled)
    assert CATALOGUE.names() == before


async def test_what_is_for_workflow_code_says_so_outside_of_a_run() -> None:
    with pytest.raises(RuntimeError, match="outside a run"):
        await suspend(interval=timedelta(seconds=1))
    with pytest.raises(RuntimeError, match="outside a run"):
        await suspend(wakeup_at=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(RuntimeError, match=r"doubled\.start"):
        await workflow()(doubled).start_step(1)
