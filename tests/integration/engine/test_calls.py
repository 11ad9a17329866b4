"""What does calling a workflow or a step mean, in a run and outside of one? And what does it cost, tell and leave behind?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from planar.engine.core.model import Run, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import News
from planar.workflows import step, suspend, workflow
from planar.workflows.exceptions import RunNotFound
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, client, run_of, steps_of, until, until_status

pytestmark = pytest.mark.anyio

SECRET = "the-iban-of-somebody"

calls: list[str] = []


@step()
async def shout(word: str) -> str:
    calls.append(word)
    return word.upper()


@workflow()
async def shouting(word: str) -> str:
    return await shout(word)


@workflow()
async def three_children() -> list[str]:
    return [await shouting(word) for word in ("a", "b", "c")]


@workflow()
async def starting_another(word: str) -> UUID:
    return await shouting.start_step(word)


@workflow()
async def sleeping(seconds: float) -> str:
    await suspend(interval=timedelta(seconds=seconds))
    return "awake"


@workflow()
async def failing(word: str) -> None:
    await shout(word)
    raise ValueError("as it should")


gates: dict[str, asyncio.Event] = {}


@step()
async def listen() -> None:
    gates["hears"].set()
    await gates["goes on"].wait()


@workflow()
async def listening() -> None:
    await listen()


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()
    gates.update({"hears": asyncio.Event(), "goes on": asyncio.Event()})


async def test_start_returns_the_row_of_a_run_that_goes_on_by_itself(open_app: Opener) -> None:
    async with open_app(shouting):
        row = await shouting.start("hello")
        assert (row.function_name, row.parent_id, row.kwargs, row.args) == ("shouting", None, {}, ["hello"])
        ended = await until_status(row.id, "succeeded")
        assert ended.result == "HELLO"


async def test_a_run_is_waited_for_by_its_id_and_gives_its_result_or_its_error(open_app: Opener) -> None:
    async with open_app(shouting, failing):
        run, other = await shouting.start("hello"), await failing.start("hello")
        assert await shouting.wait_for_completion(run.id) == "HELLO"
        with pytest.raises(ValueError, match="as it should"):
            await failing.wait_for_completion(other.id)
        with pytest.raises(RunNotFound):
            await shouting.wait_for_completion(uuid4())


async def test_waiting_for_a_run_ends_with_the_callers_patience_and_asks_the_database_once(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(sleeping):
        run = await sleeping.start(3600)
        await until_status(run.id, "suspended")
        store, looks = client().store, 0
        load_run = store.load_run

        async def counted(run_id: UUID) -> object:
            nonlocal looks
            looks += 1
            return await load_run(run_id)

        monkeypatch.setattr(store, "load_run", counted)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await sleeping.wait_for_completion(run.id)
        assert looks == 1


async def test_runs_that_end_elsewhere_are_looked_up_all_at_once(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(sleeping):
        runs = [(await sleeping.start(3600)).id for _ in range(20)]
        for run_id in runs:
            await until_status(run_id, "suspended")
        store, looks = client().store, list[list[UUID]]()
        load_runs = store.load_runs

        async def counted(run_ids: Iterable[UUID]) -> dict[UUID, Run]:
            looks.append(list(run_ids))
            found = await load_runs(looks[-1])
            return {run_id: found[run_id]._replace(status=RunStatus.SUCCEEDED, result='"elsewhere"') for run_id in found}

        waiters = [asyncio.create_task(sleeping.wait_for_completion(run_id)) for run_id in runs]

        async def all_wait() -> bool:
            return len(client()._waiting) == len(runs)

        await until(all_wait)
        monkeypatch.setattr(store, "load_runs", counted)
        client()._hear(News(foreign=True))
        assert await asyncio.wait_for(asyncio.gather(*waiters), 5) == ["elsewhere"] * len(runs)
        assert [sorted(each) for each in looks] == [sorted(runs)]


async def test_a_run_that_is_executed_here_is_not_looked_up_unless_somebody_else_may_have_ended_it(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(listening) as app:
        run = await listening.start()
        await asyncio.wait_for(gates["hears"].wait(), 5)
        waiter = asyncio.create_task(listening.wait_for_completion(run.id))
        looks = list[list[UUID]]()

        async def waits() -> bool:
            return bool(client()._waiting)

        async def looked() -> bool:
            return client()._looking is not None and client()._looking.done()

        async def load_runs(run_ids: Iterable[UUID]) -> dict[UUID, Run]:
            looks.append(list(run_ids))
            return {run_id: app.worker._runs._live[run_id].run for run_id in looks[-1]}

        async def look(news: News) -> list[list[UUID]]:
            looks.clear()
            client()._hear(news)
            await until(looked)
            return list(looks)

        await until(waits)
        monkeypatch.setattr(client().store, "load_runs", load_runs)
        assert await look(News(foreign=True)) == []
        assert await look(News(foreign=True, ends_alone=True)) == []
        live = app.worker._runs._live[run.id]
        live.refused = StaleEpoch("another worker has it")
        assert await look(News(foreign=True, ends_alone=True)) == [[run.id]]
        live.refused = None
        live.parts.lease.term += 1
        assert await look(News(foreign=True)) == [[run.id]]
        live.parts.lease.term -= 1
        # News came first, and then it turns out that another worker has it.
        assert await look(News(foreign=True)) == []
        live.refused = StaleEpoch("another worker has it")
        app.worker._runs.lost()
        await until(looked)
        assert looks == [[run.id]]
        live.refused = None
        looks.clear()
        looks.append([run.id])
        # The net asks for all.
        client()._look_anyway()
        await until(looked)
        assert looks == [[run.id], [run.id]]
        gates["goes on"].set()
        await waiter


async def test_a_run_started_in_a_run_is_started_once_and_has_no_parent(open_app: Opener) -> None:
    async with open_app(starting_another, shouting):
        run = await starting_another.start("free")
        started = await starting_another.wait_for_completion(run.id)
        assert await shouting.wait_for_completion(started) == "FREE"
        assert (await run_of(started)).parent_id is None
        assert calls == ["free"]


async def test_children_follow_each_other_without_waiting_for_a_poll(open_app: Opener) -> None:
    async with open_app(three_children, shouting):
        async with asyncio.timeout(2):
            assert await three_children() == ["A", "B", "C"]


async def test_a_sleep_is_a_step_and_is_as_long_as_it_says(open_app: Opener) -> None:
    async with open_app(sleeping):
        run = await sleeping.start(0.05)
        assert await sleeping.wait_for_completion(run.id) == "awake"
        (sleep,) = await steps_of(run.id)
        assert (sleep.display_name, sleep.status.value) == ("Suspend", "succeeded")
        assert sleep.updated_at - sleep.created_at >= timedelta(seconds=0.05)


async def test_a_run_that_kills_its_worker_again_and_again_is_given_up(open_app: Opener, databases: Databases) -> None:
    async with open_app(sleeping):
        run = await sleeping.start(3600)
        await until_status(run.id, "suspended")
    # As if three workers had died of it, and it were due.
    died = "update {planar}workflow_claim set recoveries = 3, due_at = (select created_at from {planar}workflow_run) returning run_id"
    assert len(await databases.ask(died)) == 1
    async with open_app(sleeping, max_recoveries=2):
        ended = await until_status(run.id, "failed", "succeeded")
        assert ended.status.value == "failed"
        assert ended.error is not None
        assert "died 3 times" in ended.error["message"]


async def test_what_a_run_takes_and_gives_is_not_logged(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="planar")
    async with open_app(shouting, failing):
        await shouting(SECRET)
        with pytest.raises(ValueError, match="as it should"):
            await failing(SECRET)
    shown = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("planar"))
    assert shown
    assert SECRET not in shown
    assert SECRET.upper() not in shown
