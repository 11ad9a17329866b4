"""A change that is interrupted anywhere has not happened; and what is asked often is answered by an index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.db.session import get_session
from planar.object_config import (
    DEFAULT_UUID,
    ActiveConfigBroken,
    ConfigDiagnostics,
    ObjectConfigurationIO,
    VersionChooser,
    choosing,
    pinning,
    storing,
)
from planar.object_config.choosing import FRESH_SECONDS
from planar.object_config.pinner import Pinner
from planar.object_config.pinning import Asked
from planar.object_config.statements import USES, VERSIONS
from planar.object_config.storing import ObjectKey
from tests.databases import Databases
from tests.integration.object_config.world import LIMITS, Limits

pytestmark = pytest.mark.anyio


class Interrupted(BaseException):
    """The process goes no further."""


@pytest.fixture(autouse=True)
async def bound(app: PlanarApp) -> AsyncIterator[None]:
    with bind_services(app.services):
        yield


async def in_script(app: PlanarApp, work: Any) -> Any:
    async with script_session(app.services, "test"):
        return await work()


async def state(databases: Databases) -> tuple[Any, ...]:
    """All that is stored."""
    found: list[Any] = []
    for table, order in (("object_configuration", "version"), ("object_configuration_promotion", "number")):
        found.append([tuple(row) for row in await databases.ask(f"select * from {{planar}}{table} order by {order}")])
    return tuple(found)


async def test_a_promotion_that_is_interrupted_between_any_two_writes_has_not_happened(
    app: PlanarApp, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
    two = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=2)))
    await in_script(app, lambda: LIMITS.promote_config(one.id))
    before, whole, seen = await state(databases), storing.changed, 0

    async def interrupted(session: Any, statement: Any) -> int:
        nonlocal seen
        if seen == stop:
            raise Interrupted
        seen += 1
        result = await whole(session, statement)
        if seen == stop:
            raise Interrupted
        return result

    monkeypatch.setattr(storing, "changed", interrupted)
    for stop in range(4):
        seen = 0
        with pytest.raises(Interrupted):
            await in_script(app, lambda: LIMITS.promote_config(two.id))
        assert await state(databases) == before, f"interrupted at write {stop}"
    stop, seen = 99, 0
    await in_script(app, lambda: LIMITS.promote_config(two.id))
    assert seen == 3, "the one before, the new one, the history: each was interrupted before and after"


async def test_a_second_active_row_is_refused_by_the_database_itself(app: PlanarApp, databases: Databases) -> None:
    one = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
    two = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=2)))
    await in_script(app, lambda: LIMITS.promote_config(one.id))

    async def by_hand() -> None:
        table = "object_configuration" if databases.is_sqlite else "planar.object_configuration"
        await get_session().exec(text(f"update {table} set active = true where version = {two.version}"))  # type: ignore[call-overload]

    with pytest.raises(IntegrityError):
        await in_script(app, by_hand)


async def many_versions() -> None:
    """A table that is worth an index."""
    session = get_session()
    fixed = {"object_name": "limits", "object_type": "limits", "state": "validated", "author": "a", "fingerprint": "f", "active": False}
    rows = [{"id": uuid7(), "version": number, "data": "x" * 500, **fixed} for number in range(1, 3001)]
    connection = await session.connection()
    await connection.execute(insert(VERSIONS), rows)
    used = {"object_name": "limits", "object_type": "limits", "version": 0, "pins": True}
    uses = [{"id": uuid7(), "root_run_id": uuid7(), "run_id": uuid7(), **used} for _ in range(3000)]
    await connection.execute(insert(USES), uses)
    await session.commit()


async def test_the_active_version_is_found_by_its_index(app: PlanarApp, databases: Databases) -> None:
    await in_script(app, many_versions)
    explain = "explain query plan " if databases.is_sqlite else "explain "
    if not databases.is_sqlite:
        await databases.ask("analyze {planar}object_configuration")
        await databases.ask("analyze {planar}object_configuration_use")
    looks = {
        "uq_object_configuration_active": "select id, version from {planar}object_configuration"
        " where object_type = 'limits' and object_name = 'limits' and active",
        "uq_object_configuration_use_pin": "select config_id, version from {planar}object_configuration_use"
        " where root_run_id = '00000000000000000000000000000000' and object_type = 'limits' and object_name = 'limits' and pins",
    }
    for index, query in looks.items():
        plan = " ".join(str(row[-1]) for row in await databases.ask(explain + query))
        assert index in plan, plan


async def test_many_who_ask_at_once_ask_the_database_once(app: PlanarApp, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = app.services.get(VersionChooser)
    asked = 0
    ask = chooser._ask

    async def counted(key: ObjectKey) -> Any:
        nonlocal asked
        asked += 1
        return await ask(key)

    monkeypatch.setattr(chooser, "_ask", counted)
    await asyncio.gather(*(LIMITS.chosen("limits", Limits) for _ in range(200)))
    assert asked == 1
    assert FRESH_SECONDS <= 0.1, "the documentation says so"


async def test_a_look_that_a_promotion_overtakes_is_not_remembered(app: PlanarApp, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
    looked, go_on = asyncio.Event(), asyncio.Event()
    chooser = app.services.get(VersionChooser)
    chooser._fresh_seconds = 1000
    look = choosing.find_active

    async def slow(*arguments: Any) -> Any:
        found = await look(*arguments)
        looked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(choosing, "find_active", slow)
    early = asyncio.ensure_future(LIMITS.chosen("limits", Limits))
    await looked.wait()
    await in_script(app, lambda: LIMITS.promote_config(saved.id))
    go_on.set()
    assert (await early).version == 0
    assert (await LIMITS.chosen("limits", Limits)).version == 1


async def test_processes_that_ask_for_one_run_at_the_same_time_are_told_the_same(app: PlanarApp, databases: Databases) -> None:
    saved = [await in_script(app, lambda n=n: LIMITS.write_config("limits", Limits(ceiling=n))) for n in range(4)]
    processes = [Pinner(app.db_manager) for _ in range(3)]
    roots = [uuid7() for _ in range(10)]
    key = ObjectKey("limits", "limits")

    async def ask(process: Pinner, root_id: UUID) -> tuple[UUID, int]:
        found = await process.ask(Asked(root_id, uuid7(), 1, key))
        return root_id, found.version if found is not None else 0

    asking = [ask(process, root_id) for process in processes for root_id in (roots if process is processes[0] else roots[::-1])]
    promoting = [in_script(app, lambda each=each: LIMITS.promote(each.id)) for each in saved]
    told = [each for each in await asyncio.gather(*asking, *promoting) if isinstance(each, tuple)]
    assert len(told) == 30
    assert len(set(told)) == 10, "one answer for each run at the top"
    ((rows,),) = await databases.ask("select count(*) from {planar}object_configuration_use")
    assert rows == 10


async def test_of_two_that_have_looked_the_second_to_write_takes_the_firsts_version(
    app: PlanarApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = await in_script(app, lambda: LIMITS.write_config("limits", Limits(ceiling=1)))
    root_id, key = uuid7(), ObjectKey("limits", "limits")
    look, looked, go_on = pinning.find_active, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        found = await look(*arguments)
        looked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(pinning, "find_active", slow)
    late = asyncio.ensure_future(Pinner(app.db_manager).ask(Asked(root_id, uuid7(), 1, key)))
    await looked.wait()
    monkeypatch.setattr(pinning, "find_active", look)
    await in_script(app, lambda: LIMITS.promote_config(saved.id))
    first = await Pinner(app.db_manager).ask(Asked(root_id, uuid7(), 1, key))
    go_on.set()
    assert first is not None
    assert first.version == 1
    assert await late == first


async def test_a_check_that_fails_itself_is_shown_and_asked_again(app: PlanarApp) -> None:
    works = True

    async def moody(_name: str, _config: Limits) -> ConfigDiagnostics[Limits]:
        if not works:
            raise RuntimeError("out of order")
        return ConfigDiagnostics(is_valid=True)

    io = ObjectConfigurationIO(Limits, "limits", moody)
    saved = await in_script(app, lambda: io.write_config("limits", Limits(ceiling=7)))
    await in_script(app, lambda: io.promote_config(saved.id))
    app.services.get(VersionChooser).forget_all()
    works = False
    # What an error of the app's own says is for its log.
    with pytest.raises(ActiveConfigBroken, match=r"It could not be checked: RuntimeError\. Promote"):
        await io.chosen("limits", Limits)
    works = True
    assert (await io.chosen("limits", Limits)).data.ceiling == 7
    assert await in_script(app, lambda: io.promote(DEFAULT_UUID, "limits"))
    assert (await io.chosen("limits", Limits)).config_id == UUID(int=0)
