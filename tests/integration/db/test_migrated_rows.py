"""A migration finds rows of the version before, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlmodel import col

from planar import lazy
from planar.db import DatabaseManager, migrations
from planar.human.models import HumanTask, HumanTaskActivity, HumanTaskAnswer
from tests import stores
from tests.postgres_server import database

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DatabaseManager]:
    async with AsyncExitStack() as stack:
        is_sqlite = request.param == stores.SQLITE
        url = f"sqlite:///{tmp_path}/app.db" if is_sqlite else await stack.enter_async_context(database())
        manager = DatabaseManager(url)
        await manager.connect()
        stack.push_async_callback(manager.disconnect)
        yield manager


def upgrade(connection: Connection, revision: str) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.execute(text("create schema if not exists planar"))
    attributes = {
        "connection": connection,
        "version_table": migrations.SQLITE_VERSION_TABLE if is_sqlite else migrations.VERSION_TABLE,
        "version_table_schema": None if is_sqlite else "planar",
    }
    lazy.upgrade_with_alembic(str(Path(migrations.__file__).parent), attributes, revision)


def task_of_old(number: int, status: str, version: int) -> dict[str, Any]:
    task = HumanTask(
        id=UUID(int=number),
        name="old",
        title="Old",
        workflow_id=UUID(int=number),
        workflow_name="w",
        step_id=1,
        step_path="1",
        output_schema={},
        status=status,  # type: ignore[arg-type]
        version=version,
        assignee="ann",
        created_by="bob",
        created_at=START + timedelta(hours=number),
    )
    return {name: value for name, value in task.model_dump().items() if value is not None}


async def test_tasks_of_old_have_their_creation_and_no_unfinished_answers_after_their_end(empty: DatabaseManager) -> None:
    async with empty.get_engine().begin() as connection:
        await connection.run_sync(upgrade, "0010")
        for number, status in enumerate(("pending", "claimed", "completed", "expired"), start=1):
            await connection.execute(insert(HumanTask).values(task_of_old(number, status, version=number)))
            for is_draft in (False, True):
                answer = HumanTaskAnswer(task_id=UUID(int=number), answered_by="ann", is_draft=is_draft, data={})
                await connection.execute(
                    insert(HumanTaskAnswer).values(answer.model_dump(exclude={"approves", "created_at", "updated_at"}))
                )
    async with empty.get_engine().begin() as connection:
        await connection.run_sync(upgrade, "0011")
    async with empty.get_session() as session:
        drafts = await session.exec(select(col(HumanTaskAnswer.task_id)).where(col(HumanTaskAnswer.is_draft)).order_by("task_id"))  # type: ignore[call-overload]
        assert [task_id.int for (task_id,) in drafts] == [1, 2]
        assert (await session.exec(select(func.count()).select_from(HumanTaskAnswer))).scalar_one() == 6  # type: ignore[call-overload]
        found = (await session.exec(select(HumanTaskActivity).order_by("task_id"))).scalars().all()  # type: ignore[call-overload]
        assert [(each.task_id.int, each.at) for each in found] == [(number, START + timedelta(hours=number)) for number in range(1, 5)]
        assert {(each.version, each.change, each.status, each.actor) for each in found} == {(1, "create", "pending", "bob")}
        # Whom it was for at first, nobody can tell of one that was changed.
        assert [each.assignee for each in found] == ["ann", None, None, None]
