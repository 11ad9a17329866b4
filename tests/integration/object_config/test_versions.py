"""What is saved, checked, promoted and read; and each weakness of the reference, beaten."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.db.session import get_session
from planar.object_config import (
    DEFAULT_UUID,
    ActiveConfigBroken,
    ConfigNotFoundError,
    ConfigState,
    ConfigValidationError,
    ObjectConfigurationIO,
    VersionChooser,
    chosen_version,
)
from planar.object_config.errors import ConfigNotDeletable, ConfigOfAnotherObject, ConfigUnreadable
from planar.object_config.texts import DifferenceKind
from tests.databases import Databases
from tests.integration.object_config.world import LIMITS, Limits

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def session(app: PlanarApp):
    with bind_services(app.services):
        async with script_session(app.services, "test"):
            yield


async def test_a_saved_version_is_inactive_and_the_default_comes_last() -> None:
    saved = await LIMITS.write_config("limits", Limits(ceiling=5), "lower")
    assert (saved.version, saved.active, saved.state, saved.comment) == (1, False, ConfigState.VALIDATED, "lower")
    read = await LIMITS.read_configs_with_default("limits", Limits())
    assert [(each.version, each.active, each.id == DEFAULT_UUID) for each in read] == [(1, False, False), (0, True, True)]
    assert read[0].data == Limits(ceiling=5)


async def test_what_is_not_valid_is_not_written_and_may_be_a_draft() -> None:
    with pytest.raises(ConfigValidationError) as caught:
        await LIMITS.write_config("limits", Limits(ceiling=-1))
    assert caught.value.to_api_response().diagnostics.suggested_fix == Limits()
    drafted = await LIMITS.draft("limits", {"ceiling": -1})
    assert (drafted.version, drafted.state, drafted.is_broken) == (1, ConfigState.DRAFT, True)
    with pytest.raises(ConfigValidationError):
        await LIMITS.promote_config(drafted.id)
    assert (await LIMITS.validate(drafted.id)).state is ConfigState.DRAFT


async def test_promoting_retires_the_one_before_and_reverting_uses_the_code() -> None:
    one, two = await LIMITS.write_config("limits", Limits(ceiling=1)), await LIMITS.write_config("limits", Limits(ceiling=2))
    await LIMITS.promote_config(one.id)
    await LIMITS.promote_config(two.id, "limits", "better")
    states = [each.state for each in await LIMITS.list("limits")]
    assert states == [ConfigState.ACTIVE, ConfigState.RETIRED]
    assert (await chosen_version("limits", "limits", Limits)).version == 2
    await LIMITS.promote_config(DEFAULT_UUID, "limits")
    chosen = await chosen_version("limits", "limits", Limits)
    assert (chosen.version, chosen.is_default, chosen.data) == (0, True, Limits())
    assert await LIMITS.promote(one.id)
    assert not await LIMITS.promote(one.id), "it was active already"


async def test_an_active_version_older_than_twenty_others_is_still_found() -> None:
    old = await LIMITS.write_config("limits", Limits(ceiling=1))
    await LIMITS.promote_config(old.id)
    for ceiling in range(2, 25):
        await LIMITS.write_config("limits", Limits(ceiling=ceiling))
    read = await LIMITS.read_configs_with_default("limits", Limits())
    assert [each.version for each in read if each.active] == [1]
    assert len(read) == 22
    assert (await chosen_version("limits", "limits", Limits)).version == 1


async def test_a_version_of_another_object_or_type_is_not_promoted() -> None:
    saved = await LIMITS.write_config("limits", Limits())
    with pytest.raises(ConfigOfAnotherObject):
        await LIMITS.promote_config(saved.id, "prices")
    with pytest.raises(ConfigNotFoundError):
        await ObjectConfigurationIO(Limits, "another").promote_config(saved.id)
    with pytest.raises(ConfigNotFoundError):
        await LIMITS.promote_config(uuid4())
    with pytest.raises(ValueError, match="name the object"):
        await LIMITS.promote_config(DEFAULT_UUID)
    assert not any(each.active for each in await LIMITS.list())


async def test_only_what_was_never_active_is_deleted_and_its_number_is_not_given_again() -> None:
    one, two = await LIMITS.write_config("limits", Limits()), await LIMITS.write_config("limits", Limits())
    await LIMITS.delete(two.id)
    assert (await LIMITS.write_config("limits", Limits())).version == 3
    await LIMITS.promote_config(one.id)
    await LIMITS.revert("limits")
    with pytest.raises(ConfigNotDeletable):
        await LIMITS.delete(one.id)
    with pytest.raises(ConfigNotFoundError):
        await LIMITS.delete(two.id)


async def test_a_broken_row_is_shown_as_broken_and_harms_no_other(databases: Databases, app: PlanarApp) -> None:
    good, bad = await LIMITS.write_config("limits", Limits(ceiling=3)), await LIMITS.write_config("limits", Limits(ceiling=4))
    await LIMITS.promote_config(good.id)
    await databases.ask('update {planar}object_configuration set data = \'{{"ceiling": "high"}}\' where version = 2')
    app.services.get(VersionChooser).forget_all()
    listed = await LIMITS.list("limits")
    assert [(each.version, each.is_broken) for each in listed] == [(2, True), (1, False)]
    assert [each.data for each in await LIMITS.read_configs_with_default("limits", Limits())] == [None, Limits(ceiling=3), Limits()]
    assert (await chosen_version("limits", "limits", Limits)).data == Limits(ceiling=3)
    with pytest.raises(ConfigValidationError):
        await LIMITS.promote_config(bad.id)


async def test_a_broken_active_version_is_an_error_and_never_the_default(databases: Databases, app: PlanarApp) -> None:
    good = await LIMITS.write_config("limits", Limits(ceiling=3))
    await LIMITS.promote_config(good.id)
    await databases.ask("update {planar}object_configuration set data = '[]'")
    app.services.get(VersionChooser).forget_all()
    with pytest.raises(ActiveConfigBroken, match="Version 1 of the limits 'limits'"):
        await chosen_version("limits", "limits", Limits)


async def test_concurrent_saves_all_succeed_with_different_numbers(app: PlanarApp) -> None:
    async def save(ceiling: int) -> int:
        async with script_session(app.services, f"save {ceiling}"):
            return (await LIMITS.write_config("limits", Limits(ceiling=ceiling))).version

    assert sorted(await asyncio.gather(*(save(number) for number in range(12)))) == list(range(1, 13))


async def test_concurrent_promotions_leave_one_active(app: PlanarApp, databases: Databases) -> None:
    saved = [await LIMITS.write_config("limits", Limits(ceiling=number)) for number in range(6)]

    async def promote(number: int) -> None:
        async with script_session(app.services, f"promote {number}"):
            await LIMITS.promote_config(saved[number].id)

    await asyncio.gather(*(promote(number) for number in range(6)))
    ((active,),) = await databases.ask("select count(*) from {planar}object_configuration where active")
    ((promotions,),) = await databases.ask("select count(*) from {planar}object_configuration_promotion")
    assert (active, promotions) == (1, 6)


async def test_in_an_open_transaction_nothing_is_committed_and_an_error_undoes_only_itself() -> None:
    session = get_session()
    one = await LIMITS.write_config("limits", Limits(ceiling=1))
    async with session.begin():
        two = await LIMITS.write_config("limits", Limits(ceiling=2))
        with pytest.raises(ConfigOfAnotherObject):
            await LIMITS.promote_config(two.id, "prices")
        await LIMITS.promote_config(two.id)
        assert (await chosen_version("limits", "limits", Limits)).version == 2
        await LIMITS.promote_config(one.id)
    assert (await chosen_version("limits", "limits", Limits)).version == 1
    await LIMITS.promote_config(two.id)
    try:
        async with session.begin():
            await LIMITS.revert("limits")
            raise KeyError
    except KeyError:
        pass
    assert (await chosen_version("limits", "limits", Limits)).version == 2


async def test_two_versions_are_compared_by_places() -> None:
    one = await LIMITS.write_config("limits", Limits(ceiling=1, lines=[{"id": "a", "x": 1}, {"id": "b"}]))
    two = await LIMITS.write_config("limits", Limits(ceiling=2, lines=[{"id": "c"}, {"id": "a", "x": 2}]))
    found = [(each.pointer, each.kind) for each in await LIMITS.diff(one.id, two.id)]
    changed, added, removed = DifferenceKind.CHANGED, DifferenceKind.ADDED, DifferenceKind.REMOVED
    assert found == [("/ceiling", changed), ("/lines/0", added), ("/lines/1/x", changed), ("/lines/1", removed)]
    assert await LIMITS.diff(Limits(ceiling=1, lines=[{"id": "a", "x": 1}, {"id": "b"}]), one.id) == []


async def test_in_run_transaction_it_is_a_part_of_that() -> None:
    session = get_session()
    one = await LIMITS.write_config("limits", Limits(ceiling=1))

    async def work() -> int:
        await LIMITS.promote_config(one.id)
        return (await LIMITS.write_config("limits", Limits(ceiling=2))).version

    assert await session.run_transaction(work) == 2
    assert (await chosen_version("limits", "limits", Limits)).version == 1

    async def fails() -> None:
        await LIMITS.revert("limits")
        raise KeyError

    with pytest.raises(KeyError):
        await session.run_transaction(fails)
    assert (await chosen_version("limits", "limits", Limits)).version == 1


async def test_what_cannot_be_stored_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(150):
        deep = {"x": deep}
    for config in (Limits(lines=[deep]), Limits(lines=[{"half": "\ud800"}])):
        with pytest.raises(ConfigUnreadable):
            await LIMITS.write_config("limits", config)
    for name in ("", "x" * 256, "a\0b"):
        with pytest.raises(ConfigUnreadable):
            await LIMITS.write_config(name, Limits())
    assert await LIMITS.list() == []


async def test_a_text_that_is_no_json_is_shown_and_compared(databases: Databases, app: PlanarApp) -> None:
    saved, other = await LIMITS.write_config("limits", Limits()), await LIMITS.write_config("limits", Limits())
    await databases.ask("update {planar}object_configuration set data = 'no json' where version = 1")
    app.services.get(VersionChooser).forget_all()
    assert (await LIMITS.find(saved.id)).is_broken
    assert [each.before for each in await LIMITS.diff(saved.id, other.id)] == ["no json"]
