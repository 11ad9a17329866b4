"""What a step changes names its run and step, once, however often its code was executed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from planar import get_session
from planar.context import current_services
from planar.db import DatabaseManager
from planar.db.history import PlanarEntityChange
from planar.engine.core.retry import RetryPolicy
from planar.modeling.orm import PlanarBaseEntity
from planar.security.auth_context import Principal, as_principal
from planar.session import get_sync_session
from planar.workflows import gather, step, suspend, workflow
from tests.integration.engine.conftest import Opener, steps_of

pytestmark = pytest.mark.anyio


class Remark(PlanarBaseEntity, table=True):
    __tablename__ = "history_remark"

    text: str


failures: list[str] = []


@step()
async def note(text: str) -> None:
    get_session().add(Remark(text=text))


@step(retry=RetryPolicy(max_retries=2, initial_delay=timedelta(0)))
async def stumble() -> None:
    get_session().add(Remark(text=f"attempt {len(failures)}"))
    await get_session().flush()
    if len(failures) < 2:
        failures.append("again")
        raise ValueError("not yet")


@step()
def note_in_a_thread() -> None:
    get_sync_session().add(Remark(text="thread"))


@workflow()
async def keep_notes() -> None:
    await note("first")
    await suspend(interval=timedelta(milliseconds=5))
    await stumble()
    await gather(note("branch a"), note("branch b"))
    in_thread: Any = note_in_a_thread
    await in_thread()


async def kept() -> list[PlanarEntityChange]:
    async with current_services().get(DatabaseManager).get_session() as session:
        query = select(PlanarEntityChange).where(PlanarEntityChange.entity == "Remark")
        return list((await session.exec(query.order_by(col(PlanarEntityChange.at), col(PlanarEntityChange.id)))).all())


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}], ids=["resumed", "replayed"])
async def test_a_change_names_its_run_its_step_and_who_started_it(open_app: Opener, limits: dict[str, int]) -> None:
    failures.clear()
    async with open_app(keep_notes, **limits):
        with as_principal(Principal(sub="u-1", user_email="ada@example.org")):
            started = await keep_notes.start()
        await keep_notes.wait_for_completion(started.id)
        found, steps = await kept(), {step.step_id: step.function_name for step in await steps_of(started.id)}
    texts = [(change.after or "").split('"text":"')[1].split('"')[0] for change in found]
    assert texts[:2] == ["first", "attempt 2"]
    assert sorted(texts[2:]) == ["branch a", "branch b", "thread"]
    for change in found:
        assert (change.run_id, change.workflow, change.action) == (started.id, "keep_notes", "create")
        assert (change.changed_by, change.changed_by_email) == ("u-1", "ada@example.org")
        assert change.step_id is not None
        assert steps[change.step_id] == change.step
    assert len({change.step_id for change in found}) == 5


@step()
async def fail_after_writing() -> None:
    get_session().add(Remark(text="lost"))
    await get_session().flush()
    raise ValueError("no")


@workflow()
async def give_up() -> None:
    await fail_after_writing()


async def test_a_step_that_fails_leaves_no_history(open_app: Opener) -> None:
    async with open_app(give_up):
        with pytest.raises(ValueError, match="no"):
            await give_up()
        assert [change for change in await kept() if change.step and "fail_after" in change.step] == []
        assert await kept() == []


async def test_what_is_written_outside_of_a_run_names_none(open_app: Opener) -> None:
    async with open_app(give_up) as app, app.db_manager.get_session() as session:
        session.add(Remark(text="by hand"))
        await session.commit()
        (change,) = await kept()
        assert (change.run_id, change.workflow, change.step_id, change.step) == (None, None, None, None)
