"""The front door finds the session, the engine and the settings of whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from planar.config import PlanarConfig, sqlite_config
from planar.context import Services, bind_services
from planar.db import DatabaseManager
from planar.session import config_var, engine_var, get_config, get_engine, get_session, session_context, session_var

pytestmark = pytest.mark.anyio


@pytest.fixture
async def manager() -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(":memory:")
    await manager.connect()
    yield manager
    await manager.disconnect()


@pytest.fixture
def services(manager: DatabaseManager) -> Services:
    services = Services()
    services.add(DatabaseManager, manager)
    services.add(PlanarConfig, sqlite_config("app.db"))
    return services


@pytest.mark.parametrize("ask", [get_session, get_engine, get_config, session_var.get, engine_var.get, config_var.get])
def test_outside_an_app_every_question_is_a_lookup_error(ask: object) -> None:
    with pytest.raises(LookupError):
        ask()  # type: ignore[operator]


async def test_the_engine_and_the_settings_are_those_of_the_running_app(manager: DatabaseManager, services: Services) -> None:
    with bind_services(services):
        assert get_engine() is engine_var.get() is manager.get_engine()
        assert get_config() is config_var.get() is services.get(PlanarConfig)


async def test_a_session_context_brings_its_own_engine(manager: DatabaseManager, services: Services) -> None:
    other = DatabaseManager(":memory:")
    await other.connect()
    with bind_services(services):
        async with session_context(other.get_engine()) as session:
            assert get_session() is session_var.get() is session
            assert get_engine() is other.get_engine()
        assert get_engine() is manager.get_engine()
        with pytest.raises(LookupError):
            get_session()
    await other.disconnect()


async def test_the_session_of_a_task_can_be_replaced_for_a_while(manager: DatabaseManager) -> None:
    async with manager.get_session() as session:
        token = session_var.set(session)
        assert get_session() is session
        session_var.reset(token)
        with pytest.raises(LookupError):
            session_var.get()
        assert session_var.get(default=session) is session
