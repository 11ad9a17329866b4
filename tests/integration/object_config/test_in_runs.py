"""A run, with all that it started, uses the version that was active when the first of them asked; and says which it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.db.session import get_session
from planar.object_config import DEFAULT_UUID, VersionChooser, chosen_version, pinner
from planar.object_config.uses import versions_used
from planar.workflows import gather, step, wait_for_event, workflow
from tests import stores
from tests.integration.http.conftest import Api
from tests.integration.object_config.conftest import OpenApi
from tests.integration.object_config.world import LIMITS, Limits, have_limits

pytestmark = pytest.mark.anyio


@step()
async def use(name: str = "limits", pinned: bool = True) -> int:
    """The version that is used here."""
    return (await chosen_version("limits", name, Limits, pinned=pinned)).version


@workflow()
async def one_use(which: str) -> int:
    return await use(which)


@workflow()
async def child() -> list[int]:
    return [await use(), await use()]


@workflow()
async def other_child() -> list[int]:
    return [await use()]


@workflow()
async def twice(key: str) -> list[int]:
    """Use it, wait, and use it again, also in children."""
    before = await use()
    await wait_for_event(key)
    return [before, await use(), *await child(), await use(pinned=False)]


@workflow()
async def parent_of_two(key: str) -> list[list[int]]:
    """Does not use it itself before its children do, at the same time."""
    await wait_for_event(key)
    return [*await gather(child(), other_child()), [await use()]]


@step(max_retries=3)
async def promote_in_step(config_id: UUID, fail: list[int]) -> int:
    await LIMITS.promote_config(config_id)
    found = (await chosen_version("limits", "limits", Limits)).version
    if fail and _attempts.pop() > 0:
        raise RuntimeError("after the promotion")
    return found


_attempts: list[int] = []


@workflow()
async def promoting(config_id: UUID, fail: list[int]) -> int:
    return await promote_in_step(config_id, fail)


@workflow()
async def latest_in_workflow_code() -> int:
    return (await chosen_version("limits", "limits", Limits, pinned=False)).version


@workflow()
async def in_workflow_code(key: str) -> list[int]:
    before = (await chosen_version("limits", "limits", Limits)).version
    await wait_for_event(key)
    return [before, (await chosen_version("limits", "limits", Limits)).version, await use()]


@step()
async def use_after_writing() -> list[int]:
    await LIMITS.draft("prices", Limits())
    return [await use_it("limits"), await use_it("limits")]


async def use_it(name: str) -> int:
    return (await chosen_version("limits", name, Limits)).version


@workflow()
async def writing_first(key: str) -> list[int]:
    used = await use_after_writing()
    await wait_for_event(key)
    return [*used, await use()]


class Moments:
    """When a step has used it, and when that step may go on."""

    def __init__(self) -> None:
        self.held, self.go_on = asyncio.Event(), asyncio.Event()


_now: list[Moments] = []


@step()
async def slow_use(config_id: UUID | None) -> int:
    """Write, use it, and go on for long."""
    if config_id is None:
        await LIMITS.draft("prices", Limits())
    else:
        await LIMITS.promote_config(config_id)
    used = await use_it("limits")
    _now[0].held.set()
    await _now[0].go_on.wait()
    return used


@step()
async def use_while_held() -> int:
    await _now[0].held.wait()
    return await use_it("limits")


@workflow()
async def beside_a_slow_one(config_id: UUID | None) -> list[int]:
    return list(await gather(slow_use(config_id), use_while_held()))


ALL = (in_workflow_code, writing_first, child, other_child, twice, parent_of_two, promoting, latest_in_workflow_code)


async def within(api: Api, act: Callable[[], Awaitable[Any]]) -> Any:
    """Act in a script's session of the app."""
    with bind_services(api.app.services):
        async with script_session(api.app.services, "test"):
            return await act()


async def promoted(api: Api, ceiling: int) -> UUID:
    """Save a version and promote it."""

    async def act() -> UUID:
        saved = await LIMITS.write_config("limits", Limits(ceiling=ceiling))
        await LIMITS.promote_config(saved.id)
        return saved.id

    return await within(api, act)


async def emit(api: Api, key: str) -> None:
    assert (await api.post("/workflows/events/emit", {"event_key": key, "payload": {}})).status_code == 200


async def test_a_promotion_changes_nothing_for_a_run_that_sleeps_nor_for_its_children(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits) as api:
        await promoted(api, 1)
        sleeping = await api.start("twice", key="go")
        await api.until(sleeping, "suspended")
        await promoted(api, 2)
        await emit(api, "go")
        run = await api.until(sleeping, "succeeded")
        assert run["result"] == [1, 1, 1, 1, 2], "only the step that asked for the latest sees the promotion"
        assert (await api.finish("child"))["result"] == [2, 2], "a run that began later"

        steps = (await api.get(f"/workflows/twice/runs/{sleeping}/steps")).json()["items"]
        numbers = [each["step_id"] for each in steps if each["function_name"].endswith("use")]
        assert len(numbers) == 3

        async def of_steps() -> list[int | None]:
            used = await versions_used(get_session(), UUID(sleeping))
            return [used.of_step(number, "limits", "limits") for number in numbers]

        assert await within(api, of_steps) == [1, 1, 2]
        listed = (await api.get("/object-configurations/uses", run_id=sleeping)).json()
        assert [(each["version"], each["pins"]) for each in listed] == [(1, True), (2, False)]


