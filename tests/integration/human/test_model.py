"""Whatever people do to a task, several at once, is what a few lines of plain Python say, in some order of what they did."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from planar import PlanarApp
from planar.clock import Clock
from planar.testing.client import PlanarTestClient
from planar.testing.clock import ManualClock
from tests import stores
from tests.databases import databases_of
from tests.integration.http.conftest import V1
from tests.integration.human import sample
from tests.integration.human.conftest import TASKS, named

PEOPLE = {"ann": "ann;finance", "bob": "bob", "eve": "eve;finance,boss"}
ROLES = {"ann": {"finance"}, "bob": set[str](), "eve": {"finance", "boss"}}
QUESTIONS = {"expense": None, "ask_finance": "finance", "ask_both": None, "ask_hurried": None}

Op = tuple[str, str]
"""What somebody does, and who."""

OPS = st.tuples(
    st.sampled_from(["yes", "yes", "no", "bad", "draft", "draft", "claim", "claim", "release", "cancel", "to bob", "to all"]),
    st.sampled_from(sorted(PEOPLE)),
)


@dataclass(frozen=True)
class Model:
    """A task."""

    is_shared: bool
    role: str | None
    assignee: str | None = None
    status: str = "pending"
    claimed_by: str | None = None
    ayes: frozenset[str] = frozenset()
    ended_by: str | None = None
    drafts: frozenset[str] = frozenset()
    changes: tuple[tuple[str, str], ...] = (("create", "system"),)
    """What its activity says: what happened, and by whom."""

    @property
    def is_open(self) -> bool:
        return self.status in ("pending", "claimed")

    def ended(self, status: str, change: str, who: str, **more: Any) -> Model:
        return self.after(change, who, status=status, ended_by=who, drafts=frozenset[str](), **more)

    def after(self, change: str, who: str, **more: Any) -> Model:
        return replace(self, changes=(*self.changes, (change, who)), **more)

    def do(self, op: Op) -> tuple[Model, str]:
        """What it becomes, and what the answer is."""
        what, who = op
        if not self.is_open:
            return self, "human_task_closed"
        if what == "cancel":
            return self.ended("cancelled", "cancel", who, claimed_by=None), "ok"
        if what.startswith("to "):
            to = "bob" if what == "to bob" else None
            if to is not None and self.is_shared and self.ayes not in ({"ann"}, {"eve"}):
                return self, "validation_error"
            return self.after("delegate", who, status="pending", claimed_by=None, assignee=to, role=None), "ok"
        is_for = {self.assignee == who, self.role in ROLES[who]} if self.assignee or self.role else {True}
        if True not in is_for:
            return self, "human_task_not_addressed"
        if self.is_shared and what == "claim":
            return self, "human_task_not_claimable"
        if self.claimed_by not in (None, who):
            return self, "human_task_claimed"
        if what == "draft":
            return replace(self, drafts=self.drafts | {who}), "ok"
        if what == "claim":
            return self.after("claim", who, status="claimed", claimed_by=who), "ok"
        if what == "release":
            return self.after("release", who, status="pending", claimed_by=None), "ok"
        return self._answered(what, who)

    def _answered(self, what: str, who: str) -> tuple[Model, str]:
        if what == "bad":
            return self, "validation_error"
        if self.is_shared:
            if who in self.ayes:
                return self, "human_task_answered"
            ayes = self.ayes | {who} if what == "yes" else self.ayes
            if what == "yes" and len(ayes) < 2:
                return self.after("answer", who, ayes=ayes, drafts=self.drafts - {who}), "ok"
            return self.ended("completed", "complete", who, ayes=ayes), "ok"
        return self.ended("completed", "complete", who), "ok"

    def shown(self) -> tuple[Any, ...]:
        return self.status, self.claimed_by, self.assignee, self.role, len(self.ayes), self.ended_by, self.drafts, self.changes


BODIES: dict[str, tuple[str, Any]] = {
    "yes": ("complete", {"output_data": {"approved": True}}),
    "no": ("complete", {"output_data": {"approved": False}}),
    "bad": ("complete", {"output_data": {"approved": "perhaps"}}),
    "claim": ("claim", None),
    "release": ("release", None),
    "cancel": ("cancel", {}),
    "to bob": ("delegate", {"assignee": "bob"}),
    "to all": ("delegate", {}),
    "draft": ("draft", {"data": 1}),
}


class World:
    """An app that lives as long as the test."""

    def __init__(self, client: PlanarTestClient, clock: ManualClock) -> None:
        self.client = client
        self.clock = clock

    async def ask(self, workflow: str) -> tuple[str, str]:
        run_id = (await self.client.post(f"{V1}/workflows/{workflow}/start")).json()["id"]
        async with asyncio.timeout(20):
            while True:
                found = (await self.client.get(f"{V1}{TASKS}/", params={"workflow_id": run_id})).json()
                if found:
                    return run_id, found[0]["id"]
                await asyncio.sleep(0.002)

    async def do(self, task_id: str, op: Op) -> str:
        what, body = BODIES[op[0]]
        method = "PUT" if what == "draft" else "POST"
        answer = await self.client.request(method, f"{V1}{TASKS}/{task_id}/{what}", json=body, headers=named(PEOPLE[op[1]]))
        return "ok" if answer.status_code == 200 else answer.json()["code"]

    async def at_once(self, task_id: str, ops: list[Op]) -> list[str]:
        return await asyncio.gather(*(self.do(task_id, op) for op in ops))

    async def shown(self, task_id: str) -> tuple[Any, ...]:
        path = f"{V1}{TASKS}/{task_id}"
        task = (await self.client.get(path)).json()
        told = (await self.client.get(f"{path}/activity")).json()
        assert [each["version"] for each in told] == list(range(1, task["version"] + 1))
        drafts = {who: (await self.client.get(f"{path}/draft", headers=named(PEOPLE[who]))).json() for who in PEOPLE}
        return (
            *(task[name] for name in ("status", "claimed_by", "assignee", "assigned_role", "approvals", "completed_by")),
            {who for who, draft in drafts.items() if draft is not None},
            tuple((each["change"], each["actor"]) for each in told),
        )

    async def cancel(self, workflow: str, run_id: str) -> None:
        await self.until(run_id, "suspended")
        assert (await self.client.post(f"{V1}/workflows/{workflow}/runs/{run_id}/cancel")).status_code == 202

    async def let_time_pass(self, run_id: str) -> None:
        await self.until(run_id, "suspended")
        self.clock.move_to(self.clock.now() + timedelta(minutes=11))

    async def until(self, run_id: str, *statuses: str) -> str:
        async with asyncio.timeout(20):
            while True:
                run = (await self.client.get(f"{V1}/workflows/{run_id}/status")).json()["workflow"]
                if run["status"] in statuses:
                    return run["status"]
                await asyncio.sleep(0.002)

    async def end_of(self, run_id: str) -> str:
        return await self.until(run_id, "succeeded", "failed", "cancelled")


class Machine(RuleBasedStateMachine):
    """Does to a task, and to its model, what chance says."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]

    @initialize(workflow=st.sampled_from(sorted(QUESTIONS)))
    def begin(self, workflow: str) -> None:
        self.workflow = workflow
        self.run_id, self.task_id = self.runner.run(self.world.ask(workflow))
        self.model = Model(workflow == "ask_both", QUESTIONS[workflow])
        self.run_is_cancelled = False

    @rule(ops=st.lists(OPS, min_size=1, max_size=4))
    def act(self, ops: list[Op]) -> None:
        answers = self.runner.run(self.world.at_once(self.task_id, ops))
        shown = self.runner.run(self.world.shown(self.task_id))
        for order in permutations(range(len(ops))):
            model, said = self.model, dict[int, str]()
            for place in order:
                model, said[place] = model.do(ops[place])
            if [said[place] for place in range(len(ops))] == answers and model.shown() == shown:
                self.model = model
                return
        raise AssertionError(f"no order of {ops} explains {answers} and {shown}, after {self.model}")

    @precondition(lambda self: self.model.is_open)
    @rule()
    def end_the_run(self) -> None:
        self.runner.run(self.world.cancel(self.workflow, self.run_id))
        self.run_is_cancelled = True
        self.expect(self.model.ended("cancelled", "cancel", "system", claimed_by=None))

    @precondition(lambda self: self.model.is_open)
    @rule()
    def let_time_pass(self) -> None:
        self.runner.run(self.world.let_time_pass(self.run_id))
        if self.workflow == "ask_hurried":
            self.expect(self.model.ended("expired", "expire", "system", claimed_by=None))

    def expect(self, model: Model) -> None:
        """Its run has ended as well, and so the task is what it is."""
        self.runner.run(self.world.end_of(self.run_id))
        assert self.runner.run(self.world.shown(self.task_id)) == model.shown()
        self.model = model

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.is_open:
            self.act([("cancel", "ann")])
        catches = self.workflow == "ask_hurried"
        expected = "cancelled" if self.run_is_cancelled else "succeeded" if catches or self.model.status == "completed" else "failed"
        assert self.runner.run(self.world.end_of(self.run_id)) == expected


@asynccontextmanager
async def opened(store: str, folder: Path) -> AsyncGenerator[World]:
    async with databases_of(store, folder) as databases:
        config = (await databases.config()).model_copy(update={"storage": None})
        app = PlanarApp(config=config)
        clock = ManualClock()
        app.services.add(Clock, clock)
        for workflow in sample.ALL:
            app.register_workflow(workflow)
        async with app._lifespan(app.fastapi), PlanarTestClient(app) as client:
            yield World(client, clock)


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[type[Machine]]:
    with asyncio.Runner() as runner:
        world: AbstractAsyncContextManager[World] = opened(request.param, tmp_path)
        Machine.world, Machine.runner = runner.run(world.__aenter__()), runner
        yield Machine
        runner.run(world.__aexit__(None, None, None))


def test_a_task_is_what_its_model_says(machine: type[Machine]) -> None:
    many = 200 if os.environ.get(stores.LONG) else 12
    check: Callable[..., None] = run_state_machine_as_test
    check(
        machine,
        settings=settings(
            max_examples=many,
            stateful_step_count=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        ),
    )
