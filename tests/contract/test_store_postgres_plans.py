"""No statement of the PostgreSQL store reads a whole table, when the claims are few among many dead rows: asked of the planner itself.

The table of claims is nearly empty and full of dead rows, which is where the planner goes wrong: to a scan of the whole table, or,
once it has seen no rows, of a whole index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Reason
from planar.engine.store.port import (
    Cancel,
    ClaimDue,
    ClaimRun,
    Emit,
    Entry,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    RunWait,
    StartRun,
)
from planar.engine.store.postgres.connection import SETTINGS, Connector
from tests.contract.store_world import Held, PostgresWorld, begin, done, mark, new_event, new_run, wait_for
from tests.postgres_server import connect, migrated_database

pytestmark = pytest.mark.anyio

WORKER = uuid7()
HOT = ("workflow_claim", "workflow_step", "workflow_event", "workflow_run", "workflow_wait")

HISTORY = """
insert into planar.workflow_run (id, function_name, status, args, kwargs, created_at, updated_at)
    select gen_random_uuid(), 'orders', 'succeeded', '[1]', '{}', now(), now() from generate_series(1, 3000);
insert into planar.workflow_step
        (workflow_id, path, seq, step_id, function_name, qualname, status, step_type, sub_step_count, retry_count, created_at, updated_at)
    select id, '1', 1, 1, 'app.charge', 'charge', 'succeeded', 'compute', 0, 0, now(), now() from planar.workflow_run;
insert into planar.workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason)
    select gen_random_uuid(), 'orders', now(), null, 0, 'ready' from generate_series(1, 50000);
delete from planar.workflow_claim;
analyze planar.workflow_claim, planar.workflow_run, planar.workflow_step;
"""
"""Three thousand runs with a step, and the claims of fifty thousand that have ended; the planner has seen no claim at all."""


class Listening(asyncpg.Connection):
    """A connection that notes the statements which are executed on it."""

    __slots__ = ()
    heard: dict[str, None] = {}  # noqa: RUF012 - all of one test's connections note in one place

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        self.heard[query] = None
        return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        self.heard[query] = None
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        self.heard[query] = None
        return await super().fetchval(query, *args, **options)

    async def prepare(self, query: str, **options: Any) -> Any:
        self.heard[query] = None
        return await super().prepare(query, **options)


Node = dict[str, Any]


async def plan_of(connection: Any, statement: str) -> list[Node]:
    """The nodes of the plan that the engine's connections have for *statement*, whatever its parameters are."""
    count = max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0)
    await connection.execute(f"prepare asked as {statement}")
    given = f"({', '.join(['null'] * count)})" if count else ""
    answer = await connection.fetchval(f"explain (format json) execute asked{given}")
    await connection.execute("deallocate asked")
    return list(nodes_of(json.loads(answer)[0]["Plan"]))