async def test_the_codes_own_version_is_kept_as_well(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits) as api:
        sleeping = await api.start("twice", key="go")
        await api.until(sleeping, "suspended")
        await promoted(api, 1)
        await emit(api, "go")
        assert (await api.until(sleeping, "succeeded"))["result"] == [0, 0, 0, 0, 1]


async def test_another_process_that_goes_on_with_the_run_uses_the_same_version(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits, max_parked_runs=0) as api:
        await promoted(api, 1)
        sleeping = await api.start("twice", key="go")
        await api.until(sleeping, "suspended")
        await promoted(api, 2)
    async with open_api(ALL, prepare=have_limits) as api:
        await emit(api, "go")
        assert (await api.until(sleeping, "succeeded"))["result"] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("name", ["in_workflow_code", "writing_first"])
async def test_workflow_code_and_a_step_that_has_written_are_told_the_same_version(open_api: OpenApi, name: str) -> None:
    async with open_api(ALL, prepare=have_limits, max_parked_runs=0) as api:
        await promoted(api, 1)
        sleeping = await api.start(name, key="go")
        await api.until(sleeping, "suspended")
        await promoted(api, 2)
        await emit(api, "go")
        run = await api.until(sleeping, "succeeded", "failed")
        assert run["result"] == [1, 1, 1], run


async def test_what_is_wrong_with_one_that_asks_is_no_others_fault(open_api: OpenApi, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pinner.pinned_versions

    async def fails_for_prices(session: Any, asked: Any, *options: Any) -> Any:
        if any(each.key.object_name == "prices" for each in asked):
            raise RuntimeError("not for prices")
        return await whole(session, asked, *options)

    monkeypatch.setattr(pinner, "pinned_versions", fails_for_prices)
    async with open_api((one_use,), prepare=have_limits) as api:
        names = ["limits", "prices", "limits", "greeting"] * 4
        runs = await asyncio.gather(*(api.finish("one_use", which=name) for name in names))
        assert [run["status"] for run in runs] == ["failed" if name == "prices" else "succeeded" for name in names]


@stores.only(stores.POSTGRESQL)  # who has written on SQLite holds the only write lock
@pytest.mark.parametrize("promote", [False, True])
async def test_a_slow_step_that_has_written_its_version_down_keeps_no_other_run_waiting(open_api: OpenApi, promote: bool) -> None:
    _now[:] = [moments := Moments()]
    async with open_api((beside_a_slow_one, one_use), prepare=have_limits) as api:
        saved = await within(api, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
        slow = await api.start("beside_a_slow_one", config_id=str(saved.id) if promote else None)
        async with asyncio.timeout(20):
            await moments.held.wait()
            waiting = api.app.services.get(VersionChooser)._pinner
            while not waiting._held:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
            for name in ("limits", "prices"):
                assert (await api.finish("one_use", which=name))["result"] == 0
        assert waiting._held, "its sibling still waits"
        moments.go_on.set()
        used = 1 if promote else 0
        assert (await api.until(slow, "succeeded"))["result"] == [used, used]
        assert not waiting._held


async def test_children_that_use_it_first_at_the_same_time_agree(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits) as api:
        await promoted(api, 1)
        runs = [await api.start("parent_of_two", key="go") for _ in range(8)]
        for run in runs:
            await api.until(run, "suspended")
        await emit(api, "go")
        await asyncio.gather(*(promoted(api, ceiling) for ceiling in (2, 3, 4)))
        for run in runs:
            result = (await api.until(run, "succeeded"))["result"]
            assert len({version for versions in result for version in versions}) == 1, result


async def test_a_promotion_in_a_step_is_durable_with_the_step_or_not_at_all(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits) as api:
        saved = await within(api, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
        _attempts[:] = [0, 1]
        run = await api.finish("promoting", config_id=str(saved.id), fail=[1])
        assert (run["status"], run["result"]) == ("succeeded", 1)

        async def history() -> Any:
            return (await api.get(f"/object-configurations/{saved.id}/promotions")).json()

        found = await history()
        assert found["total"] == 1, "the attempt that failed left none"
        assert (found["items"][0]["run_id"], found["items"][0]["to_version"]) == (run["id"], 1)


async def test_workflow_code_cannot_ask_for_the_latest(open_api: OpenApi) -> None:
    async with open_api(ALL, prepare=have_limits) as api:
        run = await api.finish("latest_in_workflow_code")
        assert run["status"] == "failed"
        assert "VersionNotPinned" in str(run["error"])


async def test_other_processes_see_a_promotion_a_moment_later(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as one, open_api((), prepare=have_limits) as two:

        async def active() -> int:
            return (await chosen_version("limits", "limits", Limits)).version

        assert await within(two, active) == 0
        await promoted(one, 1)
        assert await within(one, active) == 1, "at once where it was promoted"
        two.app.services.get(VersionChooser)._fresh_seconds = 0
        assert await within(two, active) == 1
        await within(one, lambda: LIMITS.promote_config(DEFAULT_UUID, "limits"))
        assert await within(two, active) == 0
