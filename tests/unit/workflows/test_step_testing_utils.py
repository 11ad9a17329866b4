"""The tree of a run's steps, on a table filled by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from planar.context import Services, bind_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session
from planar.workflows.models import StepStatus, StepType, WorkflowStep
from planar.workflows.step_testing_utils import get_step_ancestors, get_step_children, get_step_descendants, get_step_parent

pytestmark = pytest.mark.anyio

PARENTS = {1: None, 2: 1, 3: 2, 4: 1, 5: None, 6: 5}


def row(run: UUID, number: int, parent: int | None) -> WorkflowStep:
    now = datetime.now(UTC)
    return WorkflowStep(
        workflow_id=run,
        path=str(number),
        step_id=number,
        parent_step_id=parent,
        function_name="app.work",
        qualname="work",
        status=StepStatus.SUCCEEDED,
        step_type=StepType.COMPUTE,
        created_at=now,
        updated_at=now,
    )


@pytest.fixture
async def manager() -> AsyncGenerator[DatabaseManager]:
    manager = DatabaseManager(":memory:")
    await manager.connect()
    await manager.migrate()
    yield manager
    await manager.disconnect()


@pytest.fixture
async def steps(manager: DatabaseManager) -> dict[int, WorkflowStep]:
    """The steps of one run by number, beside another run of the same shape."""
    mine, yours = uuid4(), uuid4()
    async with manager.get_session() as session:
        for run in (mine, yours):
            session.add_all([row(run, number, parent) for number, parent in PARENTS.items()])
        await session.commit()
    return {number: row(mine, number, parent) for number, parent in PARENTS.items()}


@contextmanager
def app_of(manager: DatabaseManager) -> Iterator[None]:
    services = Services()
    services.add(DatabaseManager, manager)
    with bind_services(services):
        yield


async def test_the_tree_is_walked_in_each_direction(manager: DatabaseManager, steps: dict[int, WorkflowStep]) -> None:
    with app_of(manager):
        assert [step.step_id for step in await get_step_children(steps[1])] == [2, 4]
        assert [step.step_id for step in await get_step_descendants(steps[1])] == [2, 3, 4]
        assert [step.step_id for step in await get_step_ancestors(steps[3])] == [2, 1]
        parent = await get_step_parent(steps[3])
        assert parent is not None
        assert (parent.step_id, parent.workflow_id) == (2, steps[3].workflow_id)


async def test_a_step_of_the_workflow_itself_has_nothing_above_and_a_leaf_nothing_below(
    manager: DatabaseManager, steps: dict[int, WorkflowStep]
) -> None:
    with app_of(manager):
        assert await get_step_parent(steps[5]) is None
        assert await get_step_ancestors(steps[5]) == []
        assert await get_step_children(steps[6]) == []
        assert await get_step_descendants(steps[6]) == []


@pytest.mark.parametrize("question", [get_step_parent, get_step_children, get_step_descendants, get_step_ancestors])
async def test_each_question_is_one_query(manager: DatabaseManager, steps: dict[int, WorkflowStep], question: object) -> None:
    asked: list[str] = []
    event.listen(manager.get_engine().sync_engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with app_of(manager):
        await question(steps[3])  # type: ignore[operator]
    assert len(asked) == 1


async def test_the_caller_s_own_session_is_asked_with_what_it_has_not_committed(
    manager: DatabaseManager, steps: dict[int, WorkflowStep]
) -> None:
    scope = SessionScope(manager, label="test")
    with bind_session(scope):
        scope.get().add(row(steps[3].workflow_id, 7, 3))
        assert [step.step_id for step in await get_step_children(steps[3])] == [7]
    await scope.close()