def nodes_of(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def how(node: Node) -> str:
    """A node as people write it."""
    what = node.get("Relation Name", "")
    return f"{node['Node Type']} of {what} by {node.get('Index Name')}: {node.get('Index Cond', node.get('Recheck Cond'))}"


def reads_all(node: Node) -> bool:
    """Whether *node* reads a whole hot table, or a whole index of one."""
    if node.get("Relation Name", "") not in (*HOT, ""):
        return False
    return node["Node Type"] == "Seq Scan" or ("Index Name" in node and "Index Cond" not in node)


def looks_for_claims(node: Node) -> bool:
    """Whether *node* reads the table of claims."""
    return node.get("Relation Name") == "workflow_claim" and node["Node Type"] != "ModifyTable"


ENTRIES: dict[str, Callable[[Held, PostgresWorld], list[Entry]]] = {
    "start": lambda held, world: [StartRun(new_run(world.clock, idempotency_key="k")), StartRun(new_run(world.clock, idempotency_key="k"))],
    "save a step": lambda held, world: [held.save(mark()), held.save(done(), start=StartRun(new_run(world.clock)))],
    "save a step that failed": lambda held, world: [held.save(done(error="{}", wakeup_at=world.clock.now()))],
    "end with the last step": lambda held, world: [held.save(done()), held.end()._replace(after=("1",))],
    "wait for an event": lambda held, world: [
        held.sleep_for_event("nothing")._replace(waits=(wait_for(held.run, "nothing", after=3, taken=(4, 5)),), marks=(mark(),))
    ],
    "end what is waited for": lambda held, world: [held.sleep(Reason.CHILD, waits=(RunWait(held.run.id),)), Cancel(held.run.id, "x", "{}")],
    "wake sleepers": lambda held, world: [
        held.sleep_for_event("nothing"),
        Emit(new_event(world.clock, "nothing", idempotency_key="k")),
        Emit(new_event(world.clock, "nothing", idempotency_key="k")),
    ],
    "claim back": lambda held, world: [held.sleep(due_at=world.clock.now() + timedelta(hours=1)), Reclaim(held.holder)],
    "claim what is due": lambda held, world: [StartRun(new_run(world.clock)), ClaimDue(WORKER, 10, frozenset({"orders", "refunds"}))],
    "look before a claim": lambda held, world: [ClaimDue(WORKER, 10, frozenset({"nothing"}), doubtful=True)],
    "claim one run": lambda held, world: [Release(held.holder), ClaimRun(WORKER, held.run.id)],
    "cancel": lambda held, world: [StartRun(new_run(world.clock, parent_id=held.run.id)), Cancel(held.run.id, "enough", "{}")],
    "retire a worker": lambda held, world: [
        RegisterWorker(held.holder.worker_id, "host", "", 1),
        RetireWorker(held.holder.worker_id, died=True),
    ],
}


Plans = dict[str, list[Node]]
"""The plan of each statement, as its nodes."""

_found: dict[str, Plans] = {}


@pytest.fixture
async def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Plans]:
    """What each of `ENTRIES` asks, and how the planner would answer it: asked once for all tests."""
    if not _found:
        prepare = Connector.__init__

        def listening(self: Connector, *args: Any) -> None:
            prepare(self, *args)
            self._arguments = {**self._arguments, "connection_class": Listening}

        monkeypatch.setattr(Connector, "__init__", listening)
        async with migrated_database() as url:
            _found.update(await among_dead_rows(url))
    return _found


async def among_dead_rows(url: str) -> dict[str, Plans]:
    """The same in one database, which is left as it was."""
    old, connection = await connect(url), await connect(url)
    try:
        # It keeps every dead row.
        await old.execute("begin isolation level repeatable read; select count(*) from planar.workflow_claim")
        await connection.execute(HISTORY)
        for name, value in SETTINGS.items():
            await connection.execute(f"set {name} = '{value}'")
        return {entry: await plans_of(connection, statements) for entry, statements in (await asked(url)).items()}
    finally:
        await old.close()
        # Dead rows would slow down whoever gets the database next.
        await connection.execute("truncate planar.workflow_run, planar.workflow_step, planar.workflow_claim")
        await connection.close()


async def asked(url: str) -> dict[str, list[str]]:
    """The statements that a store executes for each of `ENTRIES`."""
    world = PostgresWorld(url)
    store = await world.store()
    result: dict[str, list[str]] = {}
    try:
        for name, entries in ENTRIES.items():
            held = await begin(store, world.clock)
            Listening.heard.clear()
            for entry in entries(held, world):
                await store.submit(entry)
            await store.load_steps([held.run.id])
            result[name] = list(Listening.heard)
    finally:
        await world.close()
    return result


async def plans_of(connection: Any, statements: list[str]) -> Plans:
    """The plans of those that have one."""
    planned = [statement for statement in statements if re.match(r"\s*(select|with|insert|update|delete)\b", statement)]
    return {statement: await plan_of(connection, statement) for statement in planned}


async def test_no_entry_reads_a_whole_table(found: dict[str, Plans]) -> None:
    assert set(found) == set(ENTRIES)
    for name, plans in found.items():
        assert plans
        assert [f"{how(node)} <- {statement}" for statement, nodes in plans.items() for node in nodes if reads_all(node)] == [], name


@pytest.mark.parametrize("entry", ["save a step", "save a step that failed", "end with the last step", "wait for an event", "claim back"])
async def test_a_write_finds_its_claim_by_the_key(found: dict[str, Plans], entry: str) -> None:
    claims = [node for nodes in found[entry].values() for node in nodes if looks_for_claims(node)]
    assert claims
    assert [how(node) for node in claims if "run_id = " not in how(node)] == []


@pytest.mark.parametrize("entry", ["claim what is due", "look before a claim"])
async def test_what_is_due_is_found_by_its_time(found: dict[str, Plans], entry: str) -> None:
    claims = [node for nodes in found[entry].values() for node in nodes if looks_for_claims(node)]
    due = [node for node in claims if "run_id = " not in how(node)]
    assert due
    assert [how(node) for node in due if "(due_at " not in how(node)] == []
