"""Whatever people do to a task, several at once, is what a few lines of plain Python say, in some order of what they did."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from planar import PlanarApp
from planar.testing.client import PlanarTestClient
from tests import stores
from tests.databases import databases_of
from tests.integration.http.conftest import V1
from tests.integration.human import sample
from tests.integration.human.conftest import TASKS, named

PEOPLE = {"ann": "ann;finance", "bob": "bob", "eve": "eve;finance,boss"}
ROLES = {"ann": {"finance"}, "bob": set[str](), "eve": {"finance", "boss"}}
QUESTIONS = {"expense": None, "ask_finance": "finance", "ask_both": None}

Op = tuple[str, str]
"""What somebody does, and who."""

OPS = st.tuples(
    st.sampled_from(["yes", "yes", "no", "bad", "claim", "claim", "release", "cancel", "to bob", "to all"]), st.sampled_from(sorted(PEOPLE))
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

    def do(self, op: Op) -> tuple[Model, str]:
        """What it becomes, and what the answer is."""
        what, who = op
        if self.status not in ("pending", "claimed"):
            return self, "human_task_closed"
        if what == "cancel":
            return replace(self, status="cancelled", claimed_by=None, ended_by=who), "ok"
        if what.startswith("to "):
            to = "bob" if what == "to bob" else None
            if to is not None and self.is_shared and self.ayes not in ({"ann"}, {"eve"}):
                return self, "validation_error"
            return replace(self, status="pending", claimed_by=None, assignee=to, role=None), "ok"
        is_for = {self.assignee == who, self.role in ROLES[who]} if self.assignee or self.role else {True}
        if True not in is_for:
            return self, "human_task_not_addressed"
        if self.is_shared and what == "claim":
            return self, "human_task_not_claimable"
        if self.claimed_by not in (None, who):
            return self, "human_task_claimed"
        if what == "claim":
            return replace(self, status="claimed", claimed_by=who), "ok"
        if what == "release":
            return replace(self, status="pending", claimed_by=None), "ok"
        return self._answered(what, who)

    def _answered(self, what: str, who: str) -> tuple[Model, str]:
        if what == "bad":
            return self, "validation_error"
        if self.is_shared:
            if who in self.ayes:
                return self, "human_task_answered"
            ayes = self.ayes | {who} if what == "yes" else self.ayes
            if what == "yes" and len(ayes) < 2:
                return replace(self, ayes=ayes), "ok"
            return replace(self, ayes=ayes, status="completed", ended_by=who), "ok"
        return replace(self, status="completed", ended_by=who), "ok"

    def shown(self) -> tuple[Any, ...]:
        return self.status, self.claimed_by, self.assignee, self.role, len(self.ayes), self.ended_by


BODIES: dict[str, tuple[str, Any]] = {
    "yes": ("complete", {"output_data": {"approved": True}}),
    "no": ("complete", {"output_data": {"approved": False}}),
    "bad": ("complete", {"output_data": {"approved": "perhaps"}}),
    "claim": ("claim", None),
    "release": ("release", None),
    "cancel": ("cancel", {}),
    "to bob": ("delegate", {"assignee": "bob"}),
    "to all": ("delegate", {}),
}


CHANGES = {"yes": "answer", "no": "answer", "to bob": "delegate", "to all": "delegate"}
"""What the activity says of them: of an answer, that it is one of several or the one that completes the task."""


class World:
    """An app that lives as long as the test."""

    def __init__(self, client: PlanarTestClient) -> None:
        self.client = client

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
        answer = await self.client.post(f"{V1}{TASKS}/{task_id}/{what}", json=body, headers=named(PEOPLE[op[1]]))
        return "ok" if answer.status_code == 200 else answer.json()["code"]

    async def at_once(self, task_id: str, ops: list[Op]) -> list[str]:
        return await asyncio.gather(*(self.do(task_id, op) for op in ops))

    async def shown(self, task_id: str) -> tuple[Any, ...]:
        task = (await self.client.get(f"{V1}{TASKS}/{task_id}")).json()
        return tuple(task[name] for name in ("status", "claimed_by", "assignee", "assigned_role", "approvals", "completed_by"))

    async def told(self, task_id: str) -> list[tuple[int, str]]:
        told = (await self.client.get(f"{V1}{TASKS}/{task_id}/activity")).json()
        return [(each["version"], each["change"]) for each in told]

    async def end_of(self, run_id: str) -> str:
        async with asyncio.timeout(20):
            while True:
                run = (await self.client.get(f"{V1}/workflows/{run_id}/status")).json()["workflow"]
                if run["status"] in ("succeeded", "failed", "cancelled"):
                    return run["status"]
                await asyncio.sleep(0.002)


class Machine(RuleBasedStateMachine):
    """Does to a task, and to its model, what chance says."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]

    @initialize(workflow=st.sampled_from(sorted(QUESTIONS)))
    def begin(self, workflow: str) -> None:
        self.run_id, self.task_id = self.runner.run(self.world.ask(workflow))
        self.model = Model(workflow == "ask_both", QUESTIONS[workflow])
        self.changes = list[str]()

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
                self.changes += [CHANGES.get(op[0], op[0]) for op, answer in zip(ops, answers, strict=True) if answer == "ok"]
                return
        raise AssertionError(f"no order of {ops} explains {answers} and {shown}, after {self.model}")

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.status in ("pending", "claimed"):
            assert self.runner.run(self.world.do(self.task_id, ("cancel", "ann"))) == "ok"
            self.model = replace(self.model, status="cancelled")
            self.changes.append("cancel")
        expected = "succeeded" if self.model.status == "completed" else "failed"
        assert self.runner.run(self.world.end_of(self.run_id)) == expected
        told = self.runner.run(self.world.told(self.task_id))
        assert [version for version, _ in told] == list(range(1, len(told) + 1))
        assert Counter("answer" if change == "complete" else change for _, change in told) == Counter(["create", *self.changes])


@asynccontextmanager
async def opened(store: str, folder: Path) -> AsyncGenerator[World]:
    async with databases_of(store, folder) as databases:
        config = (await databases.config()).model_copy(update={"storage": None})
        app = PlanarApp(config=config)
        for workflow in sample.ALL:
            app.register_workflow(workflow)
        async with app._lifespan(app.fastapi), PlanarTestClient(app) as client:
            yield World(client)


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
