"""No list of tasks or of versions reads a whole table, however many of them there are: asked of each database itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from planar.db import DatabaseManager
from planar.db.planar_session import PlanarSession
from planar.files.models import PlanarFileMetadata
from planar.human import belongings, queries
from planar.human.belongings import Part
from planar.human.file_uses import uses_by_tasks
from planar.human.lifecycle import OPEN
from planar.human.queries import Sort, TaskFilter, TaskPage, View
from planar.object_config import reading
from tests.databases import Databases

pytestmark = pytest.mark.anyio

RUN, TASK = UUID(int=77), UUID(int=78)
FILE = PlanarFileMetadata(filename="a", content_type="text/plain", size=1, storage_ref="a", sha256="0" * 64)

# Most tasks have ended; few are anybody's; ten objects of many have hundreds of versions, and one of them is active.
NUMBERS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})"
TASKS = """
insert into {planar}human_task (id, name, title, workflow_id, workflow_name, step_id, step_path, output_schema, status, version,
    told_version, assignee, assigned_role, claimed_by, priority, due_at, reminders, approvals, rejections,
    created_at, updated_at, created_by, updated_by)
{numbers} select {id}, 'n' || (i % 50), 'title', {id}, 'w' || (i % 50), 1, '1', '{{}}',
    case when i % 50 = 0 then 'pending' when i % 51 = 0 then 'claimed' else 'completed' end, 1, 1,
    case when i % 3 = 0 then 'user' || (i % 300) end, case when i % 3 = 1 then 'role' || (i % 50) end,
    case when i % 51 = 0 then 'user' || (i % 300) end, i % 10, case when i % 4 = 0 then {at} end, 0, 0, 0, {at}, {at}, 'x', 'x'
from n
"""
ATTACHMENTS = """
insert into {planar}human_task_attachment (task_id, file_id, created_by, created_at) {numbers} select {id}, {id}, 'x', {at} from n
"""
OBJECTS = """
insert into {planar}configured_object (object_type, object_name, last_version, last_promotion)
{numbers} select 'rule', 'rule' || i, 300, 1 from n
"""
VERSIONS = """
insert into {planar}object_configuration (id, object_type, object_name, version, data, active, state, author, fingerprint, created_at)
{numbers} select {id}, 'rule', 'rule' || (i % 10 + 1), i / 10 + 1, '{{}}', i / 10 = 5, 'validated', 'x', 'x', {at} from n
"""

SQLITE = {
    "planar": "",
    "id": "lower(hex(randomblob(16)))",
    "at": "strftime('%Y-%m-%d %H:%M:%f', 1700000000 + i * 60, 'unixepoch') || '000'",
}
POSTGRESQL = {"planar": "planar.", "id": "gen_random_uuid()", "at": "to_timestamp(1700000000 + i * 60)"}


@pytest.fixture
async def manager(databases: Databases) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(await databases.url())
    await manager.connect()
    words = SQLITE if databases.is_sqlite else POSTGRESQL
    tables = ("human_task", "human_task_attachment", "configured_object", "object_configuration")
    async with manager.get_engine().begin() as connection:
        for statement, count in ((TASKS, 3000), (ATTACHMENTS, 3000), (OBJECTS, 2000), (VERSIONS, 2999)):
            await connection.exec_driver_sql(statement.format(numbers=NUMBERS.format(count=count), **words))
        for table in tables:
            await connection.exec_driver_sql(f"analyze {words['planar']}{table}")
    yield manager
    await manager.disconnect()


Ask = Callable[[PlanarSession], Awaitable[Any]]


def tasks(**which: Any) -> Ask:
    """A page of tasks with its total, in each order."""

    async def ask(session: PlanarSession) -> None:
        for sort in Sort:
            await queries.list_tasks(session, TaskFilter(**which), TaskPage(21, payload=False, sort=sort))

    return ask


ME = {"names": frozenset({"user3", "me@example.com"}), "roles": frozenset({"role1", "role7"}), "key": "user3"}
OPEN_ONES = tuple(sorted(OPEN))

LISTS: dict[str, Ask] = {
    "mine": tasks(view=View.MINE, **ME),
    "mine and open": tasks(view=View.MINE, statuses=OPEN_ONES, **ME),
    "my roles'": tasks(view=View.MY_ROLES, **ME),
    "my roles' and open": tasks(view=View.MY_ROLES, statuses=OPEN_ONES, **ME),
    "unassigned and open": tasks(view=View.UNASSIGNED, statuses=OPEN_ONES, **ME),
    "open": tasks(statuses=OPEN_ONES),
    "how many are open": queries.count_open,
    "overdue": tasks(overdue_at=datetime(2024, 1, 1, tzinfo=UTC)),
    "of a run": tasks(workflow_id=RUN),
    "of a workflow": tasks(workflow_name="w7"),
    "of a name": tasks(name="n7"),
    "of a person": tasks(assignee="user3"),
    "of a step": lambda session: queries.tasks_of_run(session, RUN, [1, 2]),
    "comments": lambda session: belongings.comments_of(session, TASK, Part(20, after=TASK)),
    "answers": lambda session: belongings.answers_to(session, TASK, Part(20, after=TASK)),
    "activity": lambda session: belongings.activity_of(session, TASK, Part(20, after=3)),
    "of a file": lambda session: uses_by_tasks(session, FILE),
    "versions": lambda session: reading.list_versions(session, "rule", "rule3", limit=21),
    "versions of all": lambda session: reading.list_versions(session, "rule", None, limit=21, total=False),
    "newest versions": lambda session: reading.newest_versions(session, "rule", ["rule1", "rule3"], 20),
    "the active version": lambda session: reading.find_active(session, "rule", "rule3"),
    "promotions": lambda session: reading.list_promotions(session, "rule", "rule3", limit=21),
}


async def asked(manager: DatabaseManager, ask: Ask) -> list[tuple[str, Any]]:
    """The statements of a list."""
    told: list[tuple[str, Any]] = []

    def tell(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        told.append((statement, parameters))

    engine = manager.get_engine().sync_engine
    event.listen(engine, "before_cursor_execute", tell)
    try:
        async with manager.get_session() as session:
            await ask(session)
    finally:
        event.remove(engine, "before_cursor_execute", tell)
    return [(statement, parameters) for statement, parameters in told if statement.lstrip().lower().startswith(("select", "with"))]


async def whole_reads(connection: Any, statement: str, parameters: Any) -> list[str]:
    """Where the plan of a statement reads a whole table."""
    if connection.dialect.name == "sqlite":
        plan = [row[3] for row in await connection.exec_driver_sql(f"explain query plan {statement}", parameters)]
        return [step for step in plan if step.startswith("SCAN") and "USING" not in step and "since" not in step]
    (answer,) = (await connection.exec_driver_sql(f"explain (format json) {statement}", parameters)).one()
    plan = json.loads(answer) if isinstance(answer, str) else answer
    return [f"{node['Node Type']} of {node['Relation Name']}" for node in nodes_of(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


async def test_no_list_reads_a_whole_table(manager: DatabaseManager) -> None:
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for name, ask in LISTS.items():
        statements = await asked(manager, ask)
        assert statements, name
        async with manager.get_engine().connect() as connection:
            for statement, parameters in statements:
                reads = await whole_reads(connection, statement, parameters)
                if reads:
                    found.setdefault(name, []).append((statement, reads))
    assert not found, json.dumps(found, indent=1)
